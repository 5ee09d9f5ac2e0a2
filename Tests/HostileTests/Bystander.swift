import TestPackets
import Wire

/// What two other interfaces send and get while a test misbehaves: b, in the same subnet, and red,
/// which has the same addresses in another VPC. Every packet passes or is answered when nothing is
/// wrong.
enum Bystander {
  private static let steps = 15

  /// The packet of a number, always the same.
  static func shot(_ number: Int) -> Shot {
    let port = UInt16(10_000 + number / steps)
    switch number % steps {
    case 0: return guest(udp(port, isOut: true))
    case 1: return wire(udp(port, isOut: false))
    case 2: return guest(tcp(port, isOut: true, flags: Compose.tcpSYN, 1_000, 0))
    case 3:
      return wire(tcp(port, isOut: false, flags: Compose.tcpSYN | Compose.tcpACK, 5_000, 1_001))
    case 4: return guest(tcp(port, isOut: true, flags: Compose.tcpACK, 1_001, 5_001, [1, 2, 3]))
    case 5: return guest(echo(port, isOut: true))
    case 6: return wire(echo(port, isOut: false))
    case 7: return guest(piece(port, isFirst: true))
    case 8: return guest(piece(port, isFirst: false))
    case 9: return guest(datagram(World.addressA, World.remote, port, 53), World.red)
    case 10: return redWire(datagram(World.remote, World.addressA, 53, port))
    case 11: return arp()
    case 12:
      return guest(
        Compose.ipv6(World.addressB6, World.remote6, next: 17, Compose.udp(port, 53)))
    case 13: return redWire(datagram(World.remote, World.addressA, port, 53))
    default: return wire(tcp(port, isOut: false, flags: Compose.tcpACK, 5_001, 1_004, [9]))
    }
  }

  private static func guest(_ packet: [UInt8], _ nic: UInt32 = World.b) -> Shot {
    let mac = nic == World.b ? World.macB : World.macA
    return Shot(frame: Compose.ethernet(to: .router, from: mac, packet), nic: nic)
  }

  private static func wire(_ packet: [UInt8]) -> Shot {
    let frame = Compose.ethernet(to: World.macB, from: World.remoteMAC, packet)
    return Shot(frame: Tunnel.geneve(frame), origin: .underlay)
  }

  private static func redWire(_ packet: [UInt8]) -> Shot {
    let frame = Compose.ethernet(to: World.macA, from: World.remoteMAC, packet)
    return Shot(
      frame: Tunnel.vxlan(frame, vni: World.redVNI, from: World.redHost), origin: .underlay)
  }

  private static func datagram(
    _ source: String, _ destination: String, _ from: UInt16, _ to: UInt16
  ) -> [UInt8] {
    Compose.ipv4(source, destination, protocol: 17, Compose.udp(from, to))
  }

  private static func udp(_ port: UInt16, isOut: Bool) -> [UInt8] {
    isOut
      ? datagram(World.addressB, World.remote, port, 53)
      : datagram(World.remote, World.addressB, 53, port)
  }

  private static func tcp(
    _ port: UInt16, isOut: Bool, flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32,
    _ payload: [UInt8] = []
  ) -> [UInt8] {
    let ports: (UInt16, UInt16) = isOut ? (port, 443) : (443, port)
    let segment = Compose.tcp(
      ports.0, ports.1, sequence: sequence, acknowledgement: acknowledgement, flags: flags,
      payload)
    return isOut
      ? Compose.ipv4(World.addressB, World.remote, protocol: 6, segment)
      : Compose.ipv4(World.remote, World.addressB, protocol: 6, segment)
  }

  private static func echo(_ identifier: UInt16, isOut: Bool) -> [UInt8] {
    let rest = Compose.bytes(UInt64(identifier), 2) + [0, 1]
    return isOut
      ? Compose.ipv4(World.addressB, World.remote, protocol: 1, Compose.icmp(8, rest: rest))
      : Compose.ipv4(World.remote, World.addressB, protocol: 1, Compose.icmp(0, rest: rest))
  }

  private static func piece(_ port: UInt16, isFirst: Bool) -> [UInt8] {
    let whole = Compose.udp(port, 5_353, [UInt8](repeating: 0x42, count: 40))
    return Compose.ipv4(
      World.addressB, World.remote, protocol: 17,
      isFirst ? Array(whole[..<24]) : Array(whole[24...]), identifier: port,
      fragment: isFirst ? 0x2000 : 3)
  }

  private static func arp() -> Shot {
    var message: [UInt8] = [0, 1, 8, 0, 6, 4, 0, 1]
    message += Compose.bytes(World.macB.bits, 6)
    message += Compose.bytes(Compose.address(World.addressB))
    message += [UInt8](repeating: 0, count: 6)
    message += Compose.bytes(Compose.address("10.0.1.1"))
    return Shot(
      frame: Compose.ethernet(to: .broadcast, from: World.macB, type: 0x0806, message),
      nic: World.b)
  }
}
