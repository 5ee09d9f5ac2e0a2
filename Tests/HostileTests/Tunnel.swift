import TestPackets
import Wire

/// Packets of the underlay.
enum Tunnel {
  static func geneve(
    _ inner: [UInt8], vni: UInt32 = World.blueVNI, from host: String = World.blueHost,
    to target: String = World.host, first: UInt8 = 0, second: UInt8 = 0, type: UInt16 = 0x6558,
    options: [UInt8] = [], reserved: UInt8 = 0, port: UInt16 = 6_081
  ) -> [UInt8] {
    let header =
      [first | UInt8(options.count / 4), second] + Compose.bytes(UInt64(type), 2)
      + Compose.bytes(UInt64(vni) << 8 | UInt64(reserved), 4)
    return outer(header + options + inner, from: host, to: target, port: port)
  }

  static func vxlan(
    _ inner: [UInt8], vni: UInt32 = World.blueVNI, from host: String = World.blueHost,
    to target: String = World.host, word: UInt32 = 0x0800_0000, reserved: UInt8 = 0
  ) -> [UInt8] {
    let header =
      Compose.bytes(UInt64(word), 4) + Compose.bytes(UInt64(vni) << 8 | UInt64(reserved), 4)
    return outer(header + inner, from: host, to: target, port: 4_789)
  }

  static func outer(
    _ payload: [UInt8], from host: String, to target: String, port: UInt16
  ) -> [UInt8] {
    frame(
      Compose.ipv4(host, target, protocol: 17, Compose.udp(50_000, port, payload)))
  }

  static func frame(_ packet: [UInt8]) -> [UInt8] {
    Compose.ethernet(
      to: MACAddress(0x02_AA_00_00_00_01), from: MACAddress(0x02_AA_00_00_00_FE), packet)
  }
}
