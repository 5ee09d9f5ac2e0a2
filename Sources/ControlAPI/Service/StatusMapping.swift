import Controller
import GRPCCore

extension ControlError {
  /// The status that says so: what, why, and what to do.
  var status: RPCError {
    switch self {
    case .invalid(let lines):
      error(.invalidArgument, StatusText.joined(lines))
    case .conflict(let expected, let actual):
      error(
        .aborted,
        "the state has generation \(actual), not \(expected): another writer was first (read it "
          + "again, and apply to generation \(actual))")
    case .denied(let permission, let caller):
      error(
        .permissionDenied,
        "\(caller) lacks the permission '\(permission.rawValue)' (permissions are granted in the "
          + "daemon's configuration)")
    case .full(let what, let limit, let asked):
      error(
        .resourceExhausted,
        "\(asked) \(what): there is room for \(limit) (ask for less, or start the daemon with "
          + "more)")
    case .notFound(let reference):
      error(
        .notFound,
        "\(reference.kind.rawValue)/\(reference.id): there is no such object ('apus get "
          + "\(reference.kind.rawValue)' lists what there is)")
    case .unavailable(let why, let advice):
      error(.unavailable, "\(why) (\(advice))")
    }
  }

  /// The controller has recorded its own refusals; `RequestGuard` need not.
  private func error(_ code: RPCError.Code, _ text: String) -> RPCError {
    var metadata: Metadata = [:]
    metadata.addString("1", forKey: ServerState.recordedKey)
    return RPCError(code: code, message: text, metadata: metadata)
  }
}

extension RPCError {
  /// A request that the API refuses before it asks the controller.
  static func wrong(_ text: String) -> RPCError { RPCError(code: .invalidArgument, message: text) }

  init(_ refusal: Refusal) {
    self.init(code: RPCError.Code(refusal.code) ?? .internalError, message: refusal.text)
  }
}

/// Asks the controller, and turns its refusals into statuses.
func asking<Answer>(_ call: () async throws(ControlError) -> Answer) async throws -> Answer {
  do { return try await call() } catch { throw error.status }
}
