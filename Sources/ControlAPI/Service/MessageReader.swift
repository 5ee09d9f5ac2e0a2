import GRPCCore

/// The messages of a call whose caller goes on sending while it is answered, read one by one.
// Sendable although an iterator is not: a call has one task at a time that reads.
final class MessageReader<Message: Sendable>: @unchecked Sendable {
  private var iterator: RPCAsyncSequence<Message, any Error>.AsyncIterator

  init(_ messages: RPCAsyncSequence<Message, any Error>) {
    iterator = messages.makeAsyncIterator()
  }

  /// The next message, however long it takes; nil when the caller has no more.
  func next() async throws -> Message? { try await iterator.next() }

  /// The next message of a request that is not complete yet.
  ///
  /// - Throws: DEADLINE_EXCEEDED when none comes in time.
  func next(within timeout: Duration) async throws -> Message? {
    try await withThrowingTaskGroup(of: Message?.self) { group in
      group.addTask { try await self.next() }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw RPCError(.tooSlow(timeout))
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
  }
}
