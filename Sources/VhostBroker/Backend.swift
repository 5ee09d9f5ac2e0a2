/// A data plane's connection, as the broker uses it: requests and their answers.
struct Backend {
  /// What a data plane may take for an answer, in milliseconds: it may have to stop a worker first.
  static let answerTime: Int64 = 10_000

  let channel: Channel

  /// Sends a request, and waits for its answer if it has one.
  /// - Parameter isAcknowledged: the front-end wants to know, and may.
  func exchange(
    _ request: Request, _ message: Message, isAcknowledged: Bool
  ) throws(ChannelError) -> Message? {
    var message = message
    message.flags = Message.version | (isAcknowledged ? Message.needReplyFlag : 0)
    let deadline = Instant.now() + Self.answerTime
    try channel.send(message, until: deadline)
    guard isAcknowledged || request.answer != .none else { return nil }
    let reply = try channel.receive(until: deadline) { (_, _, size) throws(MessageError) in
      guard size <= 8 else { throw .payloadSize(Int(size)) }
      return Int(size)
    }
    do {
      try MessageRules.checkReply(reply, to: message, request)
    } catch {
      throw .malformed(error)
    }
    return reply
  }

  /// Sends a request whose answer is 64 bits.
  func ask(_ request: Request) throws(ChannelError) -> UInt64 {
    try exchange(request, Message(request), isAcknowledged: false)?.value ?? 0
  }

  /// Sends a request that has no answer.
  func tell(_ message: Message) throws(ChannelError) {
    var message = message
    message.flags = Message.version
    try channel.send(message, until: Instant.now() + Self.answerTime)
  }
}
