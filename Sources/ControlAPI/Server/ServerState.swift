import Controller
import GRPCCore

/// What all connections of a server share.
struct ServerState: Sendable {
  let limits: ServerLimits
  let policy: AccessPolicy
  let connections: ConnectionTable
  let calls: CallCount
  let uploads: ByteBudget
  let refusals = RefusalRecorder()
  let health = HealthState()

  init(policy: AccessPolicy, limits: ServerLimits) {
    self.limits = limits
    self.policy = policy
    connections = ConnectionTable(limits: limits)
    calls = CallCount(limits: limits)
    uploads = ByteBudget(limit: limits.applyBytes)
  }

  /// The metadata that `RequestGuard` writes, and removes when a caller sends it.
  static let connectionKey = "apus-connection"
  /// Marks a status that the controller has recorded; never sent.
  static let recordedKey = "apus-recorded"

  /// Who sent a request.
  func caller(_ metadata: Metadata) throws(RPCError) -> Caller {
    guard let text = metadata[stringValues: Self.connectionKey].first(where: { _ in true }),
      let number = UInt64(text), let caller = connections.caller(number)
    else {
      throw RPCError(code: .unauthenticated, message: Refusal.anonymous.text)
    }
    return caller
  }
}
