import Datapath
import Glibc
import LockFree
import TableCompiler
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

@testable import Live

/// A host with an uplink and two guests, and another host with one, all on wires of the test.
final class LiveHost {
  static let web = MACAddress(0x02_00_00_00_00_0A)
  static let data = MACAddress(0x02_00_00_00_00_0B)
  static let remote = MACAddress(0x02_00_00_00_00_14)
  static let uplink = MACAddress(0x02_AA_00_00_00_01)
  static let nextHop = MACAddress(0x02_BB_00_00_00_07)
  static let vni: UInt32 = 0xABCDE
  static let nicCapacity = 4
  /// Ports of the NICs, in the other order than the NICs' numbers, and one without a NIC.
  static let (webPort, dataPort, lostPort, portCount) = (2, 1, 3, 4)

  private(set) var compiled: CompiledTables
  let shared: WorkerShared
  let wires: Wires
  private var descriptors: [Int32] = []

  /// - Parameter notedPackets: that a flow log may be behind; 0 for none.
  init(
    _ model: VPCModel = model(), workers: Int = 1, resolved: Bool = true, notedPackets: Int = 0
  ) throws {
    compiled = try TableCompiler.compile(
      model,
      CompileRequest(
        generation: 2, capacity: TableCapacity(networkInterfaces: Self.nicCapacity, rules: 500)))
    wires = Wires(workers: workers, ports: Self.portCount)
    shared = WorkerShared(
      workers: workers, portCount: Self.portCount, nicCapacity: Self.nicCapacity,
      notedPackets: notedPackets, clock: PollClock.calibrated(microseconds: 2_000))
    for _ in 0..<workers { descriptors.append(Sleepers.makeDescriptor()) }
    #expect(publish(resolved: resolved))
  }

  deinit {
    shared.deallocate()
    for descriptor in descriptors { close(descriptor) }
  }

  /// Publishes the tables of another model in place of the ones before.
  func publish(_ model: VPCModel, cutsConnections: Bool = false) throws -> Bool {
    var request = CompileRequest(
      generation: UInt32(shared.nextGeneration), previous: compiled)
    request.cutsConnections = cutsConnections
    request.swept = shared.sweptGeneration
    let before = compiled
    compiled = try TableCompiler.compile(model, request)
    return withExtendedLifetime(before) { publish() }
  }

  func publish(resolved: Bool = true) -> Bool {
    let tables = LiveTables(
      rules: compiled.tables, portCount: Self.portCount, uplinkMAC: Self.uplink)
    for (id, port) in [("eni-web", Self.webPort), ("eni-data", Self.dataPort)] {
      if let nic = compiled.slot(ofInterface: id) { tables.connect(port: port, nic: nic) }
    }
    for endpoint in 0..<compiled.tables.endpoints.count where resolved {
      tables.nextHops.set(TableIndex(endpoint), Self.nextHop)
    }
    return shared.publish(tables)
  }

  /// - Parameters:
  ///   - allowances: of all workers, when connections are divided among them.
  ///   - count: how many share them.
  func worker(
    _ index: Int = 0, sharing allowances: SharedAllowances? = nil, among count: Int = 1
  ) -> LiveWorker<WireIO> {
    var configuration = WorkerConfiguration(flowCapacity: 1_000, fragmentCapacity: 1_024)
    configuration.workerCount = count
    configuration.workerIndex = count == 1 ? 0 : index
    configuration.shared = allowances
    let engine = Worker(
      configuration: configuration, nicCapacity: Self.nicCapacity, ruleCapacity: 1_001)
    let io = WireIO(
      wires, worker: index, portCount: Self.portCount, descriptor: descriptors[index])
    var worker = LiveWorker(index: index, io: io, engine: engine, shared: shared)
    worker.begin()
    return worker
  }

  /// A round that finds something to do, or nothing.
  static func poll(
    _ worker: inout LiveWorker<WireIO>, finds: Bool = true,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let found = worker.round()
    #expect(found == finds, sourceLocation: location)
  }

  func count(_ counter: LiveCounter) -> UInt64 { shared.counters.total(counter) }

