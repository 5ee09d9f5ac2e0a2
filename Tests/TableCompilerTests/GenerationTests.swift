import TableCompiler
import Tables
import Testing
import VPCModel
import Wire

/// What keeps its number from generation to generation, and what is shared.
@Suite struct GenerationTests {
  private static func address(_ index: Int) -> IPAddress {
    IPAddress(v4: 0x0A00_0100 + UInt32(index))
  }

  private static func rule(_ id: String, port: UInt16) -> SecurityGroupRule {
    SecurityGroupRule(
      id: id, match: TrafficMatch(protocolNumber: 6, ports: [port...port]),
      peers: [.cidr(IPPrefix(IPAddress(v4: 0x0B00_0000), length: 8))])
  }

  private static func interface(_ id: String, _ index: Int) -> NetworkInterface {
    var nic = NetworkInterface(
      id: id, subnet: "subnet", mac: MACAddress(UInt64(index + 1)), addresses: [address(index)])
    nic.securityGroups = ["sg-0"]
    return nic
  }

  private static func model(groups: Int = 2, rules: Int = 3) -> VPCModel {
    var model = VPCModel()
    model.host = Host(
      address: IPAddress(v4: 0xC000_0201), mac: MACAddress(1), gatewayMAC: MACAddress(2))
    model.vpcs = [
      VPC(id: "vpc", vni: 1, cidrs: [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)])
    ]
    model.subnets = [
      Subnet(
        id: "subnet", vpc: "vpc", cidrs: [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 20)])
    ]
    for group in 0..<groups {
      let rules = (0..<rules).map { rule("sg-\(group)/ingress/\($0)", port: UInt16($0 + 1)) }
      model.securityGroups.append(
        SecurityGroup(id: "sg-\(group)", vpc: "vpc", ingress: rules, egress: []))
    }
    model.networkInterfaces = [interface("eni-a", 0), interface("eni-b", 1)]
    return model
  }

  /// Generations of tables, as a host makes them.
  private struct Generations {
    var compiled: CompiledTables
    var capacity: TableCapacity

    init(_ model: VPCModel, nics: Int = 4, rules: Int = 1_000) throws {
      capacity = TableCapacity(networkInterfaces: nics, rules: rules)
      compiled = try TableCompiler.compile(
        model, CompileRequest(generation: 1, capacity: capacity))
    }

    mutating func next(_ model: VPCModel, swept: UInt32 = 0) throws {
      var request = CompileRequest(
        generation: compiled.tables.generation + 1, capacity: capacity, previous: compiled)
      request.swept = swept
      compiled = try TableCompiler.compile(model, request)
    }

    func number(_ rule: String) -> UInt32? {
      compiled.ruleNames.firstIndex(of: rule).map { UInt32($0) }
    }
  }

  @Test func `an interface keeps its number while others come and go`() throws {
    var model = Self.model()
    var generations = try Generations(model)
    model.networkInterfaces.removeFirst()
    try generations.next(model)
    #expect(generations.compiled.slot(ofInterface: "eni-b") == 1)
    #expect(generations.compiled.slot(ofInterface: "eni-a") == nil)
    #expect(generations.compiled.nicIDs == ["", "eni-b"])
    #expect(!generations.compiled.tables.nics[0].isPresent)
    #expect(generations.compiled.tables.nicCount == 1)
    #expect(generations.compiled.tables.retirement == 2)
    #expect(generations.compiled.tables.retiredNICs.count == 1)

    // The number is not given again before workers have cleaned up.
    model.networkInterfaces.append(Self.interface("eni-c", 2))
    try generations.next(model, swept: 1)
    #expect(generations.compiled.slot(ofInterface: "eni-c") == 2)
    model.networkInterfaces.append(Self.interface("eni-d", 3))
    try generations.next(model, swept: 2)
    #expect(generations.compiled.slot(ofInterface: "eni-d") == 0)
    #expect(generations.compiled.tables.nics[0].since == 4)
    #expect(generations.compiled.tables.retirement == 0)
  }

  @Test func `an interface in another VPC is another one`() throws {
    var model = Self.model()
    var generations = try Generations(model)
    model.vpcs.append(
      VPC(id: "other", vni: 2, cidrs: [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)]))
    model.subnets[0].vpc = "other"
    model.securityGroups = []
    for index in 0..<2 { model.networkInterfaces[index].securityGroups = [] }
    try generations.next(model)
    #expect(generations.compiled.slot(ofInterface: "eni-a") == 2)
  }

  @Test func `endpoints and groups are the same until one of them changes`() throws {
    var model = Self.model()
    let mapping = Mapping(
      vpc: "vpc", address: Self.address(9), host: IPAddress(v4: 0xC000_0209), mac: MACAddress(9))
    model.mappings = [mapping]
    var generations = try Generations(model)
    let before = generations.compiled
    #expect(before.mappings.hardwareAddress(scope: 0, mapping.address) == mapping.mac)
    #expect(before.mappings.hardwareAddress(scope: 0, Self.address(8)) == nil)
    #expect(before.mappings.hardwareAddress(scope: 0, Self.address(0)) == nil)

    // Another address behind the same endpoint.
    var other = mapping
    other.address = Self.address(8)
    model.mappings.append(other)
    try generations.next(model)
    #expect(generations.compiled.hasEndpoints(of: before))
    #expect(generations.compiled.hasRules(of: before))

    model.mappings[1].host = IPAddress(v4: 0xC000_020A)
    try generations.next(model)
    #expect(!generations.compiled.hasEndpoints(of: before))

    model.securityGroups[0].ingress.removeLast()
    try generations.next(model)
    #expect(!generations.compiled.hasRules(of: before))
  }

  @Test func `more interfaces or rules than fit are refused with the numbers`() throws {
    var model = Self.model()
    var generations = try Generations(model, nics: 2, rules: 7)
    model.networkInterfaces.append(Self.interface("eni-c", 2))
    #expect(throws: TableCompilerError.capacity(of: "network interfaces", count: 3, limit: 2)) {
      try generations.next(model)
    }
    model = Self.model(groups: 3)
    #expect(throws: TableCompilerError.capacity(of: "rules", count: 9, limit: 7)) {
      try generations.next(model)
    }
    // One in place of another needs a third number, until workers have cleaned up.
    model = Self.model()
    model.networkInterfaces[0] = Self.interface("eni-c", 2)
    #expect(throws: TableCompilerError.capacity(of: "network interfaces", count: 3, limit: 2)) {
      try generations.next(model)
    }
    let newcomer = model.networkInterfaces.removeFirst()
    try generations.next(model)
    model.networkInterfaces.append(newcomer)
    #expect(throws: TableCompilerError.awaitsWorkers) { try generations.next(model, swept: 1) }
    try generations.next(model, swept: 2)
    #expect(generations.compiled.slot(ofInterface: "eni-c") == 0)
  }

  @Test func `rules keep their numbers`() throws {
    var model = Self.model()
    var generations = try Generations(model)
    let second = generations.number("sg-0/ingress/1")
    let other = generations.number("sg-1/ingress/0")
    model.securityGroups[0].ingress.removeFirst()
    model.securityGroups[0].ingress.append(Self.rule("new", port: 9))
    model.securityGroups.swapAt(0, 1)
    try generations.next(model)
    #expect(generations.number("sg-0/ingress/1") == second)
    #expect(generations.number("sg-1/ingress/0") == other)
    #expect(generations.number("sg-0/ingress/0") == nil)
    // 6 rules before, and the first one's number is not free yet.
    #expect(generations.number("new") == 7)
    #expect(generations.compiled.tables.retiredRules[0] == 1 << 1)
    model.securityGroups[0].ingress.append(Self.rule("next", port: 10))
    try generations.next(model, swept: 2)
    #expect(generations.number("next") == 1)
  }

  @Test func `what is the same is shared`() throws {
    var model = Self.model(groups: 50, rules: 20)
    var generations = try Generations(model)
    let before = generations.compiled
    model.securityGroups[7].ingress[3] = Self.rule("sg-7/ingress/3", port: 99)
    try generations.next(model)
    let after = generations.compiled
    #expect(after.hasInterfacesAndMappings(of: before))
    for group in 0..<50 {
      let isSame =
        after.tables.groups[group].classifiers.ingressV4
        == before.tables.groups[group].classifiers.ingressV4
      #expect(isSame == (group != 7))
    }
    #expect(after.tables.allowanceGeneration == before.tables.allowanceGeneration)
  }

  /// Ranges of parts that went are used again.
  @Test func `memory is flat over many changes`() throws {
    var model = Self.model(groups: 4, rules: 50)
    var generations = try Generations(model)
    var highest: [TableIndex] = []
    for change in 0..<200 {
      let port = UInt16(100 + change % 7)
      model.securityGroups[change % 4].ingress[3] = Self.rule("changed \(change % 4)", port: port)
      try generations.next(model, swept: generations.compiled.tables.generation)
      let classifiers = (0..<4).map {
        generations.compiled.tables.groups[$0].classifiers.ingressV4
      }
      highest.append(classifiers.max() ?? 0)
      #expect(generations.compiled.tables.ruleCount <= 250)
    }
    #expect(highest[10...].max() ?? 0 <= 8)
  }

  @Test func `endpoints keep their numbers`() throws {
    func mapping(_ index: Int, at host: UInt32) -> Mapping {
      Mapping(
        vpc: "vpc", address: Self.address(100 + index), host: IPAddress(v4: 0xC000_0200 + host),
        mac: MACAddress(9))
    }
    var model = Self.model()
    model.mappings = [mapping(0, at: 10), mapping(1, at: 11)]
    var generations = try Generations(model)
    model.mappings = [mapping(2, at: 12), mapping(1, at: 11)]
    try generations.next(model)
    let found = generations.compiled.endpointAddresses.map { $0?.description }
    #expect(found == ["192.0.2.12", "192.0.2.11"])
    let compiled = generations.compiled
    let place = Location(bits: compiled.tables.addresses.lookup(scope: 0, Self.address(101)))
    #expect(place.isMapping && compiled.tables.mappings[place.index].endpoint == 1)
    #expect(compiled.tables.addresses.lookup(scope: 0, Self.address(100)) == .none)
  }

  @Test func `allowances are as old as they are`() throws {
    var model = Self.model()
    var generations = try Generations(model)
    model.networkInterfaces[0].limits.packetsPerSecond = 5
    try generations.next(model)
    #expect(generations.compiled.tables.nics[0].allowancesSince == 2)
    #expect(generations.compiled.tables.nics[1].allowancesSince == 1)
    #expect(generations.compiled.tables.allowanceGeneration == 2)
  }
}
