import TableCompiler
import VPCModel
import Wire

/// Ports, exactly.
public typealias PortSet = IntervalMap<UInt16, Bool>

/// Services, exactly: protocol and destination port, or ICMP type and code, as one number.
///
/// The number is that of the engine's rules: the protocol from bit 16 on, below it the port, or
/// type and code. A protocol without ports has all 65,536 numbers or none.
public typealias ServiceSet = IntervalMap<UInt32, Bool>

/// What becomes of the first packet of a conversation, and of its answer.
public enum Fate: UInt8, Hashable, Sendable {
  /// It does not arrive.
  case refused
  /// It arrives, and the answer does not come back.
  case unanswered
  /// It arrives, and so does the answer.
  case answered
  /// It arrives; such a packet has no answer.
  case oneWay

  public var arrives: Bool { self != .refused }
}

/// Fates by source port.
public typealias PortFates = IntervalMap<UInt16, Fate>
/// Fates by service, then source port.
public typealias ServiceFates = IntervalMap<UInt32, PortFates>
/// Fates by remote address, service and source port: the exact answer to a question of
/// reachability, as disjoint boxes.
public typealias TrafficSet = IntervalMap<UInt128, ServiceFates>

extension IntervalMap where Bound == UInt128, Value == ServiceFates {
  static var refused: TrafficSet { TrafficSet(.refused) }

  /// Whether nothing arrives.
  public var isRefused: Bool { self == .refused }

  /// Fates by address, service and source port put together from two sets.
  func joined(_ other: TrafficSet, _ operation: (Fate, Fate) -> Fate) -> TrafficSet {
    combined(with: other) { one, two in
      one.combined(with: two) { $0.combined(with: $1, operation) }
    }
  }

  /// The fate of a packet.
  public func fate(_ address: IPAddress, service: UInt32, sourcePort: UInt16) -> Fate {
    value(at: address.number).value(at: service).value(at: sourcePort)
  }
}

extension IntervalMap where Bound == UInt32, Value == PortFates {
  static var refused: ServiceFates { ServiceFates(PortFates(.refused)) }
}

/// Numbers of services.
public enum Service {
  static let last: UInt32 = 0x00FF_FFFF

  /// The number of a packet's service.
  public static func number(_ protocolNumber: UInt8, _ low: UInt16 = 0) -> UInt32 {
    UInt32(protocolNumber) << 16 | UInt32(low)
  }

  /// All numbers of a protocol.
  static func block(_ protocolNumber: UInt8) -> ClosedRange<UInt32> {
    let first = number(protocolNumber)
    return first...first | 0xFFFF
  }

  /// All numbers of some ICMP types of a family.
  static func icmp(_ family: IPFamily, _ types: ClosedRange<UInt8>) -> ClosedRange<UInt32> {
    let first = number(ProbeTraffic.icmp(of: family))
    return first | UInt32(types.lowerBound) << 8...first | UInt32(types.upperBound) << 8 | 0xFF
  }

  /// What packets of a family can be: in IPv6 no extension headers.
  static func all(_ family: IPFamily) -> ServiceSet {
    let everything = ServiceSet(0...last, true, outside: false)
    if family == .v4 { return everything }
    return everything.subtracting(ServiceSet(ProbeTraffic.extensionHeaders.map(block)))
  }

  /// What may begin a conversation: no echo replies.
  static func beginnings(_ family: IPFamily) -> ServiceSet {
    let reply = ProbeTraffic.echo(family).reply
    return all(family).subtracting(ServiceSet([icmp(family, reply...reply)]))
  }

  /// What of that a network interface may send: neighbour discovery is a service of the host.
  static func sent(_ family: IPFamily) -> ServiceSet {
    let beginnings = beginnings(family)
    return family == .v4
      ? beginnings : beginnings.subtracting(ServiceSet([icmp(.v6, 133...137)]))
  }

  /// What a rule matches in a family. ICMP of the other family is a protocol without types.
  static func set(_ match: TrafficMatch, _ family: IPFamily) -> ServiceSet {
    match.applies(to: family) ? ServiceSet(match.keyIntervals) : .empty
  }

  /// The ports of a protocol that are in a set.
  static func ports(_ protocolNumber: UInt8, in set: ServiceSet) -> PortSet {
    let block = block(protocolNumber)
    return PortSet(
      set.trueRanges.filter { $0.overlaps(block) }.map { range in
        let range = range.clamped(to: block)
        return UInt16(
          truncatingIfNeeded: range.lowerBound)...UInt16(
            truncatingIfNeeded: range.upperBound)
      })
  }
}
