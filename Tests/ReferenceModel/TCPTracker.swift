/// What is remembered of one sender of a TCP connection.
struct TCPSide {
  /// The highest sequence number sent, plus one.
  var end: UInt32 = 0
  /// The highest sequence number that the other side allows.
  var maximumEnd: UInt32 = 0
  /// The largest window advertised; 0 as long as nothing was seen of this side.
  var maximumWindow: UInt32 = 0
  /// The highest acknowledgement sent.
  var maximumAcknowledgement: UInt32?
  var scale: UInt32 = 0
  var offersScale = false
  var permitsSACK = false
  /// Picked up in the middle: scaling is unknown, so the window is not insisted upon.
  var isLiberal = false
  /// Sent the first FIN.
  var beganClosing = false
}

enum TCPState: Int {
  case none, synSent, synReceived, established, finWait, closeWait, lastAck, timeWait, closed
  case synSent2
}

enum TCPKind { case syn, synAck, fin, ack, rst }

enum TCPTransition: Equatable {
  case to(TCPState)
  case ignore, invalid
}

/// The window and state tracker of Linux 6.1 (nf_conntrack_proto_tcp.c), with the differences of
/// the contract: every RST is checked against the window, and there are no timeouts for
/// retransmission or unacknowledged data.
struct TCPTracker {
  enum Outcome: Equatable {
    /// Part of the connection; `refresh` is whether the timeout begins anew.
    case accept(refresh: Bool)
    /// Passes as part of the connection, whose state and timeout stay.
    case ignore
    case invalid
    /// Passes, and the connection is gone.
    case acceptAndDelete
    /// The connection is over, and the packet may begin another.
    case reopen
  }

  private enum WindowResult { case accept, ignore, invalid }

  private(set) var state = TCPState.none
  /// Original sender first.
  private var sides = [TCPSide(), TCPSide()]
  private(set) var checksWindow = true
  private var seenReply = false
  private var isAssured = false
  private var lastKind: TCPKind?
  private var lastDirection = 0
  private var lastSequence: UInt32 = 0
  private var lastAcknowledgement: UInt32 = 0
  private var lastEnd: UInt32 = 0
  private var lastWindow: UInt32 = 0
  /// What a SYN said that was ignored, should the other side answer it.
  private var ignoredSYN = TCPSide()
  private var simultaneousOpen = false
  private var expectsChallenge = false
  private(set) var lastWasRST = false

  /// Begins a connection with its first packet, which counts as sent by the original sender.
  init(first segment: TCPSegment, isFragment: Bool) {
    sides[0].end = segment.end
    sides[0].maximumWindow = max(1, UInt32(segment.window))
    sides[0].maximumEnd = segment.end
    if segment.syn {
      readOptions(segment, side: 0)
    } else {
      sides[0].maximumEnd = segment.end &+ sides[0].maximumWindow
      for side in 0...1 {
        sides[side].permitsSACK = true
        sides[side].isLiberal = true
      }
    }
    _ = judge(segment, reply: false, isFragment: isFragment)
  }

  /// Judges a packet of the connection and remembers it.
  mutating func judge(_ segment: TCPSegment, reply: Bool, isFragment: Bool) -> Outcome {
    if isFragment { checksWindow = false }
    let outcome = track(segment, direction: reply ? 1 : 0)
    switch outcome {
    case .accept, .ignore: if reply { seenReply = true }
    case .invalid, .acceptAndDelete, .reopen: break
    }
    return outcome
  }

  private mutating func track(_ segment: TCPSegment, direction: Int) -> Outcome {
    let kind = Self.kind(segment)
    var oldState = state
    var newState: TCPState
    switch Self.transition(kind, state, reply: direction == 1) {
    case .invalid: return .invalid
    case .ignore:
      guard synchronises(segment, kind, direction) else {
        return passIgnored(segment, kind, direction)
      }
      oldState = .synSent
      newState = .synReceived
    case .to(let next):
      newState = next
      if next == .synSent && (oldState == .timeWait || oldState == .closed) {
        let closing = sides[0].beganClosing || sides[1].beganClosing
        if closing || (lastDirection == direction && lastKind == .rst) { return .reopen }
        return passIgnored(segment, kind, direction)
      }
    }
    switch newState {
    case .timeWait:
      // RFC 5961: an answer to a spurious SYN, not to the last FIN.
      if oldState == .lastAck && kind == .ack && lastDirection != direction && lastKind == .syn
        && expectsChallenge
      {
        expectsChallenge = false
        return .ignore
      }
    case .synSent2:
      simultaneousOpen = true
    case .synReceived:
      if direction == 1 && kind == .ack && simultaneousOpen { newState = .established }
    case .closed where kind == .rst && checksWindow:
      let isUnexpected = sides[1 - direction].maximumAcknowledgement == nil || lastKind == .syn
      let judgement = judgeReset(segment, direction)
      switch judgement {
      case .invalid: return .invalid
      case .ignore: newState = oldState
      case .to(let next): newState = next
      }
      if (isUnexpected || judgement == .ignore) && answersOddPacket(segment) {
        return enter(newState, from: oldState, kind, direction)
      }
    default: break
    }
    switch checksWindow ? checkWindow(segment, kind, direction) : .accept {
    // An RST outside the window never ends a connection, and does not pass either.
    case .ignore: return kind == .rst ? .invalid : .ignore
    case .invalid: return .invalid
    case .accept: return enter(newState, from: oldState, kind, direction)
    }
  }

