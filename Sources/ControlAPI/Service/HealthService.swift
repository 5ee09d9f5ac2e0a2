import ControlProtocol
import GRPCCore
import Synchronization

/// Whether the daemon serves, for probes.
public final class HealthState: Sendable {
  private struct State {
    var isServing = true
    var nextWatcher = 0
    var watchers: [Int: AsyncStream<Bool>.Continuation] = [:]
  }

  private let state = Mutex(State())

  /// Tells all who watch.
  public func set(isServing: Bool) {
    state.withLock { state in
      guard state.isServing != isServing else { return }
      state.isServing = isServing
      for watcher in state.watchers.values { watcher.yield(isServing) }
    }
  }

  public var isServing: Bool { state.withLock { $0.isServing } }

  /// The state now, and whenever it changes.
  func changes() -> AsyncStream<Bool> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: Bool.self, bufferingPolicy: .bufferingNewest(1))
    let number = state.withLock { state in
      state.nextWatcher += 1
      state.watchers[state.nextWatcher] = continuation
      continuation.yield(state.isServing)
      return state.nextWatcher
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { _ = $0.watchers.removeValue(forKey: number) }
    }
    return stream
  }
}

/// `grpc.health.v1.Health`.
struct HealthService: Grpc_Health_V1_Health.ServiceProtocol {
  let state: ServerState

  private static let services = Set([""] + ProtocolDescriptors().services)

  func check(
    request: ServerRequest<Grpc_Health_V1_HealthCheckRequest>, context: ServerContext
  ) async throws -> ServerResponse<Grpc_Health_V1_HealthCheckResponse> {
    guard Self.services.contains(request.message.service) else {
      throw RPCError(
        code: .notFound,
        message: "\(Refusal.printable(request.message.service)): no such service (server "
          + "reflection lists what there is)")
    }
    return ServerResponse(message: .with { $0.status = Self.status(state.health.isServing) })
  }

  func watch(
    request: ServerRequest<Grpc_Health_V1_HealthCheckRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Grpc_Health_V1_HealthCheckResponse> {
    let isKnown = Self.services.contains(request.message.service)
    let changes = state.health.changes()
    return StreamingServerResponse { writer in
      try await withThrowingTaskGroup { group in
        group.addTask {
          for await isServing in changes {
            let status = isKnown ? Self.status(isServing) : .serviceUnknown
            try await writer.write(.with { $0.status = status })
          }
        }
        group.addTask { try await context.cancellation.cancelled }
        defer { group.cancelAll() }
        try await group.next()
      }
      return [:]
    }
  }

  private static func status(_ isServing: Bool)
    -> Grpc_Health_V1_HealthCheckResponse.ServingStatus
  {
    isServing ? .serving : .notServing
  }
}
