import Controller

/// The controller's audit log, as the API gives it out.
extension Controller: AuditSource {
  public func auditRecords(
    after sequence: UInt64, limit: Int, by caller: Caller
  ) async throws(ControlError) -> [StoredAuditRecord] {
    try await readAudit(after: sequence, limit: limit, by: caller).map {
      StoredAuditRecord(sequence: $0.sequence, json: $0.json)
    }
  }

  public func checkAudit(by caller: Caller) async throws(ControlError) -> AuditCheck {
    let report = try await verifyAudit(by: caller)
    return AuditCheck(records: report.records, problem: report.problems.first?.description)
  }
}