  private mutating func enter(
    _ newState: TCPState, from oldState: TCPState, _ kind: TCPKind, _ direction: Int
  ) -> Outcome {
    lastKind = kind
    lastDirection = direction
    state = newState
    lastWasRST = kind == .rst
    if oldState != newState && newState == .finWait { sides[direction].beganClosing = true }
    if !seenReply {
      // A refused connection: its only answer is this RST.
      if kind == .rst { return .acceptAndDelete }
      if kind == .syn && oldState == .synSent { return .accept(refresh: false) }
    } else if (oldState == .synReceived || oldState == .established) && newState == .established {
      isAssured = true
    }
    return .accept(refresh: true)
  }

  // MARK: Packets that may be valid for the ends, though not by what was seen

  /// Whether this answers a SYN that was let through earlier; then the connection is in step again.
  private mutating func synchronises(
    _ segment: TCPSegment, _ kind: TCPKind, _ direction: Int
  ) -> Bool {
    guard kind == .synAck, lastKind == .syn, lastDirection != direction,
      segment.acknowledgement == lastEnd
    else { return false }
    var other = ignoredSYN
    other.end = lastEnd
    other.maximumEnd = lastEnd
    other.maximumWindow = max(1, lastWindow)
    sides[lastDirection] = other
    expectsChallenge = false
    let isLiberal = sides[direction].isLiberal
    sides[direction] = TCPSide()
    sides[direction].isLiberal = isLiberal
    return true
  }

  private mutating func passIgnored(
    _ segment: TCPSegment, _ kind: TCPKind, _ direction: Int
  ) -> Outcome {
    lastKind = kind
    lastDirection = direction
    lastSequence = segment.sequence
    lastEnd = segment.end
    lastWindow = UInt32(segment.window)
    if kind == .syn && direction == 0 {
      let options = TCPOptions(segment.options)
      ignoredSYN = TCPSide()
      ignoredSYN.scale = options.scale ?? 0
      ignoredSYN.offersScale = options.scale != nil
      ignoredSYN.permitsSACK = options.permitsSACK
      simultaneousOpen = false
      expectsChallenge = state == .lastAck
    }
    if state == .synSent && kind == .ack && direction == 1 {
      lastAcknowledgement = segment.acknowledgement
    }
    return .ignore
  }

  // MARK: RST

  /// The state that an RST leads to; `ignore` keeps the state, so that a challenge can be answered.
  private func judgeReset(_ segment: TCPSegment, _ direction: Int) -> TCPTransition {
    guard let expected = sides[1 - direction].maximumAcknowledgement, lastKind != .syn else {
      return .to(.closed)
    }
    let isEstablished = state == .established && isAssured
    if segment.sequence == 0 && !isEstablished { return .to(.closed) }
    if before(segment.sequence, expected) { return .invalid }
    if !isEstablished || segment.sequence == expected { return .to(.closed) }
    if lastKind == .ack && lastDirection == direction && segment.sequence == lastEnd {
      return .to(.closed)
    }
    return .ignore
  }

  /// Whether an RST answers a SYN or ACK that was let through although it did not fit.
  private func answersOddPacket(_ segment: TCPSegment) -> Bool {
    let isExact = segment.acknowledgement == lastEnd
    if isExact && (seenReply && lastKind == .syn || !isAssured && lastKind == .ack) { return true }
    return state == .synSent && lastKind == .ack && lastDirection == 1
      && segment.sequence == lastAcknowledgement
  }

  // MARK: The window

  private mutating func checkWindow(
    _ segment: TCPSegment, _ kind: TCPKind, _ direction: Int
  ) -> WindowResult {
    let other = 1 - direction
    var sequence = segment.sequence
    var end = segment.end
    var acknowledgement = segment.acknowledgement
    var selective = acknowledgement
    if sides[other].permitsSACK {
      for edge in TCPOptions(segment.options).rightEdges where after(edge, selective) {
        selective = edge
      }
    }
    if sides[direction].maximumWindow == 0 {
      if segment.syn {
        beginSide(segment, direction)
        if !segment.ack { return .accept }
      } else {
        beginSideMidway(segment, direction, selective)
      }
    } else if segment.syn && after(end, sides[direction].end)
      && (state == .synSent || state == .synReceived)
    {
      beginSide(segment, direction)
      if direction == 1 && !segment.ack { return .accept }
    }
    if !segment.ack || (segment.rst && acknowledgement == 0) {
      acknowledgement = sides[other].end
      selective = acknowledgement
    }
    if segment.rst && sequence == 0 && state == .synSent {
      sequence = sides[direction].end
      end = sequence
    }
    let insists = !sides[direction].isLiberal
    if let fault = outside(sequence, end, selective, direction) {
      return insists ? fault : .accept
    }
    let window = UInt32(segment.window) << (segment.syn ? 0 : sides[direction].scale)
    advance(segment, direction, end, acknowledgement, selective, window)
    if kind == .ack {
      lastDirection = direction
      lastSequence = sequence
      lastAcknowledgement = acknowledgement
      lastEnd = end
      lastWindow = UInt32(segment.window)
    }
    return .accept
  }

