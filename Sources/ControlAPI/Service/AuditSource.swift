import Controller

/// The audit log, for those callers of the API who may read it.
///
/// Like every call of the controller, these are checked for `Permission.audit`, and recorded.
public protocol AuditSource: Sendable {
  /// Records after a sequence number, oldest first, at most `limit`.
  func auditRecords(after sequence: UInt64, limit: Int, by caller: Caller)
    async throws(ControlError) -> [StoredAuditRecord]

  /// Goes over the whole log.
  func checkAudit(by caller: Caller) async throws(ControlError) -> AuditCheck
}

/// A record of the audit log as it is written there.
public struct StoredAuditRecord: Sendable, Equatable {
  public var sequence: UInt64
  /// One line of JSON.
  public var json: String

  public init(sequence: UInt64, json: String) {
    self.sequence = sequence
    self.json = json
  }
}

/// Whether the audit log is as it was written.
public struct AuditCheck: Sendable, Equatable {
  /// Records that were checked.
  public var records: UInt64
  /// What is wrong first, and where; nil when nothing is.
  public var problem: String?

  public init(records: UInt64, problem: String? = nil) {
    self.records = records
    self.problem = problem
  }
}
