import SlowPath
import VPCModel
import Wire

extension IPAddress {
  /// An address written in a test; `::` when it is malformed.
  static func of(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(v6: 0, 0) }
}

extension MACAddress {
  /// An address written in a test; zero when it is malformed.
  static func of(_ text: String) -> MACAddress { MACAddress(text) ?? MACAddress(0) }
}

/// Bytes of hexadecimal text.
func bytes(_ hex: String) -> [UInt8] {
  let digits = hex.filter { !$0.isWhitespace }.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map {
    UInt8(digits[$0] << 4 | digits[$0 + 1])
  }
}

/// Two subnets of a VPC and a second VPC; index 0 is the guest that asks.
enum Fixture {
  static let web = MACAddress.of("02:00:00:00:00:0a")
  static let neighbor = MACAddress.of("02:00:00:00:00:14")
  static let remote = MACAddress.of("02:00:00:00:00:99")
  static let linkLocal = IPAddress.of("fe80::ff:fe00:a")
  static let foreign = MACAddress.of("02:00:00:00:00:ee")
  static let transaction: UInt32 = 0x1122_3344

  static var model: VPCModel {
    var model = VPCModel()
    var host = Host(
      address: .of("192.0.2.1"), mac: .of("02:aa:00:00:00:01"),
      gatewayMAC: .of("02:aa:00:00:00:fe"))
    host.mtu = 9100
    model.host = host
    model.vpcs = [
      VPC(id: "blue", vni: 100, cidrs: prefixes("10.0.0.0/16", "fd00:10::/56")),
      VPC(id: "green", vni: 200, cidrs: prefixes("10.9.0.0/16")),
    ]
    model.subnets = [
      Subnet(id: "a", vpc: "blue", cidrs: prefixes("10.0.1.0/24", "fd00:10:0:1::/64")),
      Subnet(id: "b", vpc: "blue", cidrs: prefixes("10.0.2.0/24")),
      Subnet(id: "c", vpc: "green", cidrs: prefixes("10.9.0.0/24")),
      Subnet(id: "d", vpc: "blue", cidrs: prefixes("fd00:10:0:2::/64")),
    ]
    model.networkInterfaces = [
      nic("web", "a", web, ["10.0.1.10", "10.0.1.11", "fd00:10:0:1::a", "fd00:10:0:1::b"]),
      nic("neighbor", "a", neighbor, ["10.0.1.20", "fd00:10:0:1::14"]),
      nic("v4", "b", .of("02:00:00:00:00:30"), ["10.0.2.30"]),
      nic("green", "c", .of("02:00:00:00:00:40"), ["10.9.0.10"]),
      nic("v6", "d", .of("02:00:00:00:00:50"), ["fd00:10:0:2::50"]),
    ]
    for address in ["10.0.2.99", "fd00:10:0:1::99"] {
      model.mappings.append(
        Mapping(vpc: "blue", address: .of(address), host: .of("192.0.2.2"), mac: remote))
    }
    return model
  }

  private static func prefixes(_ texts: String...) -> [IPPrefix] {
    texts.compactMap { IPPrefix($0) }
  }

  private static func nic(
    _ id: String, _ subnet: String, _ mac: MACAddress, _ addresses: [String]
  ) -> NetworkInterface {
    NetworkInterface(id: id, subnet: subnet, mac: mac, addresses: addresses.map(IPAddress.of))
  }

  /// The outcome of a frame and the answer; empty when nothing was composed.
  static func ask(
    _ kind: ServiceKind, _ frame: [UInt8], from nic: Int = 0, atNIC: Bool = true,
    model: VPCModel = Fixture.model
  ) -> (outcome: ServiceOutcome, answer: [UInt8]) {
    let responder = ServiceResponder(model: model)
    var answer = [UInt8]()
    let outcome = frame.withUnsafeBytes {
      responder.respond(kind, to: $0, from: nic, atNIC: atNIC, into: &answer)
    }
    return (outcome, answer)
  }
}

