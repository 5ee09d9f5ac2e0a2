import Datapath
import Tables
import Wire

// Which packets an observation is about, what each costs, and how much of it is copied.

extension Observation {
  /// Whether a packet's headers match, before its judgement.
  ///
  /// - Parameters:
  ///   - time: nanoseconds of the workers' clock.
  ///   - found: what the packet is, when they do.
  @usableFromInline
  func describes(
    _ packet: borrowing Packet, _ engine: inout Worker, _ tables: borrowing RuleTables,
    time: UInt64, _ found: inout ObservedPacket
  ) -> Bool {
    let isOuter = packet.origin == .underlay
    // SAFETY: the packet's owner vouches for `length` bytes at `base`.
    let frame = unsafe ObservedFrame(
      packet.base, length: Int(packet.length), originalLength: Int(packet.originalLength),
      isOuter: isOuter)
    guard wanted.matches(frame, origin: packet.origin), wanted.sample.contains(frame, tables),
      wanted.nic == .none || isOfNIC(packet, frame, &engine, tables)
    else { return false }
    found = ObservedPacket(frame, packet, time: time)
    found.generation = tables.generation
    if content == .frameBefore { found.length = UInt32(captureLength(packet, frame)) }
    return true
  }

  /// Whether the NIC of the filter sent a packet, or would receive it.
  private func isOfNIC(
    _ packet: borrowing Packet, _ frame: borrowing ObservedFrame, _ engine: inout Worker,
    _ tables: borrowing RuleTables
  ) -> Bool {
    if packet.origin == .underlay {
      guard frame.hasTunnel else { return false }
      return wanted.nic
        == engine.tunnelReceiver(of: frame.headers, to: frame.target, vni: frame.vni, tables)
    }
    if wanted.nic == packet.nic { return true }
    return wanted.nic == engine.localReceiver(of: frame.headers, from: packet.nic, tables)
  }

  /// Whether a frame that the service thread composed matches.
  ///
  /// - Parameters:
  ///   - nic: whom it is for, or whose packet it is a piece of.
  ///   - isToUnderlay: it is such a piece, in its tunnel.
  @usableFromInline
  func describesComposed(
    _ packet: borrowing Packet, of nic: TableIndex, isToUnderlay: Bool, time: UInt64,
    _ found: inout ObservedPacket
  ) -> Bool {
    guard content == .frameAfter, !wanted.isDropped, wanted.origin == nil, wanted.vni == nil,
      wanted.nic == .none || wanted.nic == nic, isToUnderlay || !wanted.isOfUnderlay
    else { return false }
    // SAFETY: the packet's owner vouches for `length` bytes at `base`.
    let frame = unsafe ObservedFrame(
      packet.base, length: Int(packet.length), originalLength: Int(packet.originalLength),
      isOuter: isToUnderlay)
    guard wanted.matches(frame, origin: .guest) else { return false }
    found = ObservedPacket(frame, packet, time: time)
    found.setComposed(nic: nic, isToUnderlay: isToUnderlay)
    return true
  }

  /// Takes the time that a packet costs, if there is so much.
  @usableFromInline
  mutating func affords(_ found: ObservedPacket) -> Bool {
    switch content {
    case .steps: return allowance.take(WorkAllowance.trace)
    case .frameBefore: return allowance.take(WorkAllowance.capture(bytes: Int(found.length)))
    case .frameAfter:
      let most = hasPayload ? Self.frameLimit : Self.headersLimit
      let bytes = min(Int(found.originalLength), most)
      return allowance.take(WorkAllowance.capture(bytes: bytes))
    }
  }

  /// Bytes of a frame that are copied.
  ///
  /// - Parameter isOuter: the frame is a tunnel packet.
  @usableFromInline
  func captureLength(of packet: borrowing Packet, isOuter: Bool) -> Int {
    if hasPayload { return min(Int(packet.originalLength), Self.frameLimit) }
    // SAFETY: the packet's owner vouches for `length` bytes at `base`.
    let frame = unsafe ObservedFrame(
      packet.base, length: Int(packet.length), originalLength: Int(packet.originalLength),
      isOuter: isOuter)
    return captureLength(packet, frame)
  }

  private func captureLength(
    _ packet: borrowing Packet, _ frame: borrowing ObservedFrame
  ) -> Int {
    if hasPayload { return min(Int(packet.originalLength), Self.frameLimit) }
    // SAFETY: as above.
    let headers = unsafe frame.headerLength(packet.base, length: Int(packet.length))
    return min(min(headers &+ beyondHeaders, Int(packet.length)), Self.headersLimit)
  }
}
