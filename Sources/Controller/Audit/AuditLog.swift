import Glibc

/// An append-only log of all calls, each record chained to the one before by SHA-256.
///
/// `append` returns when the record is on the disk. Calls that come while the disk is at work share
/// the next flush.
public actor AuditLog {
  private let executor: DiskExecutor
  private let directory: String
  private let fileBytes: Int
  private var descriptor: Int32
  private var size: Int
  private(set) var head: AuditHead
  /// Lines that are not on the disk yet.
  private var unwritten: [UInt8] = []
  /// Records of a flush that failed count for none of those who wait for it.
  private var failures: (count: Int, last: StorageError?) = (0, nil)
  /// Set when a write failed half way: bytes of it may be in the file.
  private var isTorn = false
  private var isClosed = false
  /// What was flushed last, to go on from when a write fails.
  private var flushedHead: AuditHead

  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    executor.asUnownedSerialExecutor()
  }

  init(
    directory: String, fileBytes: Int, descriptor: Int32, size: Int, head: AuditHead
  ) {
    executor = DiskExecutor("apus.audit")
    self.directory = directory
    self.fileBytes = fileBytes
    self.descriptor = descriptor
    self.size = size
    self.head = head
    flushedHead = head
  }

  deinit { Glibc.close(descriptor) }

  /// Flushes what waits and takes no more records.
  func close() {
    if !isClosed && !unwritten.isEmpty {
      do throws(StorageError) { try flushAll() } catch {
        // Those who wait for their records are told.
      }
    }
    isClosed = true
  }

  /// Writes a record and flushes it to the disk.
  ///
  /// - Returns: the end of the log after the record, or after some later one.
  @discardableResult
  func append(_ entry: AuditEntry) async throws(StorageError) -> AuditHead {
    guard !isClosed else {
      throw StorageError("the audit log cannot be written", why: "it is closed")
    }
    let sequence = head.sequence + 1
    let line = entry.line(sequence: sequence, previous: head.hash, time: Files.now())
    let hash = auditHash(line)
    unwritten += Array("\(line),\"hash\":\"\(hash)\"}\n".utf8)
    head = AuditHead(sequence: sequence, hash: hash)
    let before = failures.count
    // Whoever came while the disk was busy adds a record before the flush.
    await Task.yield()
    if failures.count > before, let last = failures.last { throw last }
    if flushedHead.sequence < sequence { try flushAll() }
    return flushedHead
  }

  private func flushAll() throws(StorageError) {
    let what = "the audit log cannot be written"
    do throws(StorageError) {
      if isTorn { try dropTornBytes() }
      if size >= fileBytes { try beginFile(first: flushedHead.sequence + 1) }
      var written = 0
      while written < unwritten.count {
        let count = unwritten[written...].withUnsafeBytes {
          Glibc.write(descriptor, $0.baseAddress, $0.count)
        }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw StorageError(what, errno: errno) }
        written += count
      }
      guard fdatasync(descriptor) == 0 else { throw StorageError(what, errno: errno) }
      size += unwritten.count
      unwritten.removeAll(keepingCapacity: true)
      flushedHead = head
    } catch {
      // None of these records counts: those who wait for them are refused.
      isTorn = true
      failures = (failures.count + 1, error)
      unwritten.removeAll()
      head = flushedHead
      throw error
    }
  }

  private func dropTornBytes() throws(StorageError) {
    guard ftruncate(descriptor, off_t(size)) == 0, lseek(descriptor, 0, SEEK_END) >= 0 else {
      throw StorageError("the audit log cannot be repaired", errno: errno)
    }
    isTorn = false
  }

  private func beginFile(first: UInt64) throws(StorageError) {
    let opened = try Self.openFile(directory, name: Self.fileName(first: first))
    Glibc.close(descriptor)
    descriptor = opened
    size = 0
  }

  static func openFile(_ directory: String, name: String) throws(StorageError) -> Int32 {
    let path = "\(directory)/\(name)"
    let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW
    let descriptor = Glibc.open(path, flags, 0o600)
    guard descriptor >= 0 else { throw StorageError("\(path) cannot be opened", errno: errno) }
    do throws(StorageError) {
      try Files.synchronize(directory)
    } catch {
      Glibc.close(descriptor)
      throw error
    }
    return descriptor
  }

  /// Names sort as the numbers of the records do.
  static func fileName(first: UInt64) -> String {
    let digits = String(first)
    return "audit-" + String(repeating: "0", count: max(0, 20 - digits.count)) + digits + ".jsonl"
  }
}
