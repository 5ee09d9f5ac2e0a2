import Tables
import Wire

// Sequence and window checking after van Rooij, "Real Stateful TCP Packet Filtering in IP Filter"
// (2000), in the form that Linux 6.1 gave it. Four bounds: data not beyond the receiver's window,
// data not older than one window, acknowledgements not of data unseen, and not too old.

extension TCPTracker {
  /// Below this an acknowledgement is never too old, whatever the window: Linux's MAXACKWINCONST.
  private static var acknowledgementWindow: UInt32 { 66_000 }

  /// Checks a segment against both windows and moves them; `accept`, `ignore` or `invalid`.
  mutating func checkWindow(_ segment: TCPSegment, side: UInt8, state: TCPState) -> TCPVerdict {
    if track.windowCheckOff { return .accept }
    var acknowledgement = segment.acknowledgement
    var selective = acknowledgement
    if flags(side ^ 1).contains(.sackPermitted) && segment.flags.contains(.ack) {
      selective = segment.options.highestSACK(above: acknowledgement)
    }
    var sequence = segment.sequence
    var end = segment.end
    if beginSide(segment, side: side, state: state, selective: selective) { return .accept }

    var sender = self.side(side)
    var receiver = self.side(side ^ 1)
    let isBareReset = segment.flags.contains(.rst) && segment.acknowledgement == 0
    if !segment.flags.contains(.ack) || isBareReset {
      // No acknowledgement, or a broken one: taken as one of everything seen.
      acknowledgement = receiver.end
      selective = receiver.end
    }
    if segment.flags.contains(.rst) && sequence == 0 && state == .synSent {
      sequence = sender.end
      end = sender.end
    }
    let bounds = judgeBounds(
      sequence: sequence, end: end, selective: selective, sender: sender, receiver: receiver)
    switch bounds {
    case .inside: break
    case .overshoot:
      // More than the window allows, but the receiver may have taken it.
      sender.end = end
      setSide(sender, side)
      return flags(side).contains(.liberal) ? .accept : .ignore
    case .old where !flags(side).contains(.liberal): return .ignore
    case .outside where !flags(side).contains(.liberal): return .invalid
    default: return .accept
    }
    update(
      segment, side: side, end: end, acknowledgement: acknowledgement, selective: selective,
      &sender, &receiver)
    return .accept
  }

  private enum Bounds { case inside, overshoot, old, outside }

  private func judgeBounds(
    sequence: UInt32, end: UInt32, selective: UInt32, sender: TCPSide, receiver: TCPSide
  ) -> Bounds {
    let oldestACK = receiver.end &- max(sender.maxWindow, Self.acknowledgementWindow) &- 1
    if !isBefore(sequence, sender.maxEnd &+ 1) {
      let excess = end &- sender.maxEnd &+ 1
      let isRecent =
        receiver.maxWindow != 0 && isAfter(end, sender.end &- receiver.maxWindow &- 1)
      let fits =
        isRecent && isAfter(selective, oldestACK) && excess <= receiver.maxWindow
        && isBefore(selective, receiver.end &+ 1)
      return fits ? .overshoot : .outside
    }
    if !isBefore(selective, receiver.end &+ 1) { return .outside }
    if receiver.maxWindow != 0 && !isAfter(end, sender.end &- receiver.maxWindow &- 1) {
      return .old
    }
    return isAfter(selective, oldestACK) ? .inside : .old
  }

  /// Learns a side from its first segment, or from a SYN that is sent anew; true when there is
  /// nothing to check yet (simultaneous open).
  private mutating func beginSide(
    _ segment: TCPSegment, side: UInt8, state: TCPState, selective: UInt32
  ) -> Bool {
    var sender = self.side(side)
    let isSYN = segment.flags.contains(.syn)
    let isHandshake = state == .synSent || state == .synReceived
    if sender.maxWindow == 0 {
      if isSYN {
        initialise(segment, side: side)
        return !segment.flags.contains(.ack)
      }
      // Midstream: what the packet says is all there is.
      var receiver = self.side(side ^ 1)
      let window = UInt32(segment.window) << UInt32(scale(side))
      sender.end = segment.end
      sender.maxWindow = window == 0 ? 1 : window
      sender.maxEnd = segment.end &+ sender.maxWindow
      if receiver.maxWindow == 0 {
        receiver.end = selective
        receiver.maxEnd = selective
      } else if selective == receiver.end &+ 1 {
        // Likely the answer to a keepalive.
        receiver.end &+= 1
      }
      setSide(sender, side)
      setSide(receiver, side ^ 1)
    } else if isSYN && isAfter(segment.end, sender.end) && isHandshake {
      // RFC 9293 section 3.6.1: a new incarnation uses larger sequence numbers.
      initialise(segment, side: side)
      return side == 1 && !segment.flags.contains(.ack)
    }
    return false
  }

  private mutating func initialise(_ segment: TCPSegment, side: UInt8) {
    var sender = self.side(side)
    sender.end = segment.end
    sender.maxEnd = segment.end
    sender.maxWindow = segment.window == 0 ? 1 : UInt32(segment.window)
    setSide(sender, side)
    setOptions(segment.options, side: side)
    // RFC 7323 section 2.2: windows are scaled only when both sides said so.
    let bothScale = flags(0).contains(.windowScale) && flags(1).contains(.windowScale)
    if side == 1 && !bothScale {
      setScale(0, side: 0)
      setScale(0, side: 1)
    }
  }

  private mutating func update(
    _ segment: TCPSegment, side: UInt8, end: UInt32, acknowledgement: UInt32, selective: UInt32,
    _ sender: inout TCPSide, _ receiver: inout TCPSide
  ) {
    var window = UInt32(segment.window)
    if !segment.flags.contains(.syn) { window <<= UInt32(scale(side)) }
    sender.maxWindow = max(sender.maxWindow, window &+ (selective &- acknowledgement))
    if isAfter(end, sender.end) { sender.end = end }
    if segment.flags.contains(.ack) {
      if !flags(side).contains(.maxACKSet) {
        sender.maxACK = acknowledgement
        insertFlag(.maxACKSet, side: side)
      } else if isAfter(acknowledgement, sender.maxACK) {
        sender.maxACK = acknowledgement
      }
    }
    if receiver.maxWindow != 0 && isAfter(end, sender.maxEnd) {
      receiver.maxWindow &+= end &- sender.maxEnd
    }
    if isAfter(selective &+ window, receiver.maxEnd &- 1) {
      receiver.maxEnd = selective &+ window
      if window == 0 { receiver.maxEnd &+= 1 }
    }
    setSide(sender, side)
    setSide(receiver, side ^ 1)
    if segment.kind == .ack {
      track.lastSide = side
      track.lastEnd = end
      track.lastACK = acknowledgement
      track.lastWindow = segment.window
    }
  }
}
