import Wire

extension ModelReader {
  /// Reads everything in one document.
  mutating func readDocument(_ root: Located) {
    if root.isNull { return }
    guard let fields = fields(root, .document(with: other?.name)) else { return }
    _ = integer(fields["version"], in: 1...1)
    if let host = once("host", fields) { readHost(host) }
    if let policy = once("policy", fields) { readPolicy(policy) }
    for item in items(fields["vpcs"]) { readVPC(item) }
    for item in items(fields["subnets"]) { readSubnet(item) }
    for item in items(fields["networkInterfaces"]) { readNetworkInterface(item) }
    for item in items(fields["securityGroups"]) { readSecurityGroup(item) }
    for item in items(fields["prefixLists"]) { readPrefixList(item) }
    for item in items(fields["networkACLs"]) { readNetworkACL(item) }
    for item in items(fields["routeTables"]) { readRouteTable(item) }
    for item in items(fields["internetGateways"]) { readInternetGateway(item) }
    for item in items(fields["peerings"]) { readPeering(item) }
    for item in items(fields["mappings"]) { readMapping(item) }
    if let other, let section = fields[other.name] {
      for named in other.read(section, &state) { referToInterface(named) }
    }
  }

  /// Notes that a network interface must exist.
  mutating func referToInterface(_ named: (networkInterface: String, place: Place)) {
    facts.references.append(
      Reference(
        id: named.networkInterface, place: named.place, kinds: [.networkInterface], scope: .anywhere
      ))
  }

  /// A section that only one of the files may have.
  private mutating func once(_ name: String, _ fields: Fields) -> Located? {
    guard let section = fields[name], !section.isNull else { return nil }
    if let first = facts.sections[name] {
      fail(section.place, "is given twice; first at \(text(first))")
    } else {
      facts.sections[name] = section.place
    }
    return section
  }

  // MARK: Names

  /// Enters an object under its id.
  mutating func declare(_ value: Located?, _ kind: ObjectKind, owner: Owner? = nil) -> String? {
    guard let value, let id = name(value) else { return nil }
    if kind.namespace == .routeTargets && id == "blackhole" {
      fail(value.place, "`blackhole` is a route's target and cannot be an id")
      return nil
    }
    let key = Identifier(namespace: kind.namespace, id: id)
    if let first = facts.declarations[key] {
      let what =
        first.kind == kind
        ? "duplicate id `\(id)`" : "the id `\(id)` is also a \(first.kind.noun)'s"
      fail(value.place, "\(what); first at \(text(first.place))")
    } else {
      facts.declarations[key] = Declaration(kind: kind, place: value.place, owner: owner)
    }
    return id
  }

  /// Reads the id of another object, which must exist once all files are read.
  mutating func reference(
    _ value: Located?, _ kinds: ObjectKind..., scope: Reference.Scope = .anywhere
  ) -> String? {
    guard let value, let id = name(value) else { return nil }
    facts.references.append(Reference(id: id, place: value.place, kinds: kinds, scope: scope))
    return id
  }

  /// The scope of a reference from something that `vpc` owns.
  func scope(_ owner: Owner?) -> Reference.Scope { owner.map { .owner($0) } ?? .anywhere }

  // MARK: Sections

  private mutating func readHost(_ section: Located) {
    guard let fields = fields(section, .host) else { return }
    let address = endpoint(fields["address"])
    let mac = stationMAC(fields["mac"])
    let gatewayMAC = stationMAC(fields["gatewayMAC"])
    let encapsulation = choice(fields["encapsulation"], Encapsulation.self)
    let mtu = integer(fields["mtu"], in: 576...65535)
    // IPv6 inside needs 1280 bytes (RFC 8200 section 5); the IPv6 tunnel's headers take 70.
    if let place = fields["mtu"]?.place, let mtu, address?.family == .v6, mtu < 1350 {
      fail(place, "must be at least 1350 on an IPv6 underlay: 1280 bytes inside, 70 of headers")
    }
    guard let address, let mac, let gatewayMAC else { return }
    var host = Host(address: address, mac: mac, gatewayMAC: gatewayMAC)
    host.encapsulation = encapsulation ?? host.encapsulation
    host.mtu = mtu.map { Int($0) } ?? host.mtu
    model.host = host
  }

  private mutating func readPolicy(_ section: Located) {
    guard let fields = fields(section, .policy) else { return }
    if let word = choice(fields["midstream"], Policy.Midstream.self) {
      model.policy.midstream = word
    }
    if let word = choice(fields["onRuleChange"], Policy.RuleChange.self) {
      model.policy.onRuleChange = word
    }
  }

  private mutating func readVPC(_ item: Located) {
    guard let fields = fields(item, .vpc) else { return }
    let id = declare(fields["id"], .vpc)
    let vni = virtualNetwork(fields["vni"], .vpc)
    let cidrs = blocks(fields["cidrs"], vpc: id, subnet: nil, of: .vpc, id: id)
    guard let id, let vni, let cidrs else { return }
    model.vpcs.append(VPC(id: id, vni: vni, cidrs: cidrs))
  }

