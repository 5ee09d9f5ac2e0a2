import ControlProtocol
import Controller
import GRPCCore
import SwiftProtobuf

// Messages that ask for packets, as the controller's values.

extension TraceRequest {
  package init(api request: Apus_V1_TraceRequest) throws {
    self.init(
      try PacketFilter(api: request.filter),
      try ObservationLimits(
        packets: request.packets, unless: 100, limit: 100_000,
        duration: request.hasDuration ? request.duration : nil))
  }
}

extension CaptureRequest {
  private static let bytesUnlessAsked: UInt64 = 64 << 20
  private static let bytesLimit: UInt64 = 4 << 30

  package init(api request: Apus_V1_CaptureRequest) throws {
    var limits = try ObservationLimits(
      packets: request.packets, unless: 10_000, limit: 10_000_000,
      duration: request.hasDuration ? request.duration : nil)
    guard request.bytes <= Self.bytesLimit else {
      throw RPCError.wrong("bytes: \(request.bytes) is more than \(Self.bytesLimit)")
    }
    limits.bytes = Int(request.bytes == 0 ? Self.bytesUnlessAsked : request.bytes)
    self.init(try PacketFilter(api: request.filter), limits)
    isOfUplink = request.uplink
    hasPayload = request.payload
    switch request.point {
    case .unspecified, .before: point = .before
    case .after: point = .after
    case .UNRECOGNIZED(let number):
      throw RPCError.wrong("point: \(number) is none (before or after)")
    }
  }
}

extension ObservationLimits {
  private static let secondsUnlessAsked = 60
  private static let secondsLimit: Int64 = 3_600

  fileprivate init(
    packets: UInt32, unless usual: Int, limit: Int, duration: Google_Protobuf_Duration?
  ) throws {
    guard packets <= limit else {
      throw RPCError.wrong("packets: \(packets) is more than \(limit) (ask for less)")
    }
    self.init(
      packets: packets == 0 ? usual : Int(packets), seconds: try Self.seconds(duration))
  }

  /// How long packets are looked at.
  static func seconds(_ duration: Google_Protobuf_Duration?) throws -> Int {
    guard let duration else { return secondsUnlessAsked }
    guard (1...secondsLimit).contains(duration.seconds), duration.nanos == 0 else {
      throw RPCError.wrong(
        "duration: \(duration.seconds) s (whole seconds, from 1 to \(secondsLimit))")
    }
    return Int(duration.seconds)
  }
}

extension PacketFilter {
  init(api filter: Apus_V1_PacketFilter) throws {
    self.init()
    if !filter.networkInterface.isEmpty { networkInterface = filter.networkInterface }
    if filter.hasProtocol {
      guard let number = UInt8(exactly: filter.protocol) else {
        throw RPCError.wrong("protocol: \(filter.protocol) is no IP protocol number (0 to 255)")
      }
      protocolNumber = number
    }
    if !filter.source.isEmpty { source.address = filter.source }
    if !filter.destination.isEmpty { destination.address = filter.destination }
    if filter.hasSourcePorts { source.ports = try Self.ports(filter.sourcePorts) }
    if filter.hasDestinationPorts { destination.ports = try Self.ports(filter.destinationPorts) }
    matchesBothWays = filter.bothWays
    isDropped = filter.dropped
    if !filter.reason.isEmpty { reason = filter.reason }
    if filter.hasVni {
      guard filter.vni < 1 << 24 else {
        throw RPCError.wrong("vni: \(filter.vni) is none (0 to 16777215)")
      }
      vni = filter.vni
    }
    switch filter.direction {
    case .unspecified: break
    case .egress: direction = .egress
    case .ingress: direction = .ingress
    case .UNRECOGNIZED(let number):
      throw RPCError.wrong("direction: \(number) is none (egress or ingress)")
    }
  }

  private static func ports(_ range: Apus_V1_PortRange) throws -> ClosedRange<UInt16> {
    guard let first = UInt16(exactly: range.first), let last = UInt16(exactly: range.last),
      first <= last
    else {
      throw RPCError.wrong("ports: \(range.first)-\(range.last) is no range (0 to 65535)")
    }
    return first...last
  }
}