  /// What is wrong with a segment's place in the window; nil when it is inside.
  private mutating func outside(
    _ sequence: UInt32, _ end: UInt32, _ selective: UInt32, _ direction: Int
  ) -> WindowResult? {
    let sender = sides[direction]
    let receiver = sides[1 - direction]
    let oldestAcknowledgement = receiver.end &- max(sender.maximumWindow, 66_000) &- 1
    let endsInWindow = after(end, sender.end &- receiver.maximumWindow &- 1)
    let acknowledgesSent = before(selective, receiver.end &+ 1)
    let acknowledgesRecent = after(selective, oldestAcknowledgement)

    if !before(sequence, sender.maximumEnd &+ 1) {
      let overshoot = end &- sender.maximumEnd &+ 1
      if receiver.maximumWindow != 0 && endsInWindow && acknowledgesRecent && acknowledgesSent
        && overshoot <= receiver.maximumWindow
      {
        sides[direction].end = end
        return .ignore
      }
      return .invalid
    }
    if !acknowledgesSent { return .invalid }
    if receiver.maximumWindow != 0 && !endsInWindow { return .ignore }
    if !acknowledgesRecent { return .ignore }
    return nil
  }

  private mutating func advance(
    _ segment: TCPSegment, _ direction: Int, _ end: UInt32, _ acknowledgement: UInt32,
    _ selective: UInt32, _ window: UInt32
  ) {
    let other = 1 - direction
    let seenWindow = window &+ (selective &- acknowledgement)
    sides[direction].maximumWindow = max(sides[direction].maximumWindow, seenWindow)
    if after(end, sides[direction].end) { sides[direction].end = end }
    if segment.ack {
      let highest = sides[direction].maximumAcknowledgement ?? acknowledgement
      sides[direction].maximumAcknowledgement =
        after(acknowledgement, highest) ? acknowledgement : highest
    }
    if sides[other].maximumWindow != 0 && after(end, sides[direction].maximumEnd) {
      sides[other].maximumWindow &+= end &- sides[direction].maximumEnd
    }
    if after(selective &+ window, sides[other].maximumEnd &- 1) {
      sides[other].maximumEnd = selective &+ window
      if window == 0 { sides[other].maximumEnd &+= 1 }
    }
  }

  /// The first SYN of a side, or a later one that begins anew.
  private mutating func beginSide(_ segment: TCPSegment, _ direction: Int) {
    sides[direction].end = segment.end
    sides[direction].maximumEnd = segment.end
    sides[direction].maximumWindow = max(1, UInt32(segment.window))
    readOptions(segment, side: direction)
    // RFC 7323 section 2.2: scaling needs the option of both.
    if direction == 1 && !(sides[0].offersScale && sides[1].offersScale) {
      sides[0].scale = 0
      sides[1].scale = 0
    }
  }

  private mutating func beginSideMidway(
    _ segment: TCPSegment, _ direction: Int, _ selective: UInt32
  ) {
    let other = 1 - direction
    sides[direction].end = segment.end
    sides[direction].maximumWindow = max(1, UInt32(segment.window) << sides[direction].scale)
    sides[direction].maximumEnd = segment.end &+ sides[direction].maximumWindow
    if sides[other].maximumWindow == 0 {
      sides[other].end = selective
      sides[other].maximumEnd = selective
    } else if selective == sides[other].end &+ 1 {
      // The answer to a keepalive.
      sides[other].end &+= 1
    }
  }

  private mutating func readOptions(_ segment: TCPSegment, side: Int) {
    guard !segment.options.isEmpty else { return }
    let options = TCPOptions(segment.options)
    sides[side].scale = options.scale ?? 0
    sides[side].offersScale = options.scale != nil
    sides[side].permitsSACK = options.permitsSACK
    sides[side].maximumAcknowledgement = nil
    sides[side].beganClosing = false
  }
}

/// Whether `a` is earlier than `b` in sequence space.
private func before(_ a: UInt32, _ b: UInt32) -> Bool { Int32(bitPattern: a &- b) < 0 }

private func after(_ a: UInt32, _ b: UInt32) -> Bool { before(b, a) }