  private mutating func readSubnet(_ item: Located) {
    guard let fields = fields(item, .subnet) else { return }
    let vpc = reference(fields["vpc"], .vpc)
    let owner = vpc.map { Owner.vpc($0) }
    let id = declare(fields["id"], .subnet, owner: owner)
    let cidrs = blocks(fields["cidrs"], vpc: vpc, subnet: id, of: .subnet, id: id)
    let table = reference(fields["routeTable"], .routeTable, scope: scope(owner))
    let acl = reference(fields["networkACL"], .networkACL, scope: scope(owner))
    guard let id, let vpc, let cidrs else { return }
    model.subnets.append(
      Subnet(id: id, vpc: vpc, cidrs: cidrs, routeTable: table, networkACL: acl))
  }

  private mutating func readPrefixList(_ item: Located) {
    guard let fields = fields(item, .prefixList) else { return }
    let id = declare(fields["id"], .prefixList)
    var entries: [IPPrefix] = []
    for entry in items(fields["entries"]) {
      if let prefix = prefix(entry) { entries.append(prefix) }
    }
    if let id { model.prefixLists.append(PrefixList(id: id, entries: entries)) }
  }

  private mutating func readInternetGateway(_ item: Located) {
    guard let fields = fields(item, .internetGateway) else { return }
    let vpc = reference(fields["vpc"], .vpc)
    let id = declare(fields["id"], .internetGateway, owner: vpc.map { .vpc($0) })
    let host = remoteEndpoint(fields["host"])
    let vni = virtualNetwork(fields["vni"], .internetGateway)
    guard let id, let vpc, let host, let vni else { return }
    model.internetGateways.append(InternetGateway(id: id, vpc: vpc, host: host, vni: vni))
  }

  private mutating func readPeering(_ item: Located) {
    guard let fields = fields(item, .peering) else { return }
    let id = declare(fields["id"], .peering)
    guard let list = fields["vpcs"] else { return }
    let vpcs = items(list).compactMap { reference($0, .vpc) }
    guard case .sequence(let sequence) = list.node.content else {
      if list.isNull { fail(list.place, "must name exactly two VPCs") }
      return
    }
    guard sequence.count == 2 else {
      fail(list.place, "must name exactly two VPCs, not \(sequence.count)")
      return
    }
    guard vpcs.count == 2 else { return }
    guard vpcs[0] != vpcs[1] else {
      fail(list.place, "must name two different VPCs")
      return
    }
    facts.peerings.append(PeeringFact(place: list.place, vpcs: vpcs))
    guard let id else { return }
    facts.peeredVPCs[id] = vpcs
    model.peerings.append(Peering(id: id, vpcs: vpcs))
  }

  private mutating func readMapping(_ item: Located) {
    guard let fields = fields(item, .mapping) else { return }
    let vpc = reference(fields["vpc"], .vpc)
    let address = address(fields["address"])
    if let value = fields["address"], let address, let vpc {
      facts.addresses.append(
        AddressFact(address: address, place: value.place, owner: .vpc(vpc)))
    }
    let host = remoteEndpoint(fields["host"])
    let mac = interfaceMAC(fields["mac"])
    guard let vpc, let address, let host, let mac else { return }
    model.mappings.append(Mapping(vpc: vpc, address: address, host: host, mac: mac))
  }

  // MARK: Fields that several kinds have

  /// The blocks of a VPC or subnet; nil when some are wrong.
  private mutating func blocks(
    _ list: Located?, vpc: String?, subnet: String?, of kind: ObjectKind, id: String?
  ) -> [IPPrefix]? {
    let items = items(list)
    var prefixes: [IPPrefix] = []
    for item in items {
      guard let prefix = prefix(item) else { continue }
      prefixes.append(prefix)
      guard let vpc, kind == .vpc || subnet != nil else { continue }
      facts.blocks.append(
        BlockFact(prefix: prefix, place: item.place, vpc: vpc, subnet: subnet))
    }
    if let list, items.isEmpty, list.isNull || list.isEmptyList {
      fail(list.place, "must hold at least one CIDR block")
    }
    if prefixes.isEmpty || prefixes.count < items.count {
      if let id { facts.incomplete.insert(Identifier(namespace: kind.namespace, id: id)) }
      return nil
    }
    return prefixes
  }

  /// 24 bits (RFC 7348 section 5, RFC 8926 section 3.4).
  private mutating func virtualNetwork(_ value: Located?, _ kind: ObjectKind) -> UInt32? {
    guard let value, let number = integer(value, in: 0...0xFF_FFFF) else { return nil }
    let vni = UInt32(number)
    facts.virtualNetworks.append(NumberFact(number: vni, place: value.place, kind: kind))
    return vni
  }

  /// An address of a host on the underlay.
  private mutating func endpoint(_ value: Located?) -> IPAddress? {
    guard let value, let address = address(value) else { return nil }
    guard !address.isMulticast, !address.isUnspecified, !address.isLimitedBroadcast else {
      fail(value.place, "`\(address)` is not the address of a host")
      return nil
    }
    return address
  }

  private mutating func remoteEndpoint(_ value: Located?) -> IPAddress? {
    guard let value, let address = endpoint(value) else { return nil }
    facts.endpoints.append((address, value.place))
    return address
  }

  /// The MAC of a guest's NIC, which must not be that of its router.
  mutating func interfaceMAC(_ value: Located?) -> MACAddress? {
    guard let value, let mac = stationMAC(value) else { return nil }
    guard mac != .router else {
      fail(value.place, "`\(mac)` is the address of every subnet's virtual router")
      return nil
    }
    return mac
  }
}
