import VPCModel
import Wire

extension Generator {
  /// A segment that belongs to the end of a conversation.
  struct Farewell {
    /// Which of the ends sends it.
    var sender: Int
    var flags: UInt8
  }

  /// Says how a conversation ends: one side closes first and the other follows, or one resets.
  mutating func end(_ conversation: inout Conversation) {
    let first = random.number(0...1)
    let second = 1 - first
    let (fin, ack, reset): (UInt8, UInt8, UInt8) = (17, 16, 20)
    let endings: [[(Int, UInt8)]] = [
      [(first, fin), (second, fin), (first, ack)],
      [(first, fin), (second, ack), (second, fin), (first, ack)],
      [(first, fin), (second, fin), (first, ack), (second, ack)],
      [(first, reset)],
      [(first, fin), (second, reset)],
    ]
    let ending = random.pick(endings, else: [])
    conversation.farewells = ending.map { Farewell(sender: $0.0, flags: $0.1) }
  }

  /// Sends the next segment of a conversation's end.
  ///
  /// - Returns: false after the last, when the conversation does not begin anew.
  mutating func sayFarewell(_ conversation: inout Conversation) -> Bool {
    let next = conversation.farewells.removeFirst()
    // A mistake in the end of many would leave few connections that ended.
    isPlain = !random.one(in: 12)
    tcp(&conversation, from: next.sender, flags: next.flags, payload: 0)
    isPlain = false
    if !conversation.farewells.isEmpty { return true }
    if random.one(in: 3) { return false }
    beginAnew(&conversation)
    return true
  }

  /// The same addresses and ports once more, as a client that takes a port again: while the
  /// connection waits for late segments (RFC 9293 section 3.6.1), or after that. Either end may
  /// be the one that begins.
  private mutating func beginAnew(_ conversation: inout Conversation) {
    if random.one(in: 4) {
      conversation.ends.reverse()
      conversation.ports.reverse()
      conversation.sequence.reverse()
    }
    let sequence = conversation.sequence.map { random.one(in: 4) ? $0 : $0 &+ 100_000 }
    conversation.sequence = sequence
    conversation.acknowledged = sequence
    conversation.received = sequence.reversed()
    conversation.step = 0
    if random.one(in: 4) {
      time += UInt64(random.pick([1, 9, 10, 11, 44, 45, 46])) * 1_000_000_000
    }
  }
}
