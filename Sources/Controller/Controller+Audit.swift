/// A record of the audit log as it is written there.
public struct AuditRecord: Sendable, Equatable {
  public var sequence: UInt64
  /// One line of JSON, as docs/state.md has it.
  public var json: String

  public init(sequence: UInt64, json: String) {
    self.sequence = sequence
    self.json = json
  }
}

/// The audit log, for callers who may read it; both calls are recorded themselves.
extension Controller {
  /// Records that follow a number, oldest first.
  ///
  /// - Parameters:
  ///   - sequence: the number that the first record follows; 0 for the first there is.
  ///   - limit: records at most; never more than 10,000 at a time.
  ///   - caller: needs `Permission.audit`.
  /// - Complexity: O(n) in the size of the files that hold the records.
  public func readAudit(
    after sequence: UInt64, limit: Int, by caller: Caller
  ) async throws(ControlError) -> [AuditRecord] {
    try await admit(AuditEntry("audit", by: caller), .audit)
    return try await Self.records(
      configuration.stateDirectory, after: sequence, limit: max(0, min(limit, 10_000)))
  }

  /// Checks the whole log; see `AuditLog.verify`.
  ///
  /// - Parameter caller: needs `Permission.audit`.
  public func verifyAudit(by caller: Caller) async throws(ControlError) -> AuditReport {
    try await admit(AuditEntry("audit verify", by: caller), .audit)
    return try await Self.verify(configuration.stateDirectory)
  }

  @concurrent private static func verify(
    _ stateDirectory: String
  ) async throws(ControlError) -> AuditReport {
    try AuditLog.verify(stateDirectory: stateDirectory)
  }

  @concurrent private static func records(
    _ stateDirectory: String, after sequence: UInt64, limit: Int
  ) async throws(ControlError) -> [AuditRecord] {
    let directory = stateDirectory + "/audit"
    let files = AuditReader.files(directory)
    // A file's name is its first number: those before the last that can hold the next are skipped.
    let next = AuditLog.fileName(first: sequence + 1)
    let start = files.lastIndex { $0 <= next } ?? 0
    var records: [AuditRecord] = []
    for file in files[min(start, files.count)...] where records.count < limit {
      do throws(StorageError) {
        _ = try AuditReader.lines(of: "\(directory)/\(file)") { line, _ in
          guard records.count < limit, let record = AuditLine(line), record.sequence > sequence
          else { return }
          let json = String(decoding: line, as: UTF8.self)
          records.append(AuditRecord(sequence: record.sequence, json: json))
        }
      } catch {
        throw error.refusal(directory: directory)
      }
    }
    return records
  }
}
