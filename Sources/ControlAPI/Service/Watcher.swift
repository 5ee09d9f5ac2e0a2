import ControlProtocol
import Controller
import GRPCCore

/// A caller that is told of changes until it goes.
struct Watcher: Sendable {
  private let plane: any ControlPlane
  private let caller: Caller
  /// Between counters; nil: none.
  private let interval: Duration?

  init(_ request: Apus_V1_WatchRequest, plane: any ControlPlane, caller: Caller) throws {
    self.plane = plane
    self.caller = caller
    guard request.hasCountersInterval else {
      interval = nil
      return
    }
    let asked = request.countersInterval
    guard (1...86_400).contains(asked.seconds) else {
      throw RPCError.wrong("counters_interval: \(asked.seconds) s (from 1 s to 86400 s)")
    }
    interval = .seconds(asked.seconds)
  }

  /// Ends when the caller does, or the controller, or the server.
  func run(
    _ statuses: AsyncStream<ControlStatus>, _ writer: RPCWriter<Apus_V1_WatchResponse>,
    cancellation: ServerContext.RPCCancellationHandle
  ) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask {
        for await status in statuses {
          try await writer.write(.with { $0.status = Apus_V1_StatusResponse(status) })
        }
      }
      group.addTask { try await cancellation.cancelled }
      if let interval { group.addTask { try await sendCounters(writer, every: interval) } }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func sendCounters(
    _ writer: RPCWriter<Apus_V1_WatchResponse>, every interval: Duration
  ) async throws {
    let selection = Apus_V1_CountersRequest.with { $0.omitRuleHits = true }
    while true {
      let counters = try await asking { () async throws(ControlError) in
        try await plane.counters(by: caller)
      }
      for message in Apus_V1_CountersResponse.messages(counters, selection) {
        try await writer.write(.with { $0.counters = message })
      }
      try await Task.sleep(for: interval)
    }
  }
}
