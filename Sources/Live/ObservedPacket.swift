import Datapath
import Tables
import Wire

/// What an observation says of one packet; behind it in memory are its steps or its bytes.
@frozen public struct ObservedPacket: BitwiseCopyable, Sendable {
  /// Nanoseconds of the workers' clock.
  public var time: UInt64 = 0
  public var sourceHigh: UInt64 = 0
  public var sourceLow: UInt64 = 0
  public var destinationHigh: UInt64 = 0
  public var destinationLow: UInt64 = 0
  /// Of the rules that it was judged by.
  public var generation: UInt32 = 0
  /// Where the frame was seen.
  public var place = OutputPlace.nowhere
  public var output = OutputPlace.nowhere
  /// The NIC of the verdict.
  public var nic: TableIndex = .none
  public var rule: UInt32 = 0
  /// Of the tunnel that it came by, if any.
  public var vni: UInt32 = 0
  /// Bytes of the guest's frame.
  public var guestLength: UInt32 = 0
  /// Bytes of the frame that was seen, and how many of them are here.
  public var originalLength: UInt32 = 0
  public var length: UInt32 = 0
  /// Steps that are here.
  public var steps: UInt32 = 0
  public var sourcePort: UInt16 = 0
  public var destinationPort: UInt16 = 0
  /// Bytes of payload in each segment of a TCP packet that its sender left to be segmented, or 0.
  public var segmentSize: UInt16 = 0
  public var transport: UInt8 = 0
  public var isIPv6 = false
  public var hasAddresses = false
  public var hasPorts = false
  public var hasTunnel = false
  public var verdict = Verdict.pending
  public var reason = DropReason.none
  public var state = FlowState.none
  public var service = Service.none
  public var direction = PacketDirection.none

  init() {}

  /// No packet yet.
  @usableFromInline static var none: ObservedPacket { ObservedPacket() }

  /// What a packet was before its judgement.
  init(_ frame: borrowing ObservedFrame, _ packet: borrowing Packet, time: UInt64) {
    self.time = time
    sourceHigh = frame.headers.sourceHigh
    sourceLow = frame.headers.sourceLow
    destinationHigh = frame.headers.destinationHigh
    destinationLow = frame.headers.destinationLow
    place = packet.origin == .guest ? .nic(packet.nic) : .underlay
    vni = frame.vni
    originalLength = packet.originalLength
    guestLength = packet.originalLength &- min(packet.originalLength, UInt32(frame.offset))
    sourcePort = frame.headers.sourcePort
    destinationPort = frame.headers.destinationPort
    segmentSize = packet.segmentSize
    transport = frame.headers.transport
    isIPv6 = frame.headers.family == .v6
    hasAddresses = frame.headers.hasAddresses
    hasPorts = frame.headers.hasTransport && frame.headers.hasPorts
    hasTunnel = frame.hasTunnel
  }

  /// Adds what the engine said.
  @usableFromInline
  mutating func setVerdict(_ packet: borrowing Packet) {
    verdict = packet.verdict
    reason = packet.reason
    nic = packet.nic
    rule = packet.rule
    service = packet.service
    direction = packet.direction
    let isForwarded = packet.verdict == .forward
    state = isForwarded ? packet.state : .none
    output = isForwarded ? packet.output : .nowhere
  }

  /// The loop does not send what the engine forwarded.
  @usableFromInline
  mutating func setDropped(_ reason: DropReason) {
    verdict = .drop
    self.reason = reason
    state = .none
    output = .nowhere
  }

  /// Adds what became of a frame that the service thread composed.
  ///
  /// - Parameter isToUnderlay: it is a piece of a packet; else it is an answer to the NIC.
  @usableFromInline
  mutating func setComposed(nic: TableIndex, isToUnderlay: Bool) {
    self.nic = nic
    verdict = isToUnderlay ? .forward : .reply
    direction = isToUnderlay ? .egress : .ingress
    output = isToUnderlay ? .underlay : .nic(nic)
    place = output
  }

  public var source: IPAddress {
    isIPv6
      ? IPAddress(v6: sourceHigh, sourceLow)
      : IPAddress(v4: UInt32(truncatingIfNeeded: sourceLow))
  }
  public var destination: IPAddress {
    isIPv6
      ? IPAddress(v6: destinationHigh, destinationLow)
      : IPAddress(v4: UInt32(truncatingIfNeeded: destinationLow))
  }
}
