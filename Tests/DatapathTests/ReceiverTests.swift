import Datapath
import TableCompiler
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

/// Which NIC of this host a packet is for, as traces and captures of a running host ask it.
@Suite struct ReceiverTests {
  private static func model() -> VPCModel {
    var model = Engine.model()
    model.vpcs[0].cidrs.append(Compose.prefix("fd00:10::/56"))
    model.subnets[0].cidrs.append(Compose.prefix("fd00:10::/64"))
    model.networkInterfaces[1].addresses.append(Compose.address("fd00:10::b"))
    model.mappings = [
      Mapping(
        vpc: "vpc", address: Compose.address("10.0.1.20"), host: Compose.address("192.0.2.2"),
        mac: MACAddress(0x02_00_00_00_00_14))
    ]
    return model
  }

  private static func parse(_ packet: [UInt8], _ look: (borrowing Headers) -> TableIndex)
    -> TableIndex
  {
    let guarded = GuardedBytes(Compose.ethernet(to: .router, from: Engine.web, packet))
    var headers = Headers()
    FrameParser.parse(
      guarded.start, length: guarded.count, originalLength: guarded.count, offloaded: false,
      into: &headers)
    return look(headers)
  }

  private static func packet(to destination: String) -> [UInt8] {
    destination.contains(":")
      ? Compose.ipv6("fd00:10::a", destination, next: 17, Compose.udp(1, 2))
      : Compose.ipv4("10.0.1.10", destination, protocol: 17, Compose.udp(1, 2))
  }

  @Test(arguments: [
    ("10.0.1.11", 1), ("10.0.1.20", TableIndex.none), ("198.51.100.7", .none),
    ("10.0.200.1", .none), ("fd00:10::b", 1), ("fd00:10::99", .none),
  ])
  func `a guest's packet`(to destination: String, expected: TableIndex) throws {
    var engine = try Engine(Self.model())
    let found = Self.parse(Self.packet(to: destination)) {
      engine.worker.localReceiver(of: $0, from: 0, engine.compiled.tables)
    }
    #expect(found == expected)
  }

  @Test func `nothing is found for who is not there, or without addresses`() throws {
    var engine = try Engine(Self.model())
    let unknown = Self.parse(Self.packet(to: "10.0.1.11")) {
      engine.worker.localReceiver(of: $0, from: 900, engine.compiled.tables)
    }
    let broken = Self.parse([0x45, 0, 0, 20]) {
      engine.worker.localReceiver(of: $0, from: 0, engine.compiled.tables)
    }
    let brokenTunnel = Self.parse([0x45, 0, 0, 20]) {
      engine.worker.tunnelReceiver(of: $0, to: Engine.web, vni: 1, engine.compiled.tables)
    }
    #expect(unknown == .none && broken == .none && brokenTunnel == .none)
  }

  /// VNI 1 is the VPC's and 9 the internet gateway's.
  @Test(arguments: [
    ("10.0.1.11", 1, 1), ("fd00:10::b", 1, 1), ("198.51.100.1", 7, TableIndex.none),
    ("202.0.1.10", 9, 0), ("202.0.1.11", 9, 1), ("202.0.1.99", 9, .none), ("fd00:10::b", 9, 1),
    // To none of the addresses, but to a MAC address of the VPC.
    ("10.0.1.20", 1, 0), ("10.0.9.9", 1, 0),
  ])
  func `a tunnel packet`(to destination: String, vni: UInt32, expected: TableIndex) throws {
    let engine = try Engine(Self.model())
    let found = Self.parse(Self.packet(to: destination)) {
      engine.worker.tunnelReceiver(of: $0, to: Engine.web, vni: vni, engine.compiled.tables)
    }
    #expect(found == expected)
  }
}
