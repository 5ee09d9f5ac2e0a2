import CCapture
import Glibc

/// The bytes of a capture from the parser's position on, whatever they come from.
///
/// A regular file is mapped and the window is the whole file. A pipe or gzip data goes through a
/// buffer, and the window is the part of it that is there; `fill` brings more and may move it.
struct ByteWindow: ~Copyable {
  private(set) var cursor: UnsafeRawPointer
  private(set) var end: UnsafeRawPointer
  /// Why the bytes end before their source did, in words; nil if they ended properly.
  private(set) var failure: String?
  /// Size of the file in bytes, nil if it is a pipe.
  let byteCount: UInt64?

  private enum Source { case mapped, stream, gzip }
  private var source: Source
  private let descriptor: Int32
  private let ownsDescriptor: Bool
  /// Start of the mapping or of the buffer, and the offset in the capture that it stands for.
  private var base: UnsafeMutableRawPointer
  private var baseOffset: UInt64 = 0
  private var capacity: Int
  private var atEnd = false
  private var gzip: GzipInput?

  /// Opens a file, or standard input for `-`, and sees through gzip.
  init(path: String) throws(CaptureError) {
    let opened = try Self.open(path)
    descriptor = opened.descriptor
    ownsDescriptor = opened.owned
    byteCount = opened.size
    if let mapping = opened.mapping {
      source = .mapped
      base = mapping
      capacity = opened.mappedLength
      cursor = UnsafeRawPointer(base)
      end = cursor + capacity
      if looksLikeGzip { switchToBuffer() }
    } else {
      source = .stream
      capacity = Self.bufferSize
      base = .allocate(byteCount: capacity, alignment: 64)
      cursor = UnsafeRawPointer(base)
      end = cursor
    }
    if source == .stream, fill(2), looksLikeGzip {
      startInflating()
    }
  }

  deinit {
    if source == .mapped { munmap(base, capacity) } else { base.deallocate() }
    if ownsDescriptor { Glibc.close(descriptor) }
  }

  /// Bytes in the window.
  @inline(__always) var available: Int { end - cursor }

  /// Position of the cursor in the capture, after decompression, in bytes.
  var offset: UInt64 { baseOffset &+ UInt64(truncatingIfNeeded: cursor - UnsafeRawPointer(base)) }

  /// Whether offsets count decompressed bytes.
  var isCompressed: Bool { source == .gzip }

  /// Bytes of the file that were used, for comparison with `byteCount`.
  var bytesRead: UInt64 { gzip?.consumed ?? offset }

  /// Moves the cursor within the window; the caller has checked `available`.
  @inline(__always) mutating func advance(_ count: Int) { cursor += count }

  /// Makes at least `need` bytes available, reading no more than it must wait for.
  ///
  /// Pointers into the window are invalid after it. Returns false if the capture ends before.
  @inline(never) mutating func fill(_ need: Int) -> Bool {
    if source == .mapped { return available >= need }
    while available < need {
      if atEnd { return false }
      makeRoom()
      let room = UnsafeMutableRawBufferPointer(
        start: base + (end - UnsafeRawPointer(base)),
        count: capacity &- (end - UnsafeRawPointer(base)))
      let count = gzip == nil ? readMore(into: room) : inflateMore(into: room)
      if count == 0 { atEnd = true }
      end += count
    }
    return true
  }

  /// Moves the cursor by any number of bytes, without keeping them. Returns false at the end.
  mutating func skip(_ count: Int) -> Bool {
    var left = count
    while true {
      let step = min(left, available)
      cursor += step
      left &-= step
      if left == 0 { return true }
      if !fill(1) { return false }
    }
  }
}

// MARK: - Buffer

extension ByteWindow {
  private static var bufferSize: Int { 1 << 20 }

  private var looksLikeGzip: Bool {
    available >= 2 && load16(cursor, 0, swapped: false) == 0x8b1f
  }

  /// Leaves some space behind the window: by moving it to the front or, if it fills the buffer, by
  /// a larger buffer. It grows with the data that arrives, not with what a header promises.
  private mutating func makeRoom() {
    let used = end - UnsafeRawPointer(base)
    if capacity &- used >= 1 << 16 { return }
    let kept = available
    if cursor > UnsafeRawPointer(base) {
      baseOffset = offset
      memmove(base, cursor, kept)
    }
    if capacity &- kept < 1 << 16 {
      let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity &* 2, alignment: 64)
      memcpy(larger, base, kept)
      base.deallocate()
      base = larger
      capacity &*= 2
    }
    cursor = UnsafeRawPointer(base)
    end = cursor + kept
  }

  private mutating func readMore(into room: UnsafeMutableRawBufferPointer) -> Int {
    switch readSome(descriptor, into: room) {
    case .bytes(let count): return count
    case .failed(let why):
      failure = why
      return 0
    }
  }

  private mutating func inflateMore(into room: UnsafeMutableRawBufferPointer) -> Int {
    let count = gzip?.inflate(from: descriptor, into: room) ?? 0
    if count == 0 { failure = gzip?.failure }
    return count
  }

  /// Gives the mapping up for reads; what was mapped was not consumed yet.
  private mutating func switchToBuffer() {
    munmap(base, capacity)
    source = .stream
    capacity = Self.bufferSize
    base = .allocate(byteCount: capacity, alignment: 64)
    cursor = UnsafeRawPointer(base)
    end = cursor
  }

  /// Takes what was read so far as compressed input.
  private mutating func startInflating() {
    source = .gzip
    gzip = GzipInput(start: UnsafeRawBufferPointer(start: cursor, count: available))
    if gzip == nil {
      failure = "out of memory"
      atEnd = true
    }
    end = cursor
  }
}

// MARK: - Opening

extension ByteWindow {
  private struct Opened {
    var descriptor: Int32
    var owned: Bool
    var size: UInt64?
    var mapping: UnsafeMutableRawPointer?
    var mappedLength = 0
  }

  private static func open(_ path: String) throws(CaptureError) -> Opened {
    if path == "-" { return Opened(descriptor: STDIN_FILENO, owned: false) }
    var descriptor: Int32
    repeat {
      descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    } while descriptor < 0 && errno == EINTR
    guard descriptor >= 0 else {
      throw .cannotOpen(path: path, why: systemMessage(errno))
    }
    var opened = Opened(descriptor: descriptor, owned: true)
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      Glibc.close(descriptor)
      throw .cannotOpen(path: path, why: systemMessage(code))
    }
    let type = status.st_mode & S_IFMT
    if type == S_IFDIR {
      Glibc.close(descriptor)
      throw .cannotOpen(path: path, why: "it is a directory")
    }
    if type == S_IFREG, status.st_size > 0 { map(&opened, Int(status.st_size)) }
    return opened
  }

  /// Maps a regular file. A file that cannot be mapped is read instead.
  private static func map(_ opened: inout Opened, _ length: Int) {
    opened.size = UInt64(length)
    guard
      let mapping = mmap(nil, length, PROT_READ, MAP_PRIVATE, opened.descriptor, 0),
      mapping != MAP_FAILED
    else { return }
    madvise(mapping, length, Int32(MADV_SEQUENTIAL))
    opened.mapping = mapping
    opened.mappedLength = length
  }
}
