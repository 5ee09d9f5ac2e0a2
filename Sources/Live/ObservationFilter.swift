import Datapath
import Tables
import Wire

/// Which packets an observation is about, in a fixed size, so that a worker asks it as it is.
///
/// Addresses and ports are those of the guest's packet, inside of a tunnel.
@frozen public struct ObservationFilter: BitwiseCopyable, Sendable {
  /// Ports from one to another, both included.
  @frozen public struct Ports: BitwiseCopyable, Sendable {
    public var first: UInt16
    public var last: UInt16

    public init(_ ports: ClosedRange<UInt16>) {
      first = ports.lowerBound
      last = ports.upperBound
    }

    @inlinable @inline(__always)
    func contains(_ port: UInt16) -> Bool { port >= first && port <= last }
  }

  /// One end of a packet; nil is any.
  @frozen public struct End: BitwiseCopyable, Sendable {
    public var addresses: FlowFilter.Addresses?
    public var ports: Ports?

    public init() {}
  }

  /// Sent by this NIC, or for it; `none` is any.
  public var nic: TableIndex = .none
  /// IP protocol number; nil is any.
  public var transport: UInt8?
  public var source = End()
  public var destination = End()
  /// Packets whose ends are swapped match too.
  public var matchesBothWays = false
  /// Sent by a guest of this host, or come from the underlay; nil is both.
  public var origin: Origin?
  /// VNI of the tunnel that it came by; nil is any, and none.
  public var vni: UInt32?
  /// The share of connections that is looked at.
  public var sample = ConnectionSample.all
  /// Only what comes from the underlay or goes there.
  public var isOfUnderlay = false
  public var isDropped = false
  /// With `isDropped`: why; `none` is any reason.
  public var reason = DropReason.none

  public init() {}

  /// Whether a packet's headers match; what only its judgement tells is not asked.
  @_noLocks
  func matches(_ frame: borrowing ObservedFrame, origin: Origin) -> Bool {
    if let wanted = self.origin, wanted != origin { return false }
    if let vni, !frame.hasTunnel || frame.vni != vni { return false }
    if let transport, !frame.headers.hasAddresses || frame.headers.transport != transport {
      return false
    }
    return matchesEnds(frame.headers)
  }

  private func matchesEnds(_ headers: borrowing Headers) -> Bool {
    if Self.isSource(headers, source) && Self.isDestination(headers, destination) { return true }
    return matchesBothWays && Self.isSource(headers, destination)
      && Self.isDestination(headers, source)
  }

  @inline(__always)
  private static func isSource(_ headers: borrowing Headers, _ end: End) -> Bool {
    if let wanted = end.addresses {
      guard headers.hasAddresses, wanted.isIPv6 == (headers.family == .v6),
        wanted.contains(headers.sourceHigh, headers.sourceLow)
      else { return false }
    }
    guard let ports = end.ports else { return true }
    return hasPorts(headers) && ports.contains(headers.sourcePort)
  }

  @inline(__always)
  private static func isDestination(_ headers: borrowing Headers, _ end: End) -> Bool {
    if let wanted = end.addresses {
      guard headers.hasAddresses, wanted.isIPv6 == (headers.family == .v6),
        wanted.contains(headers.destinationHigh, headers.destinationLow)
      else { return false }
    }
    guard let ports = end.ports else { return true }
    return hasPorts(headers) && ports.contains(headers.destinationPort)
  }

  @inline(__always)
  private static func hasPorts(_ headers: borrowing Headers) -> Bool {
    headers.hasTransport && headers.hasPorts
  }

  /// Whether what became of a packet is what is looked for.
  @inlinable @inline(__always)
  func matches(_ verdict: Verdict, _ reason: DropReason) -> Bool {
    if !isDropped { return true }
    return verdict == .drop && (self.reason == .none || self.reason == reason)
  }
}
