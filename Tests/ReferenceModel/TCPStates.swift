extension TCPTracker {
  static func kind(_ segment: TCPSegment) -> TCPKind {
    if segment.rst { return .rst }
    if segment.syn { return segment.ack ? .synAck : .syn }
    return segment.fin ? .fin : .ack
  }

  /// The state after a packet of the original sender, or of the other side.
  static func transition(_ kind: TCPKind, _ state: TCPState, reply: Bool) -> TCPTransition {
    switch kind {
    case .syn: reply ? synOfReply(state) : syn(state)
    case .synAck: reply ? synAckOfReply(state) : synAck(state)
    case .fin: fin(state)
    case .ack: ack(state, reply: reply)
    case .rst: state == .none ? .invalid : .to(.closed)
    }
  }

  private static func syn(_ state: TCPState) -> TCPTransition {
    switch state {
    case .none, .synSent, .timeWait, .closed: .to(.synSent)
    case .synSent2: .to(.synSent2)
    case .synReceived, .established, .finWait, .closeWait, .lastAck: .ignore
    }
  }

  private static func synOfReply(_ state: TCPState) -> TCPTransition {
    switch state {
    case .synSent, .synSent2: .to(.synSent2)
    case .timeWait: .to(.synSent)
    case .none, .synReceived, .established, .finWait, .closeWait, .lastAck, .closed: .invalid
    }
  }

  private static func synAck(_ state: TCPState) -> TCPTransition {
    state == .synReceived || state == .synSent2 ? .to(.synReceived) : .invalid
  }

  private static func synAckOfReply(_ state: TCPState) -> TCPTransition {
    switch state {
    case .none: .invalid
    case .synSent, .synSent2: .to(.synReceived)
    case .synReceived, .established, .finWait, .closeWait, .lastAck, .timeWait, .closed: .ignore
    }
  }

  private static func fin(_ state: TCPState) -> TCPTransition {
    switch state {
    case .none, .synSent, .synSent2: .invalid
    case .synReceived, .established: .to(.finWait)
    case .finWait, .closeWait, .lastAck: .to(.lastAck)
    case .timeWait: .to(.timeWait)
    case .closed: .to(.closed)
    }
  }

  private static func ack(_ state: TCPState, reply: Bool) -> TCPTransition {
    switch state {
    case .none: reply ? .invalid : .to(.established)
    case .synSent, .synSent2: reply ? .ignore : .invalid
    case .synReceived: reply ? .to(.synReceived) : .to(.established)
    case .established: .to(.established)
    case .finWait, .closeWait: .to(.closeWait)
    case .lastAck, .timeWait: .to(.timeWait)
    case .closed: .to(.closed)
    }
  }
}

/// The TCP options that tracking reads; a malformed option ends the list.
struct TCPOptions {
  /// The window scale's shift count, at most 14 (RFC 7323 section 2.3).
  var scale: UInt32?
  var permitsSACK = false
  /// Right edges of the blocks of the first SACK option (RFC 2018).
  var rightEdges: [UInt32] = []

  init(_ bytes: [UInt8]) {
    var offset = 0
    var sawSACK = false
    while offset < bytes.count {
      let kind = bytes[offset]
      if kind == 0 { return }
      if kind == 1 {
        offset += 1
        continue
      }
      guard offset + 1 < bytes.count else { return }
      let length = Int(bytes[offset + 1])
      guard length >= 2, offset + length <= bytes.count else { return }
      switch (kind, length) {
      case (3, 3): scale = min(14, UInt32(bytes[offset + 2]))
      case (4, 2): permitsSACK = true
      case (5, _) where length >= 10 && (length - 2) % 8 == 0 && !sawSACK:
        sawSACK = true
        for block in stride(from: offset + 2, to: offset + length, by: 8) {
          rightEdges.append(
            bytes[block + 4..<block + 8].reduce(0) { $0 << 8 | UInt32($1) })
        }
      default: break
      }
      offset += length
    }
  }
}
