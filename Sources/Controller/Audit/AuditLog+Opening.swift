import Glibc

extension AuditLog {
  /// An audit log, and what was found when it was opened.
  struct Opened: Sendable {
    var log: AuditLog
    /// Entries that the log must get: what was repaired, what is missing.
    var findings: [AuditEntry]
    var warnings: [String]
  }

  /// Opens the log of a state directory at its end.
  ///
  /// A last line that a crash left half written is taken off: nothing has taken effect because of
  /// it. The whole chain is not read here; `verify` does that.
  ///
  /// - Parameter known: the end of the log as the store has it; nil when the store is new.
  static func open(
    stateDirectory: String, fileBytes: Int, known: AuditHead?
  ) throws(StorageError) -> Opened {
    let directory = stateDirectory + "/audit"
    try Files.makePrivateDirectory(directory)
    var findings: [AuditEntry] = []
    var warnings: [String] = []
    let files = AuditReader.files(directory)
    var head = AuditHead(sequence: 0, hash: "")
    for (index, file) in files.enumerated().reversed() {
      let end = try AuditReader.end(of: "\(directory)/\(file)")
      if end.tornBytes > 0 {
        guard truncate("\(directory)/\(file)", off_t(end.wholeBytes)) == 0 else {
          throw StorageError("the audit log cannot be repaired", errno: errno)
        }
        let why =
          "\(end.tornBytes) bytes of a record that a crash had left half written were taken off"
        findings.append(entry("repair", outcome: "done", why))
      }
      if let last = end.last {
        head = AuditHead(sequence: last.sequence, hash: last.hash)
        break
      }
      if index > 0 { continue }
    }
    if let known, known.sequence > head.sequence {
      let why =
        "records \(head.sequence + 1) to \(known.sequence), which the store knows, are not there"
      findings.append(entry("damage", outcome: "failed", why))
      warnings.append("the audit log has lost its end: \(why)")
      head.sequence = known.sequence
    }
    let first = files.last ?? fileName(first: head.sequence + 1)
    let descriptor = try openFile(directory, name: first)
    let size = lseek(descriptor, 0, SEEK_END)
    let log = AuditLog(
      directory: directory, fileBytes: fileBytes, descriptor: descriptor, size: Int(max(0, size)),
      head: head)
    return Opened(log: log, findings: findings, warnings: warnings)
  }

  private static func entry(_ method: String, outcome: String, _ why: String) -> AuditEntry {
    AuditEntry(
      "audit.\(method)", by: Caller(name: "apus", proof: .none, permissions: []),
      outcome: outcome, why: why)
  }
}
