import VPCModel
import Wire

/// What a guest sends to be expensive for the others.
public enum Attack: String, CaseIterable, Sendable {
  /// SYNs of spoofed source and destination ports: each asks for a connection.
  case syn
  /// Datagrams of new five-tuples, until its part of the connection table is full, and on.
  case connections
  /// First fragments of datagrams that never end, and later ones of datagrams that never began.
  case fragments
  case arp, dhcp
  /// Frames of 1 to 40 bytes.
  case tiny
  /// Packets that walk its classifier, of thousands of rules under nested prefixes, to the end.
  case rules
  /// Packets to the other guest, which its group refuses.
  case neighbor
  /// Established packets of 64 bytes, as fast as they are taken.
  case elephant

  static let source = IPAddress(v4: 0x0A00_010B)
  static let mac = MACAddress(0x0200_0000_000B)

  /// The model of the pipeline benchmark with a second interface, the attacker's.
  static func model() -> VPCModel {
    var model = BenchmarkModel.make()
    var nic = NetworkInterface(id: "attacker", subnet: "subnet", mac: mac, addresses: [source])
    nic.securityGroups = ["attacker"]
    model.networkInterfaces.append(nic)
    model.securityGroups.append(group())
    return model
  }

  /// All TCP and UDP below port 32768 of the VPC, 2,000 single ports above, and 32 nested prefixes
  /// that allow another port each.
  private static func group() -> SecurityGroup {
    func rule(
      _ id: String, _ number: UInt8, _ ports: ClosedRange<UInt16>, _ bits: UInt32, _ length: Int
    ) -> SecurityGroupRule {
      SecurityGroupRule(
        id: "attacker/\(id)", match: TrafficMatch(protocolNumber: number, ports: [ports]),
        peers: [.cidr(IPPrefix(IPAddress(v4: bits), length: length))])
    }
    let vpc: UInt32 = 0x0A00_0000
    var egress = [
      rule("tcp", IPProtocol.tcp, 0...32_767, vpc, 16),
      rule("udp", IPProtocol.udp, 0...32_767, vpc, 16),
    ]
    for index in 0..<2_000 {
      let port = UInt16(32_769 + 2 * index)
      egress.append(rule("port-\(index)", IPProtocol.udp, port...port, vpc, 16))
    }
    for length in 17...32 {
      let port = UInt16(50_000 + length)
      egress.append(rule("nested-\(length)", IPProtocol.udp, port...port, 0x0A00_1010, length))
    }
    return SecurityGroup(id: "attacker", vpc: "vpc", ingress: [], egress: egress)
  }

  /// Writes a frame and returns its length.
  ///
  /// - Parameters:
  ///   - base: of at least 128 bytes.
  ///   - random: another number for each frame.
  func write(at base: UnsafeMutableRawPointer, random: UInt64) -> Int {
    let ports = UInt32(truncatingIfNeeded: random) & 0x7FFF_7FFF
    let target = BenchmarkModel.destination(Int(random >> 40 & 255))
    switch self {
    case .syn:
      Self.writeIP(at: base, to: target, protocolNumber: IPProtocol.tcp, length: 40)
      base.storeBig32(ports, at: 34)
      base.storeBig32(UInt32(truncatingIfNeeded: random >> 32), at: 38)
      base.storeBig32(0, at: 42)
      base.storeBig32(0x5002_FFFF, at: 46)
      base.storeBig32(0, at: 50)
      return 54
    case .connections: return Self.writeUDP(at: base, to: target, ports: ports)
    case .elephant:
      return Self.writeUDP(
        at: base, to: BenchmarkModel.destination(Int(random >> 40 & 15)),
        ports: 0x0400_0035 + UInt32(random >> 20 & 63) << 16)
    case .rules:
      return Self.writeUDP(
        at: base, to: IPAddress(v4: 0x0A00_1010), ports: ports | 0x0000_8001 &+ 0xF00)
    case .neighbor: return Self.writeUDP(at: base, to: BenchmarkModel.source, ports: ports)
    case .fragments:
      let isFirst = random & 1 == 0
      Self.writeIP(
        at: base, to: target, protocolNumber: IPProtocol.udp, length: 52,
        fragment: UInt32(truncatingIfNeeded: random >> 8) << 16 | (isFirst ? 0x2000 : 0x2010))
      base.storeBig32(ports, at: 34)
      base.storeBig32(0x0100_0000, at: 38)
      return 66
    case .arp:
      base.storeMAC(MACAddress(0xFFFF_FFFF_FFFF), at: 0)
      base.storeMAC(Self.mac, at: 6)
      base.storeBig32(0x0806_0001, at: 12)
      base.storeBig32(0x0800_0604, at: 16)
      base.storeBig16(1, at: 20)
      base.storeMAC(Self.mac, at: 22)
      base.storeBig32(Self.source.v4Bits, at: 28)
      base.storeMAC(MACAddress(0), at: 32)
      base.storeBig32(0x0A00_0101, at: 38)
      return 42
    case .dhcp:
      let length = Self.writeUDP(at: base, to: IPAddress(v4: 0xFFFF_FFFF), ports: 68 << 16 | 67)
      base.storeMAC(MACAddress(0xFFFF_FFFF_FFFF), at: 0)
      return length
    case .tiny:
      let length = 1 + Int(random % 40)
      base.storeMAC(.router, at: 0)
      base.storeMAC(Self.mac, at: 6)
      base.storeBig32(0x0800_4500, at: 12)
      return length
    }
  }

  private static func writeUDP(
    at base: UnsafeMutableRawPointer, to target: IPAddress, ports: UInt32
  ) -> Int {
    writeIP(at: base, to: target, protocolNumber: IPProtocol.udp, length: 50)
    base.storeBig32(ports, at: 34)
    base.storeBig32(0x001E_0000, at: 38)
    return 64
  }

  private static func writeIP(
    at base: UnsafeMutableRawPointer, to target: IPAddress, protocolNumber: UInt8, length: UInt32,
    fragment: UInt32 = 0x4000
  ) {
    base.storeMAC(.router, at: 0)
    base.storeMAC(mac, at: 6)
    base.storeBig16(0x0800, at: 12)
    base.storeBig32(0x4500_0000 | length, at: 14)
    base.storeBig32(fragment, at: 18)
    base.storeBig32(0x4000_0000 | UInt32(protocolNumber) << 16, at: 22)
    base.storeBig32(source.v4Bits, at: 26)
    base.storeBig32(target.v4Bits, at: 30)
    let sum = InternetChecksum.sum(UnsafeRawPointer(base + 14), count: 20)
    base.storeBig16(InternetChecksum.finish(sum), at: 24)
  }
}
