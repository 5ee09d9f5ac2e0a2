import Controller
import HostPlan
import TableCompiler
import Testing
import VPCModel
import Wire

@testable import Daemon
@testable import Live

/// Ports of a running host that come and go with what is published; its threads, without devices.
@Suite(.serialized) struct PortsAtRunTimeTests {
  private static let a = GuestPlan(networkInterface: "eni-a", device: .tap("a"))
  private static let b = GuestPlan(networkInterface: "eni-b", device: .tap("b"))

  private static func interface(_ id: String, _ last: UInt32) -> NetworkInterface {
    NetworkInterface(
      id: id, subnet: "subnet", mac: MACAddress(0x0200_0000_0000 + UInt64(last)),
      addresses: [IPAddress(v4: 0x0A00_0000 + last)])
  }

  private static func model(_ interfaces: [NetworkInterface]) -> VPCModel {
    var model = VPCModel()
    let block = IPPrefix(IPAddress(v4: 0x0A00_0000), length: 24)
    model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: [block])]
    model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: [block])]
    model.networkInterfaces = interfaces
    return model
  }

  /// A host without any guest at first.
  private final class Running {
    let server: HostServer
    let plane: LiveDataPlane
    let traffic = QuietTraffic()
    private var generation: UInt64 = 0

    init(workers: Int = 1) throws {
      var plan = HostPlan(
        runtime: .kernel, workers: WorkerPlan(cores: [Int?](repeating: nil, count: workers)))
      plan.memory = MemoryPlan(flows: 1_024, networkInterfaces: 4, rules: 100, ports: 4)
      let compiled = try TableCompiler.compile(
        model([]), CompileRequest(generation: 2, capacity: plan.memory.tableCapacity))
      server = HostServer(plan: plan, ports: traffic.ports, compiled: compiled)
      try server.start(neighbors: .none)
      plane = LiveDataPlane(server)
      server.begin(discardsWaiting: false)
    }

    deinit {
      #expect(server.stop())
      server.close()
    }

    @discardableResult
    func publish(_ ports: [GuestPlan], isRestored: Bool = false) async throws -> PublishReport {
      generation += 1
      let interfaces = ports.enumerated().map { interface($1.networkInterface, UInt32($0) + 10) }
      return try await plane.publish(
        PublishedState(
          generation: generation, model: model(interfaces), ports: ports, isRestored: isRestored))
    }
  }

  @Test(arguments: [1, 2]) func aPortOfAnInterfaceThatWasNotThere(workers: Int) async throws {
    let host = try Running(workers: workers)
    #expect(await host.plane.counters().ports.map(\.name) == ["uplink"])
    // Nobody polls a port that is not there.
    host.traffic.offer(1)
    try await Task.sleep(for: .milliseconds(20))
    #expect(host.server.shared.counters.total(.received) == 0)
    try await host.publish([Self.a])
    #expect(host.traffic.devices.open == [1: Self.a])
    for _ in 0..<5_000 where host.server.shared.counters.total(.received) == 0 {
      try await Task.sleep(for: .milliseconds(1))
    }
    #expect(host.server.shared.counters.total(.received) == 1)
    #expect(await host.plane.counters().ports.map(\.name) == ["uplink", "eni-a"])
    try await host.publish([])
    #expect(host.traffic.devices.open.isEmpty)
    host.traffic.offer(1)
    try await Task.sleep(for: .milliseconds(20))
    #expect(host.server.shared.counters.total(.received) == 1)
  }

  @Test func aPortThatCannotBeOpenedChangesNothing() async throws {
    let host = try Running()
    try await host.publish([Self.a])
    host.traffic.devices.set { $0.broken = ["eni-b"] }
    let c = GuestPlan(networkInterface: "eni-c", device: .tap("c"))
    await #expect(
      throws: DataPlaneError.port(
        networkInterface: "eni-b", why: "it is broken", advice: "mend it")
    ) { try await host.publish([c, Self.b]) }
    #expect(host.traffic.devices.open == [1: Self.a])
    let counters = await host.plane.counters()
    #expect(counters.generation == 1 && counters.ports.map(\.name) == ["uplink", "eni-a"])
    #expect(counters.interfaces.map(\.id) == ["eni-a"])
    host.traffic.devices.set { $0.broken = [] }
    try await host.publish([c, Self.b])
    #expect(host.traffic.devices.open == [2: c, 3: Self.b])
  }

  @Test func aRestoredPortThatCannotBeOpenedWaits() async throws {
    let host = try Running()
    host.traffic.devices.set { $0.broken = ["eni-a"] }
    let report = try await host.publish([Self.a, Self.b], isRestored: true)
    #expect(report.unopenedPorts == ["eni-a": "it is broken (mend it)"])
    #expect(host.traffic.devices.open == [2: Self.b])
    // A change of something else is no reason to refuse; each tries again.
    #expect(try await host.publish([Self.a, Self.b]).unopenedPorts.count == 1)
    host.traffic.devices.set { $0.broken = [] }
    #expect(try await host.publish([Self.a, Self.b]).unopenedPorts.isEmpty)
    #expect(Set(host.traffic.devices.open.values.map(\.networkInterface)) == ["eni-a", "eni-b"])
  }

  @Test func aMissingPortIsOpenedWhenItsDeviceComes() async throws {
    let host = try Running()
    host.traffic.devices.set { $0.broken = ["eni-a"] }
    try await host.publish([Self.a, Self.b], isRestored: true)
    #expect(await host.plane.openMissingPorts() == ["eni-a": "it is broken (mend it)"])
    host.traffic.devices.set { $0.broken = [] }
    #expect(await host.plane.openMissingPorts().isEmpty)
    #expect(Set(host.traffic.devices.open.values.map(\.networkInterface)) == ["eni-a", "eni-b"])
    host.traffic.offer(1)
    for _ in 0..<5_000 where host.server.shared.counters.total(.received) == 0 {
      try await Task.sleep(for: .milliseconds(1))
    }
    #expect(host.server.shared.counters.total(.received) == 1)
    #expect(await host.plane.openMissingPorts().isEmpty)
  }

  @Test func aNumberWaitsForItsPackets() async throws {
    let host = try Running()
    try await host.publish([Self.a])
    host.traffic.devices.set { $0.areBuffersAway = true }
    // The answer does not wait for ever.
    try await host.publish([])
    try await host.publish([Self.b])
    #expect(host.traffic.devices.open == [2: Self.b])
    host.traffic.devices.set { $0.areBuffersAway = false }
    try await host.publish([Self.b, Self.a])
    #expect(host.traffic.devices.open == [1: Self.a, 2: Self.b])
  }

  @Test func countersOfANumberBeginAtZero() async throws {
    let host = try Running()
    try await host.publish([Self.a])
    host.server.shared.counters.portWord(0, 1, .eniNone).add(1)
    #expect(await host.plane.counters().ports[1].dropsByReason == ["eni.none": 1])
    try await host.publish([])
    try await host.publish([Self.b])
    #expect(await host.plane.counters().ports[1].dropsByReason.isEmpty)
  }

  @Test(arguments: [1, 2]) func manyComeAndGo(workers: Int) async throws {
    let host = try Running(workers: workers)
    for round in 0..<50 {
      host.traffic.offer(3)
      try await host.publish(round % 2 == 0 ? [Self.a, Self.b] : [Self.b])
      #expect(host.traffic.devices.open.count == (round % 2 == 0 ? 2 : 1))
    }
    let opened = host.traffic.devices.state.withLock { $0.openings }
    #expect(opened == 26 && host.server.guests.settle())
  }
}