/// Frames that guests send.
enum Guest {
  static func ethernet(
    _ etherType: UInt16, _ payload: [UInt8], source: MACAddress = Fixture.web,
    destination: MACAddress = .router
  ) -> [UInt8] {
    var frame = [UInt8]()
    EthernetHeader(destination: destination, source: source, etherType: etherType)
      .emit(into: &frame)
    return frame + payload
  }

  static func arp(
    _ target: String, sender: String = "10.0.1.10", hardware: MACAddress = Fixture.web,
    source: MACAddress = Fixture.web, operation: ARPMessage.Operation = .request
  ) -> [UInt8] {
    var payload = [UInt8]()
    ARPMessage(
      operation: operation, senderHardware: hardware, senderProtocol: .of(sender),
      targetHardware: MACAddress(0), targetProtocol: .of(target)
    ).emit(into: &payload)
    return ethernet(EtherType.arp, payload, source: source, destination: .broadcast)
  }

  static func ipv6(
    _ nextHeader: UInt8, _ payload: [UInt8], source: String, destination: String,
    hopLimit: UInt8 = 255, mac: MACAddress = Fixture.web
  ) -> [UInt8] {
    var packet = [UInt8]()
    IPv6Header(
      nextHeader: nextHeader, hopLimit: hopLimit, source: .of(source),
      destination: .of(destination)
    ).emit(payloadLength: payload.count, into: &packet)
    return ethernet(EtherType.ipv6, packet + payload, source: mac)
  }

  static func ipv4(
    _ protocolNumber: UInt8, _ payload: [UInt8], source: String, destination: String,
    mac: MACAddress = Fixture.web
  ) -> [UInt8] {
    var packet = [UInt8]()
    IPv4Header(
      protocolNumber: protocolNumber, source: .of(source), destination: .of(destination)
    ).emit(payloadLength: payload.count, into: &packet)
    return ethernet(EtherType.ipv4, packet + payload, source: mac)
  }

  static func dhcp4(
    _ payload: [UInt8], source: String = "0.0.0.0", destination: String = "255.255.255.255",
    mac: MACAddress = Fixture.web
  ) -> [UInt8] {
    var datagram = [UInt8]()
    UDPHeader(sourcePort: 68, destinationPort: 67).emit(
      payload: payload, source: .of(source), destination: .of(destination), into: &datagram)
    return ipv4(
      IPProtocol.udp, datagram, source: source, destination: destination, mac: mac)
  }

  static func dhcp6(
    _ payload: [UInt8], source: String = "fe80::ff:fe00:a", mac: MACAddress = Fixture.web
  ) -> [UInt8] {
    var datagram = [UInt8]()
    UDPHeader(sourcePort: 546, destinationPort: 547).emit(
      payload: payload, source: .of(source), destination: .of("ff02::1:2"), into: &datagram)
    return ipv6(
      IPProtocol.udp, datagram, source: source, destination: "ff02::1:2", hopLimit: 1, mac: mac)
  }
}

/// Calls `body` with every beginning of some bytes, each in memory of exactly its length.
func forEveryPrefix(of whole: [UInt8], _ body: (FrameBytes) -> Void) {
  for length in 0...whole.count {
    Array(whole.prefix(length)).withUnsafeBytes { body(FrameBytes($0)) }
  }
}

/// The shortest beginning of some bytes that a view accepts; nil when it accepts none.
func shortestAccepted(of whole: [UInt8], _ accepts: (FrameBytes) -> Bool) -> Int? {
  var shortest: Int?
  forEveryPrefix(of: whole) { prefix in
    if shortest == nil, accepts(prefix) { shortest = prefix.count }
  }
  return shortest
}

/// Reads bytes through a view.
func reading<Value>(_ bytes: [UInt8], _ body: (FrameBytes) -> Value) -> Value {
  bytes.withUnsafeBytes { body(FrameBytes($0)) }
}

/// A small generator of reproducible numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
