import Tables
import Wire

/// What the tracker says of a segment of a known connection.
enum TCPVerdict {
  /// Part of the connection, which moves on.
  case accept
  /// Part of the connection, which stays as it is, timeout included.
  case ignore
  case invalid
  /// A SYN that begins the connection anew: the old one is over.
  case reopen
}

/// A TCP connection as Linux 6.1's tracker follows it, with `nf_conntrack_tcp_loose=1` and
/// `be_liberal=0`.
///
/// It works on copies, so that a packet which is refused later leaves no trace. Two things differ
/// from Linux: an RST is window-checked in every state, also in the closing ones, and a segment
/// that was found invalid leaves no mark.
struct TCPTracker: ~Copyable {
  var state: TCPState
  var track: TCPTrack
  /// An answering packet was accepted before this one.
  let seenReply: Bool
  /// The connection has to go with this packet: the only answer was a RST.
  private(set) var isOver = false
  /// The deadline stays: a SYN sent again does not prolong a half-open connection.
  private(set) var keepsDeadline = false

  /// Follows a known connection.
  init(state: TCPState, track: TCPTrack, seenReply: Bool) {
    self.state = state
    self.track = track
    self.seenReply = seenReply
  }

  /// Begins a connection with its first segment: a SYN, or an ACK picked up midstream.
  ///
  /// The segment must then be given to `follow` like every other.
  init(first segment: TCPSegment) {
    state = .none
    seenReply = false
    track = TCPTrack()
    track.lastKind = .none
    var side = TCPSide()
    side.end = segment.end
    side.maxWindow = segment.window == 0 ? 1 : UInt32(segment.window)
    if segment.kind == .syn {
      side.maxEnd = side.end
      track.sides.0 = side
      setOptions(segment.options, side: 0)
    } else {
      side.maxEnd = side.end &+ side.maxWindow
      track.sides.0 = side
      // The handshake was not seen: scales are unknown, so windows are guesses and not enforced.
      track.flags.0 = TCPSideFlags.sackPermitted.union(.liberal)
      track.flags.1 = TCPSideFlags.sackPermitted.union(.liberal)
    }
  }

  /// Judges a segment and moves the connection on.
  ///
  /// - Parameter side: 0 when the segment is of the side that sent the first packet, 1 otherwise.
  mutating func follow(_ segment: TCPSegment, side: UInt8) -> TCPVerdict {
    // A fragment does not say how long the segment is, whatever becomes of it.
    if segment.isFragment { track.windowCheckOff = true }
    let old = state
    var next = TCPTransition.next(side: side, kind: segment.kind, state: old)
    var skipsWindow = false
    switch next {
    case .invalid:
      return .invalid
    case .ignore:
      if !resynchronises(segment, side: side) { return annotate(segment, side: side, state: old) }
      next = .to(.synReceived)
    case .to(.synSent) where old.rawValue >= TCPState.timeWait.rawValue:
      let closing = track.flags.0.union(track.flags.1).contains(.closeInitiator)
      if closing || (track.lastSide == side && track.lastKind == .rst) { return .reopen }
      return annotate(segment, side: side, state: old)
    case .to(.timeWait):
      // RFC 5961: an ACK that challenges a stray SYN does not acknowledge the last FIN.
      if old == .lastACK, segment.kind == .ack, track.lastSide != side, track.lastKind == .syn,
        track.lastFlags.contains(.expectChallengeACK)
      {
        track.lastFlags.remove(.expectChallengeACK)
        return .ignore
      }
    case .to(.synSent2):
      track.lastFlags.insert(.simultaneousOpen)
    case .to(.synReceived):
      if side == 1, segment.kind == .ack, track.lastFlags.contains(.simultaneousOpen) {
        next = .to(.established)
      }
    case .to(.closed) where segment.kind == .rst && !track.windowCheckOff:
      switch judgeReset(segment, side: side, old: old) {
      case .invalid: return .invalid
      case .checkWindow: break
      case .keepState: next = .to(old)
      case .skipWindow: skipsWindow = true
      }
    default: break
    }
    if !skipsWindow {
      let window = checkWindow(segment, side: side, state: old)
      // What may be ignored in others, an RST may not: it must be exact or go.
      if window != .accept { return segment.kind == .rst ? .invalid : window }
    }
    guard case .to(let new) = next else { return .invalid }
    move(to: new, from: old, segment, side: side)
    return .accept
  }

  /// How long the connection may be idle now, in nanoseconds.
  func timeout(_ segment: TCPSegment, established: UInt64) -> UInt64 {
    let second: UInt64 = 1_000_000_000
    if segment.kind == .rst { return 10 * second }
    switch state {
    case .none, .synSent, .synReceived, .synSent2: return 30 * second
    case .established: return established
    case .finWait, .closeWait, .lastACK: return 60 * second
    case .timeWait: return 45 * second
    case .closed: return 10 * second
    }
  }

  // MARK: Steps

