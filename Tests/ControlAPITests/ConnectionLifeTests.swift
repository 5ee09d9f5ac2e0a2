import CMallocCounter
import ControlAPI
import GRPCCore
import Glibc
import NIOCore
import Testing

/// When a connection ends, and that nothing of it stays.
@Suite(.serialized) struct ConnectionLifeTests {
  @Test func connectionWithoutACallIsClosed() async throws {
    var limits = ServerLimits()
    limits.connectionsPerCaller = 1
    limits.idleTimeout = .milliseconds(200)
    // gRPC connects again at once, without a call.
    limits.handshakeTimeout = .milliseconds(200)
    try await TestServer.with(limits: limits) { test in
      try await test.call { idle in
        _ = try await idle.status()
        // The only place is free when the first connection is closed.
        var isFree = false
        for _ in 0..<50 where !isFree {
          do {
            try await test.call { _ = try await $0.status() }
            isFree = true
          } catch is RPCError { try await Task.sleep(for: .milliseconds(100)) }
        }
        #expect(isFree)
      }
    }
  }

  @Test func connectionOfAWatcherStays() async throws {
    var limits = ServerLimits()
    limits.connectionsPerCaller = 1
    limits.idleTimeout = .milliseconds(100)
    try await TestServer.with(limits: limits) { test in
      try await test.call { watching in
        try await watching.control.watch(.init()) { response in
          var messages = response.messages.makeAsyncIterator()
          #expect(try await messages.next() != nil)
          try await Task.sleep(for: .seconds(1))
          await #expect(throws: RPCError.self) { try await test.call { try await $0.status() } }
        }
      }
    }
  }

  @Test func closedConnectionLeavesNoMemory() async throws {
    try await TestServer.with { test in
      func connect(_ count: Int) async throws {
        for _ in 0..<count {
          // The kernel refuses what is more than the socket's backlog.
          while true {
            do {
              try await RawConnection.unix(test.socket, test.group) { try await $0.close() }
              break
            } catch let error as IOError where error.errnoCode == EAGAIN {
              try await Task.sleep(for: .milliseconds(1))
            }
          }
        }
        // The server's side ends a moment later.
        try await Task.sleep(for: .milliseconds(500))
      }
      try await connect(1_000)
      let before = Int(apus_heap_in_use())
      try await connect(3_000)
      // With gRPC's own idle timer it was over 400 bytes for each; others use the heap as well.
      #expect((Int(apus_heap_in_use()) - before) / 3_000 < 200)
    }
  }
}
