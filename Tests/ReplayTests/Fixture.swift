import Datapath
import Tables
import VPCModel
import Wire

@testable import Replay

/// Two NICs of one VPC, one of another with the same address as the first, and a host.
enum Fixture {
  static let web = MACAddress(0x02_00_00_00_00_0A)
  static let data = MACAddress(0x02_00_00_00_00_0B)
  static let green = MACAddress(0x02_00_00_00_00_0C)
  static let stranger = MACAddress(0x02_99_00_00_00_01)
  static let host = "192.0.2.1"

  static func address(_ text: String) -> IPAddress {
    guard let address = IPAddress(text) else { preconditionFailure("not an address: \(text)") }
    return address
  }

  static func prefix(_ text: String) -> IPPrefix {
    guard let prefix = IPPrefix(text) else { preconditionFailure("not a prefix: \(text)") }
    return prefix
  }

  static func model() -> VPCModel {
    var model = VPCModel()
    model.host = Host(
      address: address(host), mac: MACAddress(0x02_AA_00_00_00_01),
      gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
    model.vpcs = [
      VPC(id: "vpc-blue", vni: 100, cidrs: [prefix("10.0.0.0/16")]),
      VPC(id: "vpc-green", vni: 200, cidrs: [prefix("10.0.0.0/16")]),
    ]
    model.subnets = [
      Subnet(
        id: "subnet-a", vpc: "vpc-blue",
        cidrs: [prefix("10.0.1.0/24"), prefix("fd00:10:0:1::/64")]),
      Subnet(id: "subnet-g", vpc: "vpc-green", cidrs: [prefix("10.0.1.0/24")]),
    ]
    var web = NetworkInterface(
      id: "eni-web", subnet: "subnet-a", mac: Self.web,
      addresses: [address("10.0.1.10"), address("10.0.1.12"), address("fd00:10:0:1::a")])
    web.publicAddresses = [
      PublicAddress(
        privateAddress: address("10.0.1.10"), publicAddress: address("203.0.113.10"))
    ]
    model.networkInterfaces = [
      web,
      NetworkInterface(
        id: "eni-data", subnet: "subnet-a", mac: Self.data, addresses: [address("10.0.1.11")]),
      NetworkInterface(
        id: "eni-green", subnet: "subnet-g", mac: Self.green, addresses: [address("10.0.1.10")]),
    ]
    return model
  }

  /// An Ethernet frame with tags, each a type and a number.
  static func ethernet(
    to destination: MACAddress, from source: MACAddress, tags: [UInt16] = [], type: UInt16,
    _ payload: [UInt8]
  ) -> [UInt8] {
    var frame = bytes(destination.bits, 6) + bytes(source.bits, 6)
    for tag in tags { frame += bytes(UInt64(tag), 2) + [0, 7] }
    return frame + bytes(UInt64(type), 2) + payload
  }

  /// An IPv4 packet without options; the checksum is left zero, as offload leaves it.
  static func ipv4(
    _ source: String, _ destination: String, protocol number: UInt8 = 17,
    _ payload: [UInt8] = udp(1000, 2000)
  ) -> [UInt8] {
    [0x45, 0] + bytes(UInt64(20 + payload.count), 2) + [0, 0, 0, 0, 64, number, 0, 0]
      + bytes(address(source).low, 4) + bytes(address(destination).low, 4) + payload
  }

  static func ipv6(
    _ source: String, _ destination: String, next: UInt8 = 17,
    _ payload: [UInt8] = udp(1000, 2000)
  ) -> [UInt8] {
    let (from, to) = (address(source), address(destination))
    return [0x60, 0, 0, 0] + bytes(UInt64(payload.count), 2) + [next, 64]
      + bytes(from.high, 8) + bytes(from.low, 8) + bytes(to.high, 8) + bytes(to.low, 8) + payload
  }

  static func udp(_ source: UInt16, _ destination: UInt16, _ payload: [UInt8] = [1, 2, 3, 4])
    -> [UInt8]
  {
    bytes(UInt64(source), 2) + bytes(UInt64(destination), 2)
      + bytes(UInt64(8 + payload.count), 2) + [0, 0] + payload
  }

  static func tcp(_ source: UInt16, _ destination: UInt16, flags: UInt8) -> [UInt8] {
    bytes(UInt64(source), 2) + bytes(UInt64(destination), 2)
      + [0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]
  }

  static func arp(operation: UInt8 = 1, sender: String, target: String) -> [UInt8] {
    [0, 1, 8, 0, 6, 4, 0, operation] + bytes(stranger.bits, 6) + bytes(address(sender).low, 4)
      + [0, 0, 0, 0, 0, 0] + bytes(address(target).low, 4)
  }

  /// The low `count` bytes of a number in network byte order.
  static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
  }
}
