import Foundation
import Testing

@testable import Daemon

/// Where threads run that are no workers.
@Suite struct ProcessorsTests {
  /// Does something on a thread of its own, whose processors may be changed.
  private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: body()) }
    }
  }

  @Test func othersLeaveWorkersAlone() async throws {
    let all = Processors.ofThisThread
    let worker = try #require(all.min())
    let (left, own) = await onThread {
      let left = Processors.leave(to: [worker, nil])
      return (left, Processors.ofThisThread)
    }
    #expect(left == (all.count > 1))
    #expect(own == (all.count > 1 ? all.subtracting([worker]) : all))
    // Threads that it starts are kept off too; a worker binds itself all the same.
    let (inherited, bound) = await onThread {
      _ = Processors.leave(to: [worker])
      nonisolated(unsafe) var sets: (Set<Int>, Set<Int>) = ([], [])
      let done = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        sets.0 = Processors.ofThisThread
        _ = Processors.pin(to: worker)
        sets.1 = Processors.ofThisThread
        done.signal()
      }
      done.wait()
      return sets
    }
    #expect(inherited == own)
    #expect(bound == [worker])
  }

  @Test func nothingChangesWithoutAnotherProcessor() async {
    let all = Processors.ofThisThread
    let (left, own) = await onThread {
      (Processors.leave(to: all.map { $0 }), Processors.ofThisThread)
    }
    #expect(!left && own == all)
  }
}