  private mutating func move(
    to new: TCPState, from old: TCPState, _ segment: TCPSegment, side: UInt8
  ) {
    track.lastKind = segment.kind
    track.lastSide = side
    state = new
    if old != new && new == .finWait { insertFlag(.closeInitiator, side: side) }
    if !seenReply {
      if segment.kind == .rst { isOver = true }
      if segment.kind == .syn && old == .synSent { keepsDeadline = true }
    } else if !track.assured, old == .synReceived || old == .established, new == .established {
      track.assured = true
    }
  }

  /// A SYN+ACK that answers a SYN which was ignored: both ends are in step and only the tracker is
  /// not, so it takes over what it noted of that SYN.
  private mutating func resynchronises(_ segment: TCPSegment, side: UInt8) -> Bool {
    guard segment.kind == .synACK, track.lastKind == .syn, track.lastSide != side,
      segment.acknowledgement == track.lastEnd
    else { return false }
    var other = self.side(track.lastSide)
    other.end = track.lastEnd
    other.maxEnd = track.lastEnd
    other.maxWindow = track.lastWindow == 0 ? 1 : UInt32(track.lastWindow)
    setSide(other, track.lastSide)
    setScale(track.lastScale, side: track.lastSide)
    track.lastFlags.remove(.expectChallengeACK)
    setFlags(track.lastFlags, side: track.lastSide)
    setSide(TCPSide(), side)
    setScale(0, side: side)
    setFlags(flags(side).intersection(.liberal), side: side)
    return true
  }

  /// Notes an odd packet that may turn out to be the truth (a SYN in a live connection, say).
  private mutating func annotate(
    _ segment: TCPSegment, side: UInt8, state old: TCPState
  ) -> TCPVerdict {
    track.lastKind = segment.kind
    track.lastSide = side
    track.lastEnd = segment.end
    track.lastWindow = segment.window
    if segment.kind == .syn && side == 0 {
      track.lastFlags = TCPSideFlags()
      track.lastScale = 0
      if segment.options.hasWindowScale {
        track.lastFlags.insert(.windowScale)
        track.lastScale = segment.options.scale
      }
      if segment.options.isSACKPermitted { track.lastFlags.insert(.sackPermitted) }
      if old == .lastACK { track.lastFlags.insert(.expectChallengeACK) }
    }
    if old == .synSent && segment.kind == .ack && side == 1 {
      track.lastACK = segment.acknowledgement
    }
    return .ignore
  }

  private enum ResetJudgement { case invalid, checkWindow, keepState, skipWindow }

  /// An RST must be where the other side expects the next byte (RFC 5961 section 3), or answer
  /// something odd that was let through.
  private func judgeReset(_ segment: TCPSegment, side: UInt8, old: TCPState) -> ResetJudgement {
    var judgement = ResetJudgement.checkWindow
    let isEstablished = old == .established && track.assured
    if flags(side ^ 1).contains(.maxACKSet) && track.lastKind != .syn {
      let expected = self.side(side ^ 1).maxACK
      if segment.sequence == 0 && !isEstablished { return .checkWindow }
      if isBefore(segment.sequence, expected) { return .invalid }
      if !isEstablished || segment.sequence == expected { return .checkWindow }
      if track.lastKind == .ack && track.lastSide == side && segment.sequence == track.lastEnd {
        return .checkWindow
      }
      // In the window, but not exact: a challenge ACK will tell.
      judgement = .keepState
    }
    let answersSYN = seenReply && track.lastKind == .syn
    let answersACK = !track.assured && track.lastKind == .ack
    if (answersSYN || answersACK) && segment.acknowledgement == track.lastEnd { return .skipWindow }
    if old == .synSent && track.lastKind == .ack && track.lastSide == 1
      && segment.sequence == track.lastACK
    {
      return .skipWindow
    }
    return judgement
  }

  // MARK: Sides

  func side(_ index: UInt8) -> TCPSide { index == 0 ? track.sides.0 : track.sides.1 }
  func flags(_ index: UInt8) -> TCPSideFlags { index == 0 ? track.flags.0 : track.flags.1 }
  func scale(_ index: UInt8) -> UInt8 { index == 0 ? track.scales.0 : track.scales.1 }

  mutating func setSide(_ value: TCPSide, _ index: UInt8) {
    if index == 0 { track.sides.0 = value } else { track.sides.1 = value }
  }

  mutating func setFlags(_ value: TCPSideFlags, side index: UInt8) {
    if index == 0 { track.flags.0 = value } else { track.flags.1 = value }
  }

  mutating func insertFlag(_ flag: TCPSideFlags, side index: UInt8) {
    setFlags(flags(index).union(flag), side: index)
  }

  mutating func setScale(_ value: UInt8, side index: UInt8) {
    if index == 0 { track.scales.0 = value } else { track.scales.1 = value }
  }

  mutating func setOptions(_ options: TCPOptions, side index: UInt8) {
    guard options.isPresent else { return }
    var new = flags(index).intersection(.liberal)
    if options.hasWindowScale { new.insert(.windowScale) }
    if options.isSACKPermitted { new.insert(.sackPermitted) }
    setFlags(new, side: index)
    setScale(options.hasWindowScale ? options.scale : 0, side: index)
  }
}
