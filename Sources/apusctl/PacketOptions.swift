import ArgumentParser
import ControlProtocol
import SwiftProtobuf

/// Which packets a trace or capture is about, and for how long.
struct PacketOptions: ParsableArguments {
  enum Direction: String, ExpressibleByArgument, CaseIterable { case egress, ingress }

  @Option(help: ArgumentHelp("Sent by this network interface, or for it.", valueName: "id"))
  var eni: String?

  @Option(
    name: .customLong("protocol"),
    help: ArgumentHelp("tcp, udp, icmp, icmpv6, sctp or a number.", valueName: "name"),
    transform: IPProtocolName.init)
  var protocolName: IPProtocolName?

  @Option(
    help: ArgumentHelp(
      "Source: an address or prefix, ports, or both.",
      discussion: "Such as 10.0.1.10, 10.0.0.0/8, 10.0.1.10:443, :1024-65535, [fd00::1]:443.",
      valueName: "address[:ports]"))
  var from: PacketEnd?

  @Option(help: ArgumentHelp("Destination, in the same way.", valueName: "address[:ports]"))
  var to: PacketEnd?

  @Flag(help: "Also packets that go the other way between --from and --to.")
  var bothWays = false

  @Option(help: "egress: sent by a guest of the host; ingress: came from the underlay.")
  var direction: Direction?

  @Option(help: ArgumentHelp("Came by a tunnel with this VNI.", valueName: "number"))
  var vni: UInt32?

  @Flag(help: "Only what is dropped.")
  var dropped = false

  @Option(help: ArgumentHelp("Only what is dropped for this reason.", valueName: "name"))
  var reason: String?

  @Option(help: ArgumentHelp("End after so long.", valueName: "number"))
  var seconds: Int64 = 60

  func validate() throws {
    if !(1...3_600).contains(seconds) {
      throw ValidationError("--seconds \(seconds): from 1 to 3600")
    }
    if let vni, vni >= 1 << 24 { throw ValidationError("--vni \(vni): from 0 to 16777215") }
  }

  var filter: Apus_V1_PacketFilter {
    .with {
      $0.networkInterface = eni ?? ""
      if let protocolName { $0.protocol = protocolName.number }
      if let from {
        $0.source = from.address
        if let ports = from.ports { $0.sourcePorts = ports }
      }
      if let to {
        $0.destination = to.address
        if let ports = to.ports { $0.destinationPorts = ports }
      }
      $0.bothWays = bothWays
      switch direction {
      case .egress: $0.direction = .egress
      case .ingress: $0.direction = .ingress
      case nil: break
      }
      if let vni { $0.vni = vni }
      $0.dropped = dropped
      $0.reason = reason ?? ""
    }
  }

  var duration: Google_Protobuf_Duration { .init(seconds: seconds) }
}

/// One end of a packet: an address or prefix, ports, or both.
struct PacketEnd: ExpressibleByArgument, Equatable {
  /// Empty for any.
  var address: String
  var ports: Apus_V1_PortRange?

  init?(argument: String) {
    var text = argument[...]
    if text.hasPrefix("[") {
      guard let close = text.lastIndex(of: "]") else { return nil }
      address = String(text[text.index(after: text.startIndex)..<close])
      text = text[text.index(after: close)...]
    } else if text.filter({ $0 == ":" }).count > 1 {
      // An IPv6 address without brackets, so without ports.
      address = String(text)
      text = ""
    } else {
      let colon = text.firstIndex(of: ":") ?? text.endIndex
      address = String(text[..<colon])
      text = text[colon...]
    }
    if !text.isEmpty {
      guard text.hasPrefix(":"), let ports = Self.ports(text.dropFirst()) else { return nil }
      self.ports = ports
    }
    if address.isEmpty && ports == nil { return nil }
  }

  private static func ports(_ text: Substring) -> Apus_V1_PortRange? {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
    guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil,
      first <= last
    else { return nil }
    return .with {
      $0.first = UInt32(first)
      $0.last = UInt32(last)
    }
  }
}

/// An IP protocol by name or number.
struct IPProtocolName {
  private static let numbers: [String: UInt32] = [
    "icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132,
  ]

  var number: UInt32

  init(_ text: String) throws {
    guard let number = Self.numbers[text] ?? UInt8(text).map({ UInt32($0) }) else {
      throw ValidationError("\(text): no such protocol: a name or 0 to 255")
    }
    self.number = number
  }

  /// The name of a protocol, or its number.
  static func text(_ number: UInt32) -> String {
    numbers.first { $0.value == number }?.key ?? "\(number)"
  }
}
