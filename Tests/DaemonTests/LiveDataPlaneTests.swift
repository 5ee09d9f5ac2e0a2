import Controller
import Datapath
import HostPlan
import Live
import TableCompiler
import Tables
import Testing
import VPCModel
import Wire

@testable import Daemon

/// Models are published to a running host: its threads, without devices.
@Suite(.serialized) struct LiveDataPlaneTests {
  private static func interface(_ id: String, _ last: UInt32) -> NetworkInterface {
    var nic = NetworkInterface(
      id: id, subnet: "subnet", mac: MACAddress(0x0200_0000_0000 + UInt64(last)),
      addresses: [IPAddress(v4: 0x0A00_0000 + last)])
    nic.securityGroups = ["sg"]
    return nic
  }

  static func rule(_ id: String, port: UInt16) -> SecurityGroupRule {
    SecurityGroupRule(
      id: id, match: TrafficMatch(protocolNumber: 17, ports: [port...port]),
      peers: [.cidr(IPPrefix(IPAddress(v4: 0x0A00_0000), length: 8))])
  }

  static func model() -> VPCModel {
    var model = VPCModel()
    let block = IPPrefix(IPAddress(v4: 0x0A00_0000), length: 24)
    model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: [block])]
    model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: [block])]
    model.securityGroups = [
      SecurityGroup(
        id: "sg", vpc: "vpc", ingress: [rule("in", port: 7)], egress: [rule("out", port: 7)])
    ]
    model.networkInterfaces = [interface("eni-a", 10), interface("eni-b", 11)]
    return model
  }

  /// A host whose first guest sends datagrams to the second one.
  final class Running {
    let guests = [
      GuestPlan(networkInterface: "eni-a", device: .tap("a")),
      GuestPlan(networkInterface: "eni-b", device: .tap("b")),
    ]
    let server: HostServer
    let plane: LiveDataPlane
    let traffic = QuietTraffic()

    private init(workers: Int, nics: Int, rules: Int, isLogged: Bool) throws {
      var plan = HostPlan(
        runtime: .kernel, workers: WorkerPlan(cores: [Int?](repeating: nil, count: workers)),
        guests: guests)
      plan.memory = MemoryPlan(flows: 1_024, networkInterfaces: nics, rules: rules, ports: 4)
      let compiled = try TableCompiler.compile(
        model(), CompileRequest(generation: 2, capacity: plan.memory.tableCapacity))
      server = HostServer(
        plan: plan, ports: traffic.ports, compiled: compiled, isLogged: isLogged)
      try server.start(neighbors: .none)
      plane = LiveDataPlane(server)
      server.begin(discardsWaiting: false)
    }

    /// Runs a host while the body does something with it. Nothing here waits by blocking a thread
    /// of the concurrency pool, which has as many as the machine has processors.
    static func with(
      workers: Int = 1, nics: Int = 4, rules: Int = 100, isLogged: Bool = false,
      _ body: (Running) async throws -> Void
    ) async throws {
      let host = try Running(workers: workers, nics: nics, rules: rules, isLogged: isLogged)
      let result: Result<Void, any Error>
      do {
        result = .success(try await body(host))
      } catch {
        result = .failure(error)
      }
      // As the controller does before the host ends.
      await host.plane.endObservations()
      #expect(host.server.stop())
      host.server.close()
      try result.get()
    }

    func publish(_ model: VPCModel, _ generation: UInt64) async throws -> PublishReport {
      try await plane.publish(
        PublishedState(generation: generation, model: model, ports: guests))
    }

    /// Has the guest send some datagrams, and waits until they are judged.
    func send(_ count: Int) async throws {
      let before = server.shared.counters.total(.received)
      traffic.offer(count)
      server.shared.wakeAll()
      for _ in 0..<5_000 where server.shared.counters.total(.received) < before + UInt64(count) {
        try await Task.sleep(for: .milliseconds(1))
      }
      #expect(server.shared.counters.total(.received) == before + UInt64(count))
      // Counters of interfaces are shown within 50 ms.
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  @Test(arguments: [1, 2])
  func aModelIsPublished(workers: Int) async throws {
    try await Running.with(workers: workers) { host in
      var model = Self.model()
      model.networkInterfaces.append(Self.interface("eni-c", 12))
      let report = try await host.publish(model, 17)
      #expect(report.tableBytes > 0 && report.affectedConnections.isEmpty)
      let counters = await host.plane.counters()
      #expect(counters.generation == 17)
      #expect(counters.interfaces.map(\.id) == ["eni-a", "eni-b", "eni-c"])
      #expect(counters.workers.count == workers)
    }
  }

  @Test func packetsAreJudgedByThePublishedModel() async throws {
    try await Running.with { host in
      try await host.send(5)
      var model = Self.model()
      model.securityGroups[0].egress = [Self.rule("other", port: 8)]
      model.policy.onRuleChange = .cut
      let report = try await host.publish(model, 2)
      #expect(report.affectedConnections == ["eni-a": 1])
      try await host.send(3)
      let counters = await host.plane.counters()
      #expect(counters.interfaces[0].dropsByReason["sg.egress"] == 3)
      #expect(counters.interfaces[0].values["packets_out"] == 5)
      #expect(counters.interfaces[0].connections == 0)
      #expect(counters.ruleHits["out"] == nil)
    }
  }

  @Test func keptConnectionsAreCountedAndListed() async throws {
    try await Running.with { host in
      try await host.send(5)
      #expect(await host.plane.counters().ruleHits == ["out": 5])
      let all = await host.plane.connections(ConnectionFilter(), limit: 10)
      #expect(Set(all.connections.map(\.networkInterface)) == ["eni-a", "eni-b"])
      #expect(all.connections.allSatisfy { $0.packets == 5 && $0.state == "udp" } && !all.isCut)
      var filter = ConnectionFilter()
      filter.networkInterface = "eni-a"
      filter.address = "10.0.0.11"
      filter.port = 7
      filter.protocolNumber = 17
      let one = await host.plane.connections(filter, limit: 10)
      #expect(one.connections.map(\.rule) == ["out"])
      #expect(one.connections.first?.remoteAddress == "10.0.0.11")
      #expect(one.connections.first?.localPort == 4_000)
      filter.port = 8
      #expect(await host.plane.connections(filter, limit: 10).connections.isEmpty)
      let cut = await host.plane.connections(ConnectionFilter(), limit: 1)
      #expect(cut.connections.count == 1 && cut.isCut)

      var model = Self.model()
      model.securityGroups[0].egress = []
      let state = PublishedState(generation: 2, model: model, ports: host.guests)
      let preview = try await host.plane.preview(state)
      #expect(preview.affectedConnections == ["eni-a": 1])
      _ = try await host.plane.publish(state)
      try await host.send(2)
      #expect(await host.plane.counters().interfaces[0].values["packets_out"] == 7)
    }
  }

  @Test func questionsWaitForEachOther() async throws {
    try await Running.with(workers: 2) { host in
      try await host.send(5)
      let plane = host.plane
      let counts = await withTaskGroup(of: Int.self) { group in
        for _ in 0..<20 {
          group.addTask {
            await plane.connections(ConnectionFilter(), limit: 10).connections.count
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(counts == [Int](repeating: 2, count: 20))
    }
  }

  @Test func whatCannotChangeIsRefused() async throws {
    try await Running.with(nics: 2, rules: 3) { host in
      var model = Self.model()
      model.host = Host(
        address: IPAddress(v4: 1), mac: MACAddress(1), gatewayMAC: MACAddress(2))
      await #expect(throws: DataPlaneError.fixed(what: "host.address")) {
        _ = try await host.publish(model, 2)
      }
      model = Self.model()
      model.networkInterfaces.append(Self.interface("eni-c", 12))
      await #expect(throws: DataPlaneError.full(what: "network interfaces", limit: 2, asked: 3)) {
        _ = try await host.publish(model, 2)
      }
      model = Self.model()
      model.securityGroups[0].ingress += [Self.rule("x", port: 1), Self.rule("y", port: 2)]
      await #expect(throws: DataPlaneError.full(what: "rules", limit: 3, asked: 4)) {
        _ = try await host.publish(model, 2)
      }
      #expect(await host.plane.counters().generation == 0)
    }
  }

  @Test func anInterfaceTakesTheNumberOfOneThatWent() async throws {
    try await Running.with(workers: 2, nics: 2) { host in
      try await host.send(5)
      var model = Self.model()
      model.networkInterfaces.removeFirst()
      _ = try await host.publish(model, 2)
      model.networkInterfaces.append(Self.interface("eni-c", 12))
      _ = try await host.publish(model, 3)
      try await Task.sleep(for: .milliseconds(100))
      let counters = await host.plane.counters()
      #expect(host.server.inUse.current.slot(ofInterface: "eni-c") == 0)
      #expect(counters.interfaces.map(\.id) == ["eni-b", "eni-c"])
      #expect(counters.interfaces[1].connections == 0)
      #expect(counters.interfaces[1].values["packets_out"] == 0)
      #expect(counters.interfaces[0].values["packets_in"] == 5)
    }
  }

  @Test func nothingIsPublishedAfterTheEnd() async throws {
    try await Running.with { host in
      #expect(host.server.stop())
      await #expect(throws: DataPlaneError.self) { _ = try await host.publish(Self.model(), 2) }
    }
  }

  @Test func manyPublicationsUnderTraffic() async throws {
    try await Running.with(workers: 2) { host in
      for generation in 1...100 {
        var model = Self.model()
        model.securityGroups[0].ingress.append(
          Self.rule("\(generation % 3)", port: UInt16(generation)))
        if generation % 4 == 0 { model.networkInterfaces.removeLast() }
        host.traffic.offer(3)
        host.server.shared.wakeAll()
        _ = try await host.publish(model, UInt64(generation))
      }
      let counters = host.server.shared.counters
      for _ in 0..<5_000 where counters.total(.received) < 300 {
        try await Task.sleep(for: .milliseconds(1))
      }
      #expect(counters.total(.received) == 300)
    }
  }
}
