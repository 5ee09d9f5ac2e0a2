import Datapath
import TableCompiler
import Tables
import TestPackets
import VPCModel
import Wire

/// What became of a packet, by name.
struct Answer: Equatable, CustomStringConvertible {
  var verdict: Verdict
  var reason = DropReason.none
  var state = FlowState.none
  var rule = ""

  var description: String { "\(verdict) \(reason.name) \(state) \(rule)" }

  static func drop(_ reason: DropReason, _ rule: String = "") -> Answer {
    Answer(verdict: .drop, reason: reason, rule: rule)
  }
  static func forward(_ state: FlowState, _ rule: String) -> Answer {
    Answer(verdict: .forward, state: state, rule: rule)
  }
}

/// One worker, its tables, and a clock.
struct Engine: ~Copyable {
  static let second: UInt64 = 1_000_000_000
  static let web = MACAddress(0x02_00_00_00_00_0A)
  static let data = MACAddress(0x02_00_00_00_00_0B)

  var compiled: CompiledTables
  var worker: Worker
  var now: UInt64 = 1_700_000_000_000_000_000

  init(
    _ model: VPCModel = model(), flowCapacity: Int = 1_000, expiryPerPacket: Int = .max
  ) throws {
    compiled = try TableCompiler.compile(
      model,
      CompileRequest(
        generation: 1, capacity: TableCapacity(networkInterfaces: 4, rules: 100)))
    var configuration = WorkerConfiguration(flowCapacity: flowCapacity, fragmentCapacity: 2_048)
    configuration.expiryPerPacket = expiryPerPacket
    worker = Worker(
      configuration: configuration, nicCapacity: max(1, compiled.tables.nics.count),
      ruleCapacity: 201)
  }

  /// Publishes a changed model as the next generation.
  mutating func publish(_ model: VPCModel, generation: UInt32 = 2) throws {
    compiled = try TableCompiler.compile(model, generation: generation)
  }

  /// The same as a host does it: numbers stay, and the worker follows.
  ///
  /// - Parameter swept: what is known of the worker's cleaning; without it how it is now.
  mutating func change(
    to model: VPCModel, cutsConnections: Bool = false, swept: UInt32? = nil
  ) throws {
    var request = CompileRequest(
      generation: compiled.tables.generation + 1, previous: compiled)
    request.swept = swept ?? worker.following.swept
    request.cutsConnections = cutsConnections
    compiled = try TableCompiler.compile(model, request)
    adopt()
  }

  mutating func adopt() { worker.adopt(compiled.tables) }
  mutating func sweepOnce() { worker.sweep(compiled.tables) }

  /// Cleans up after what went.
  ///
  /// - Returns: the steps that it took.
  mutating func sweep() -> Int {
    var steps = 0
    while worker.following.isSweeping && steps < 1_000 {
      sweepOnce()
      steps += 1
    }
    return steps
  }

  mutating func pass(seconds: Double) { now += UInt64(seconds * 1e9) }

  /// Has a packet judged that a network interface sends, or that is captured on its way to it.
  mutating func judge(
    _ packet: [UInt8], nic: TableIndex = 0, _ origin: Origin = .guest, traced: Bool = false
  ) -> Answer {
    let isIngress = origin == .captured
    let frame = Compose.ethernet(
      to: isIngress ? Self.web : .router, from: isIngress ? .router : Self.web, packet)
    return judge(frame: frame, nic: nic, origin, traced: traced)
  }

  mutating func judge(
    frame: [UInt8], nic: TableIndex = 0, _ origin: Origin = .guest, traced: Bool = false,
    atNIC: Bool = false, segmentSize: UInt16 = 0, captured: Int? = nil
  ) -> Answer {
    let room = 128
    let memory = UnsafeMutableRawPointer.allocate(byteCount: room + frame.count, alignment: 64)
    defer { memory.deallocate() }
    UnsafeMutableRawBufferPointer(start: memory + room, count: frame.count).copyBytes(from: frame)
    let slot = UnsafeMutablePointer<Packet>.allocate(capacity: 1)
    defer { slot.deallocate() }
    var packet = Packet(
      base: memory + room, length: UInt32(frame.count), headroom: UInt32(room))
    packet.time = now
    packet.nic = nic
    packet.segmentSize = segmentSize
    if let captured { packet.length = UInt32(captured) }
    packet.origin = origin
    if traced { packet.flags.insert(.traced) }
    if atNIC { packet.flags.insert(.atNIC) }
    slot.initialize(to: packet)
    worker.process(UnsafeMutableBufferPointer(start: slot, count: 1), compiled.tables)
    return Answer(
      verdict: slot.pointee.verdict, reason: slot.pointee.reason, state: slot.pointee.state,
      rule: compiled.ruleNames[Int(slot.pointee.rule)])
  }

