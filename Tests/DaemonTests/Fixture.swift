import SlowPath
import VPCModel
import Wire

/// A host with two guests and a way to a third.
enum Fixture {
  static let text = """
    host: {address: 192.0.2.1, mac: 02:aa:00:00:00:01, gatewayMAC: 02:aa:00:00:00:fe}
    vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/16]}]
    subnets: [{id: s, vpc: v, cidrs: [10.0.0.0/24]}]
    networkInterfaces:
      - {id: eni-a, subnet: s, mac: 02:00:00:00:00:0a, addresses: [10.0.0.10]}
      - {id: eni-b, subnet: s, mac: 02:00:00:00:00:0b, addresses: [10.0.0.11]}
    mappings: [{vpc: v, address: 10.0.0.12, host: 192.0.2.2, mac: 02:00:00:00:00:0c}]
    """

  static func model() throws -> VPCModel { try ModelLoader.load(texts: [("m", text)]) }

  static let guest = MACAddress(0x02_00_00_00_00_0A)

  /// A guest's question for the MAC address of its router.
  static func question(for target: IPAddress) -> [UInt8] {
    var frame: [UInt8] = []
    EthernetHeader(destination: .broadcast, source: guest, etherType: EtherType.arp)
      .emit(into: &frame)
    ARPMessage(
      operation: .request, senderHardware: guest, senderProtocol: IPAddress(v4: 0x0A00_000A),
      targetHardware: MACAddress(0), targetProtocol: target
    ).emit(into: &frame)
    return frame
  }

  /// A UDP packet of the guest to 10.0.0.12, without DF.
  static func datagram(payload: Int, dontFragment: Bool = false) -> [UInt8] {
    var frame: [UInt8] = []
    EthernetHeader(destination: .router, source: guest, etherType: EtherType.ipv4)
      .emit(into: &frame)
    IPv4Header(
      protocolNumber: 17, source: IPAddress(v4: 0x0A00_000A),
      destination: IPAddress(v4: 0x0A00_000C)
    ).emit(payloadLength: 8 + payload, into: &frame)
    if !dontFragment { frame[20] &= 0xBF }
    frame.appendBig16(1000)
    frame.appendBig16(2000)
    frame.appendBig16(UInt16(8 + payload))
    frame.appendBig16(0)
    frame.append(contentsOf: repeatElement(7, count: payload))
    return frame
  }
}
