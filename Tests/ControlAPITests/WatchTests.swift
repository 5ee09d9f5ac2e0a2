import ControlAPI
import ControlProtocol
import Controller
import Foundation
import GRPCCore
import Synchronization
import Testing

/// Counts from several tasks.
private final class Counter: Sendable {
  private let count = Mutex(0)

  func add() { count.withLock { $0 += 1 } }

  var value: Int { count.withLock { $0 } }
}

/// Callers that stay.
@Suite struct WatchTests {
  @Test func watcherSeesEachGeneration() async throws {
    try await TestServer.with { test in
      let seen = try await test.call { client in
        try await client.control.watch(.init()) { response in
          var seen: [UInt64] = []
          for try await message in response.messages {
            seen.append(message.status.generation)
            if seen.count == 4 { break }
            _ = try await test.call { other in
              try await other.apply(.with { $0.scope = .whole }, documents: [])
            }
          }
          return seen
        }
      }
      #expect(seen == [7, 8, 9, 10])
    }
  }

  @Test func countersComeAlong() async throws {
    let plane = FakePlane()
    plane.state.withLock { state in
      state.counters.interfaces = [HostCounters.Interface(id: "eni-web")]
      state.counters.ruleHits = ["sg/ingress/0": 1]
    }
    try await TestServer.with(plane: plane) { test in
      let request = Apus_V1_WatchRequest.with { $0.countersInterval.seconds = 1 }
      let counters = try await test.call { client in
        try await client.control.watch(request) { response in
          var interfaces: [String] = []
          for try await message in response.messages {
            guard case .counters(let counters) = message.event else { continue }
            #expect(counters.ruleHits.isEmpty)
            interfaces += counters.interfaces.map(\.networkInterface)
            if interfaces.count == 2 { break }
          }
          return interfaces
        }
      }
      #expect(counters == ["eni-web", "eni-web"])
      let error = await #expect(throws: RPCError.self) {
        try await test.call { client in
          try await client.control.watch(.with { $0.countersInterval.nanos = 5 }) { response in
            for try await _ in response.messages {}
          }
        }
      }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test func manyWatchersAllSeeTheChange() async throws {
    var limits = ServerLimits()
    limits.watchersPerCaller = 300
    try await TestServer.with(limits: limits) { test in
      let started = Counter()
      let seen = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<5 {
          group.addTask {
            try await test.call { client in
              try await withThrowingTaskGroup(of: Int.self) { calls in
                for _ in 0..<60 {
                  calls.addTask {
                    try await client.control.watch(.init()) { response in
                      for try await message in response.messages {
                        if message.status.generation == 8 { return 1 }
                        started.add()
                      }
                      return 0
                    }
                  }
                }
                return try await calls.reduce(0, +)
              }
            }
          }
        }
        group.addTask {
          for _ in 0..<1000 where started.value < 300 {
            try await Task.sleep(for: .milliseconds(10))
          }
          _ = try await test.call { client in
            try await client.apply(.with { $0.scope = .whole }, documents: [])
          }
          return 0
        }
        return try await group.reduce(0, +)
      }
      #expect(seen == 300)
    }
  }

  @Test func watchersAreLimitedAndMakeRoomAgain() async throws {
    var limits = ServerLimits()
    limits.watchersPerCaller = 3
    try await TestServer.with(limits: limits) { test in
      try await test.call { client in
        let started = Counter()
        try await withThrowingTaskGroup { group in
          for _ in 0..<3 {
            group.addTask {
              try await client.control.watch(.init()) { response in
                for try await _ in response.messages { started.add() }
              }
            }
          }
          for _ in 0..<500 where started.value < 3 {
            try await Task.sleep(for: .milliseconds(10))
          }
          let error = await #expect(throws: RPCError.self) { try await Self.first(client) }
          #expect(error?.code == .resourceExhausted)
          #expect(error?.message.contains("3 calls of uid:") == true)
          // Other calls go on.
          _ = try await client.status()
          group.cancelAll()
        }
        for _ in 0..<200 {
          if (try? await Self.first(client)) != nil { return }
          try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("watchers that are gone still count")
      }
    }
  }

  private static func first(_ client: ControlClient) async throws {
    try await client.control.watch(.init()) { response in
      _ = try await response.messages.first { _ in true }
    }
  }

  @Test func watcherThatGoesEndsTheControllersStream() async throws {
    try await TestServer.with { test in
      try await test.call { try await Self.first($0) }
      let watcher = try #require(test.plane.state.withLock { $0.watchers.first })
      var isEnded = false
      for _ in 0..<500 where !isEnded {
        if case .terminated = watcher.yield(test.plane.status) { isEnded = true }
        try await Task.sleep(for: .milliseconds(10))
      }
      #expect(isEnded)
    }
  }

  @Test func shutdownEndsWatchers() async throws {
    try await TestServer.with { test in
      try await test.call { client in
        try await client.control.watch(.init()) { response in
          for try await _ in response.messages { test.server.beginGracefulShutdown() }
        }
      }
    }
  }

  @Test func healthIsToldOfShutdown() async throws {
    try await TestServer.with { test in
      try await TestCalls.with(test.address, nil, test.group) { calls in
        let check = try await calls.health.check(.with { $0.service = "apus.v1.Control" })
        #expect(check.status == .serving)
        let error = await #expect(throws: RPCError.self) {
          try await calls.health.check(.with { $0.service = "apus.v9.Control" })
        }
        #expect(error?.code == .notFound)
        let seen = try await calls.health.watch(.init()) { response in
          var seen: [Grpc_Health_V1_HealthCheckResponse.ServingStatus] = []
          for try await message in response.messages {
            seen.append(message.status)
            if seen.count == 2 { break }
            test.server.health.set(isServing: false)
          }
          return seen
        }
        #expect(seen == [.serving, .notServing])
      }
    }
  }
}