  /// Has several packets that network interface 0 sends judged in one burst.
  mutating func judge(burst frames: [[UInt8]]) -> [Answer] {
    let room = 128
    let slots = UnsafeMutableBufferPointer<Packet>.allocate(capacity: frames.count)
    var buffers: [UnsafeMutableRawPointer] = []
    defer {
      for buffer in buffers { buffer.deallocate() }
      slots.deallocate()
    }
    for (index, frame) in frames.enumerated() {
      let memory = UnsafeMutableRawPointer.allocate(byteCount: room + frame.count, alignment: 64)
      UnsafeMutableRawBufferPointer(start: memory + room, count: frame.count).copyBytes(from: frame)
      var packet = Packet(base: memory + room, length: UInt32(frame.count), headroom: UInt32(room))
      packet.time = now
      packet.nic = 0
      packet.origin = .guest
      slots.initializeElement(at: index, to: packet)
      buffers.append(memory)
    }
    worker.process(slots, compiled.tables)
    return frames.indices.map {
      Answer(
        verdict: slots[$0].verdict, reason: slots[$0].reason, state: slots[$0].state,
        rule: compiled.ruleNames[Int(slots[$0].rule)])
    }
  }

  /// Two interfaces of one subnet; web may be asked on ports 80 and 53 and may ask anything of
  /// 198.51.100.0/24; so everything is tracked.
  static func model() -> VPCModel {
    var model = VPCModel()
    model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: [Compose.prefix("10.0.0.0/16")])]
    model.subnets = [
      Subnet(
        id: "subnet", vpc: "vpc", cidrs: [Compose.prefix("10.0.1.0/24")], routeTable: "rtb",
        networkACL: "acl")
    ]
    let all = Compose.prefix("0.0.0.0/0")
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc",
        routes: [Route(destination: .cidr(all), target: .internetGateway("igw"))])
    ]
    model.internetGateways = [
      InternetGateway(id: "igw", vpc: "vpc", host: Compose.address("192.0.2.254"), vni: 9)
    ]
    func pass(_ direction: String) -> NetworkACLRule {
      NetworkACLRule(
        id: "acl/\(direction)/100", number: 100, allow: true, match: TrafficMatch(), cidr: all)
    }
    model.networkACLs = [
      NetworkACL(id: "acl", vpc: "vpc", ingress: [pass("ingress")], egress: [pass("egress")])
    ]
    model.securityGroups = [group()]
    for (id, mac, text) in [("eni-web", web, "10.0.1.10"), ("eni-data", data, "10.0.1.11")] {
      let address = Compose.address(text)
      var nic = NetworkInterface(id: id, subnet: "subnet", mac: mac, addresses: [address])
      nic.securityGroups = ["sg"]
      nic.publicAddresses = [
        PublicAddress(privateAddress: address, publicAddress: address.advanced(by: 0xC000_0000))
      ]
      model.networkInterfaces.append(nic)
    }
    return model
  }

  private static func group() -> SecurityGroup {
    func rule(_ id: String, _ number: UInt8, _ port: UInt16?, _ peer: String) -> SecurityGroupRule {
      SecurityGroupRule(
        id: id, match: TrafficMatch(protocolNumber: number, ports: port.map { [$0...$0] } ?? []),
        peers: [.cidr(Compose.prefix(peer))])
    }
    return SecurityGroup(
      id: "sg", vpc: "vpc",
      ingress: [rule("http", 6, 80, "198.51.0.0/16"), rule("dns", 17, 53, "198.51.0.0/16")],
      egress: [
        rule("tcp-out", 6, nil, "198.51.100.0/24"), rule("udp-out", 17, nil, "198.51.100.0/24"),
      ])
  }
}
