import Datapath
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

/// Ways of tunnel packets that were found good are remembered, and nothing else is.
@Suite struct KnownSendersTests {
  private static func model(mappedTo host: String = "192.0.2.2") -> VPCModel {
    var model = TunnelTests.model()
    model.mappings = [
      Mapping(
        vpc: "vpc", address: Compose.address("10.0.1.20"), host: Compose.address(host),
        mac: MACAddress(0x02_00_00_00_00_14))
    ]
    model.securityGroups[0].ingress.append(
      SecurityGroupRule(
        id: "near", match: TrafficMatch(protocolNumber: 17, ports: []),
        peers: [.cidr(Compose.prefix("10.0.0.0/16"))]))
    return model
  }

  /// A datagram of 10.0.1.20 as another host sends it.
  private static func sent(
    from host: String = "192.0.2.2", vni: UInt8 = 1, to address: String = "10.0.1.10",
    mac: MACAddress = Engine.web, source: String = "10.0.1.20"
  ) -> [UInt8] {
    let inner = Compose.ethernet(
      to: mac, from: MACAddress(0x02_00_00_00_00_14),
      Compose.ipv4(source, address, protocol: 17, Compose.udp(53, 40)))
    return Compose.ethernet(
      to: MACAddress(0x02_AA_00_00_00_01), from: MACAddress(0x02_AA_00_00_00_FE),
      Compose.ipv4(
        host, "192.0.2.1", protocol: 17,
        Compose.udp(50_000, 6081, [0, 0, 0x65, 0x58, 0, 0, vni, 0] + inner)))
  }

  private static func judge(_ engine: inout Engine, _ frame: [UInt8]) -> Answer {
    engine.judge(frame: frame, nic: .none, .underlay)
  }

  @Test func `a known way is good only from its host, by its VNI`() throws {
    var engine = try Engine(Self.model())
    for _ in 0..<3 {
      #expect(Self.judge(&engine, Self.sent()).verdict == .forward)
      #expect(Self.judge(&engine, Self.sent(from: "192.0.2.3")) == .drop(.tunnelPeer))
      #expect(Self.judge(&engine, Self.sent(vni: 2)) == .drop(.tunnelVNI))
      #expect(Self.judge(&engine, Self.sent(vni: 9)) == .drop(.tunnelPeer))
      #expect(Self.judge(&engine, Self.sent(source: "10.0.1.21")) == .drop(.tunnelPeer))
    }
    #expect(engine.worker.nicState(0).counters.packetsIn == 3)
  }

  @Test func `a known way ends with the mapping that led to it`() throws {
    var engine = try Engine(Self.model())
    #expect(Self.judge(&engine, Self.sent()).verdict == .forward)
    try engine.change(to: Self.model(mappedTo: "192.0.2.3"))
    #expect(Self.judge(&engine, Self.sent()) == .drop(.tunnelPeer))
    #expect(Self.judge(&engine, Self.sent(from: "192.0.2.3")).verdict == .forward)
    var without = Self.model()
    without.mappings = []
    try engine.change(to: without)
    for host in ["192.0.2.2", "192.0.2.3"] {
      #expect(Self.judge(&engine, Self.sent(from: host)) == .drop(.tunnelPeer))
    }
  }

  /// A change of groups alone leaves it as it is, and the receiver's groups are asked all the same.
  @Test func `a known way is no verdict`() throws {
    var engine = try Engine(Self.model())
    #expect(Self.judge(&engine, Self.sent()).verdict == .forward)
    var closed = Self.model()
    closed.securityGroups[0].ingress = []
    try engine.change(to: closed, cutsConnections: true)
    #expect(Self.judge(&engine, Self.sent()) == .drop(.sgIngress))
  }

  @Test func `a known way ends with the receiver`() throws {
    var engine = try Engine(Self.model())
    #expect(Self.judge(&engine, Self.sent()).verdict == .forward)
    var moved = Self.model()
    let address = moved.networkInterfaces[0].addresses[0]
    moved.networkInterfaces.removeFirst()
    try engine.change(to: moved)
    #expect(Self.judge(&engine, Self.sent()) == .drop(.eniNone))
    moved.networkInterfaces[0].addresses.append(address)
    try engine.change(to: moved)
    _ = engine.sweep()
    let before = engine.worker.nicState(1).counters.packetsIn
    #expect(Self.judge(&engine, Self.sent(mac: Engine.data)).verdict == .forward)
    #expect(engine.worker.nicState(1).counters.packetsIn == before + 1)
  }

  /// An address that nobody has leads to the interface with the MAC, which is not remembered.
  @Test func `a way by MAC is asked each time`() throws {
    var model = Self.model()
    for index in 0..<2 { model.networkInterfaces[index].sourceDestCheck = false }
    var engine = try Engine(model)
    for _ in 0..<2 {
      let toWeb = Self.judge(&engine, Self.sent(to: "10.0.1.99", mac: Engine.web))
      let toData = Self.judge(&engine, Self.sent(to: "10.0.1.99", mac: Engine.data))
      #expect(toWeb.verdict == .forward && toData.verdict == .forward)
    }
    #expect(engine.worker.nicState(0).counters.packetsIn == 2)
    #expect(engine.worker.nicState(1).counters.packetsIn == 2)
  }
}