  /// No packet is lost, and no buffer.
  func expectLevel(_ location: SourceLocation = #_sourceLocation) {
    let incoming = count(.received) + count(.takenOver)
    let settled =
      count(.sent) + count(.dropped) + count(.ignored) + count(.punted) + count(.handedOver)
    #expect(incoming == settled, sourceLocation: location)
    #expect(wires.buffersInUse == 0, sourceLocation: location)
    #expect(wires.faults == 0, sourceLocation: location)
  }

  // MARK: Service thread

  struct PuntedFrame {
    var punt: Punt
    var frame: [UInt8]
  }

  /// What a worker left to the service thread, all of it, done with.
  func punts(worker: Int = 0) -> [PuntedFrame] {
    let channel = shared.slowPath(worker: worker)
    var found: [PuntedFrame] = []
    while let next = unsafe channel.nextPunt() {
      found.append(PuntedFrame(punt: next.punt, frame: [UInt8](next.frame)))
      channel.finishPunt()
    }
    return found
  }

  func answer(_ answer: Answer, _ frame: [UInt8] = [], worker: Int = 0) -> Bool {
    let isTaken = frame.withUnsafeBytes {
      unsafe shared.slowPath(worker: worker).answer(answer, frame: $0)
    }
    shared.wake(worker)
    return isTaken
  }

  // MARK: Frames

  static func frame(_ source: MACAddress, _ packet: [UInt8]) -> [UInt8] {
    Compose.ethernet(to: .router, from: source, packet)
  }

  /// A datagram of web's to an address, on a connection of its own for each source port.
  static func datagram(
    to destination: String, from port: UInt16 = 5_000, bytes: Int = 20, mayFragment: Bool = true
  ) -> [UInt8] {
    frame(
      web,
      Compose.ipv4(
        "10.0.1.10", destination, protocol: 17,
        Compose.udp(port, 7, [UInt8](repeating: 7, count: bytes)),
        fragment: mayFragment ? 0 : 0x4000))
  }

  static func arp(_ source: MACAddress = web) -> [UInt8] {
    Compose.ethernet(
      to: .broadcast, from: source, type: 0x0806,
      [0, 1, 8, 0, 6, 4, 0, 1] + Compose.bytes(source.bits, 6) + [10, 0, 1, 10]
        + [UInt8](repeating: 0, count: 6) + [10, 0, 1, 1])
  }

  /// A tunnel packet of the other host; Geneve or VXLAN as the port says.
  static func tunnel(
    _ inner: [UInt8], to host: String = "192.0.2.1", port: UInt16 = 6_081, vni: UInt32 = vni
  ) -> [UInt8] {
    let header: [UInt8] = port == 6_081 ? [0, 0, 0x65, 0x58] : [8, 0, 0, 0]
    let payload = header + Compose.bytes(UInt64(vni) << 8, 4) + inner
    return Compose.ethernet(
      to: uplink, from: nextHop,
      Compose.ipv4("192.0.2.2", host, protocol: 17, Compose.udp(50_000, port, payload)))
  }

  static func fromRemote(_ source: MACAddress = remote) -> [UInt8] {
    Compose.ethernet(
      to: web, from: source,
      Compose.ipv4("10.0.1.20", "10.0.1.10", protocol: 17, Compose.udp(9, 10)))
  }

  // MARK: Model

  static func model() -> VPCModel {
    var model = VPCModel()
    model.host = Host(
      address: Compose.address("192.0.2.1"), mac: uplink,
      gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
    model.vpcs = [VPC(id: "vpc", vni: vni, cidrs: [Compose.prefix("10.0.0.0/16")])]
    model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: [Compose.prefix("10.0.1.0/24")])]
    let all = SecurityGroupRule(
      id: "all", match: TrafficMatch(), peers: [.cidr(Compose.prefix("0.0.0.0/0"))])
    model.securityGroups = [SecurityGroup(id: "sg", vpc: "vpc", ingress: [all], egress: [all])]
    for (id, mac, text) in [("eni-web", web, "10.0.1.10"), ("eni-data", data, "10.0.1.11")] {
      var nic = NetworkInterface(
        id: id, subnet: "subnet", mac: mac, addresses: [Compose.address(text)])
      nic.securityGroups = ["sg"]
      model.networkInterfaces.append(nic)
    }
    model.mappings = [
      Mapping(
        vpc: "vpc", address: Compose.address("10.0.1.20"), host: Compose.address("192.0.2.2"),
        mac: remote)
    ]
    return model
  }
}
