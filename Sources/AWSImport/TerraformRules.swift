import VPCModel
import Wire

/// Network interfaces, security groups, network ACLs and route tables of Terraform's state.
extension Inventory {
  // MARK: Network interfaces

  mutating func readTerraformInterface(_ values: Fields, _ place: Place) throws(Malformed) {
    let id = try values.id("id")
    var record = InterfaceRecord(
      subnet: try values.id("subnet_id"),
      type: try values.optionalText("interface_type") ?? "interface",
      mac: try values.required("mac_address").mac(), addresses: [], groups: [],
      sourceDestCheck: try values.flag("source_dest_check", default: true), publicAddresses: [])
    for group in try values.items("security_groups") { record.groups.append(try group.id()) }
    record.groups.sort()
    for attachment in try values.objects("attachment") {
      record.instance = try attachment.optionalID("instance")
    }
    try readTerraformAddresses(
      values, primary: "private_ip", others: "private_ips", into: &record)
    for name in ["ipv4_prefixes", "ipv6_prefixes"] {
      for prefix in try values.items(name) {
        record.addresses += try expanded(prefix, id)
      }
    }
    add(id, record, at: place, to: \.interfaces)
  }

  private func readTerraformAddresses(
    _ values: Fields, primary: String, others: String, into record: inout InterfaceRecord
  ) throws(Malformed) {
    if try values.optionalText(primary) ?? "" != "" {
      record.addresses.append(try values.required(primary).address())
    }
    var more: [IPAddress] = []
    for name in [others, "ipv6_addresses"] {
      for address in try values.items(name) { more.append(try address.address()) }
    }
    more.sort { $0.family == $1.family ? $0 < $1 : $0.family == .v4 }
    for address in more where !record.addresses.contains(address) {
      record.addresses.append(address)
    }
  }

  /// The first interface of an instance, which has no resource of its own unless it was made
  /// before.
  mutating func readInstance(_ values: Fields, _ place: Place) throws(Malformed) {
    let interface = try values.optionalID("primary_network_interface_id")
    guard let interface, let subnet = try values.optionalID("subnet_id") else { return }
    var record = InterfaceRecord(
      subnet: subnet, type: "interface", instance: try values.id("id"), mac: nil, addresses: [],
      groups: [], sourceDestCheck: try values.flag("source_dest_check", default: true),
      publicAddresses: [])
    for group in try values.items("vpc_security_group_ids") {
      record.groups.append(try group.id())
    }
    record.groups.sort()
    try readTerraformAddresses(
      values, primary: "private_ip", others: "secondary_private_ips", into: &record)
    if try values.optionalText("public_ip") ?? "" != "", let inside = record.addresses.first {
      let outside = try values.required("public_ip").address()
      record.publicAddresses = [PublicAddress(privateAddress: inside, publicAddress: outside)]
    }
    add(interface, record, at: place, to: \.instanceInterfaces)
  }

  // MARK: Security groups

  mutating func readTerraformGroup(_ values: Fields, _ place: Place) throws(Malformed) {
    let id = try values.id("id")
    let record = GroupRecord(
      vpc: try values.id("vpc_id"), ingress: try permissions(values, "ingress", of: id),
      egress: try permissions(values, "egress", of: id))
    add(id, record, at: place, to: \.groups)
  }

  private func permissions(
    _ values: Fields, _ direction: String, of group: String
  ) throws(Malformed) -> [Sited<Permission>] {
    var permissions: [Sited<Permission>] = []
    for rule in try values.objects(direction) {
      permissions += try terraformPermissions(rule, of: group)
    }
    return permissions
  }

  /// The peers of a rule, each a permission; `self` is the group itself.
  private func terraformPermissions(
    _ rule: Fields, of group: String
  ) throws(Malformed) -> [Sited<Permission>] {
    let number = try AWSMatch.protocolNumber(rule.required("protocol"))
    // All ports of all protocols are written as the range 0 to 0.
    let match = try AWSMatch.match(
      number, from: rule["from_port"], to: rule["to_port"], rule.place)
    var peers: [Permission.Peer] = []
    for name in ["cidr_blocks", "ipv6_cidr_blocks"] {
      for block in try rule.items(name) { peers.append(.cidr(try block.prefix())) }
    }
    for list in try rule.items("prefix_list_ids") { peers.append(.prefixList(try list.id())) }
    for id in try rule.items("security_groups") { peers.append(try terraformGroup(id)) }
    if let source = rule["source_security_group_id"], try source.text() != "" {
      peers.append(try terraformGroup(source))
    }
    if try rule.flag("self", default: false) {
      peers.append(.group(group, vpc: nil, peering: nil))
    }
    return peers.map {
      Sited(value: Permission(match: match, peer: $0), place: rule.place)
    }
  }

  /// A group of another account is written as `ACCOUNT/GROUP`.
  private func terraformGroup(_ value: Value) throws(Malformed) -> Permission.Peer {
    let text = try value.text()
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let id = parts.last, id.hasPrefix("sg-"),
      id.utf8.allSatisfy({ (0x30...0x7A).contains($0) || $0 == 0x2D })
    else {
      throw Malformed(place: value.place, reason: "\(quote(text)) is not a security group's id")
    }
    return .group(String(id), vpc: nil, peering: nil)
  }

  /// `aws_security_group_rule`: one protocol and port range, several peers.
  mutating func readTerraformRule(_ values: Fields, _ place: Place) throws(Malformed) {
    let group = try values.id("security_group_id")
    let isEgress = try values.required("type").text() == "egress"
    let name = try values.id("id")
    for (index, permission) in try terraformPermissions(values, of: group).enumerated() {
      let rule = GroupRule(
        id: name, group: group, isEgress: isEgress, permission: permission.value)
      add("\(name)#\(index)", rule, at: place, to: \.addedRules)
    }
  }

  /// `aws_vpc_security_group_ingress_rule` and its like: one rule of AWS, with its id.
  mutating func readTerraformRule(
    _ values: Fields, _ place: Place, isEgress: Bool
  ) throws(Malformed) {
    let match = try AWSMatch.match(
      AWSMatch.protocolNumber(values.required("ip_protocol")), from: values["from_port"],
      to: values["to_port"], place)
    let peer: Permission.Peer
    if let block = values["cidr_ipv4"] {
      peer = .cidr(try block.prefix(.v4))
    } else if let block = values["cidr_ipv6"] {
      peer = .cidr(try block.prefix(.v6))
    } else if let list = try values.optionalID("prefix_list_id") {
      peer = .prefixList(list)
    } else {
      peer = try terraformGroup(values.required("referenced_security_group_id"))
    }
    let id = try values.id("id")
    let rule = GroupRule(
      id: id, group: try values.id("security_group_id"), isEgress: isEgress,
      permission: Permission(match: match, peer: peer))
    add(id, rule, at: place, to: \.addedRules)
  }

  // MARK: Network ACLs

  mutating func readTerraformACL(
    _ values: Fields, _ place: Place, isDefault: Bool
  ) throws(Malformed) {
    let id = try values.id("id")
    let vpc = try values.id("vpc_id")
    var entries: [Sited<ACLEntry>] = []
    for (name, isEgress) in [("ingress", false), ("egress", true)] {
      for rule in try values.objects(name) {
        let entry = try terraformEntry(rule, isEgress: isEgress)
        entries.append(Sited(value: entry, place: rule.place))
      }
    }
    let record = ACLRecord(vpc: vpc, isDefault: isDefault, entries: entries)
    add(id, record, at: place, to: \.acls)
    if isDefault {
      aclAssociations.append(
        Sited(value: Association(subnet: nil, vpc: vpc, object: id), place: place))
    }
    for subnet in try values.items("subnet_ids") {
      aclAssociations.append(
        Sited(
          value: Association(subnet: try subnet.id(), vpc: vpc, object: id), place: subnet.place))
    }
  }

  /// A rule, of an ACL (`rule_no`, `action`) or of its own (`rule_number`, `rule_action`).
  func terraformEntry(_ rule: Fields, isEgress: Bool) throws(Malformed) -> ACLEntry {
    let isOwn = rule["rule_number"] != nil
    let action = try rule.required(isOwn ? "rule_action" : "action")
    guard ["allow", "deny"].contains(try action.text()) else {
      throw Malformed(place: action.place, reason: "must be allow or deny")
    }
    let number = try AWSMatch.protocolNumber(rule.required("protocol"))
    let match: TrafficMatch
    switch number {
    case 1, 58:
      match = try AWSMatch.match(
        number, from: rule["icmp_type"], to: rule["icmp_code"], rule.place)
    case 6, 17:
      match = try AWSMatch.match(number, from: rule["from_port"], to: rule["to_port"], rule.place)
    default: match = TrafficMatch(protocolNumber: number)
    }
    let isV4 = try rule.optionalText("cidr_block") ?? "" != ""
    let cidr =
      isV4
      ? try rule.required("cidr_block").prefix(.v4)
      : try rule.required("ipv6_cidr_block").prefix(.v6)
    return ACLEntry(
      number: try rule.required(isOwn ? "rule_number" : "rule_no").number(1...32766),
      isEgress: isEgress, allow: try action.text() == "allow", match: match, cidr: cidr)
  }

  // MARK: Route tables

  mutating func readTerraformTable(_ values: Fields, _ place: Place) throws(Malformed) {
    let id = try values.id("id")
    var routes: [Sited<RouteRecord>] = []
    for route in try values.objects("route") {
      if let route = try terraformRoute(route) { routes.append(route) }
    }
    let vpc = try values.id("vpc_id")
    add(id, TableRecord(vpc: vpc, routes: routes), at: place, to: \.tables)
    for gateway in try values.items("propagating_vgws") {
      findings.add(
        .unsupported, gateway.place, id: id,
        "routes that \(quote(try gateway.text())) propagates are in no state: they are not known")
    }
  }

  mutating func readTableAssociation(_ values: Fields, _ place: Place) throws(Malformed) {
    let table = try values.id("route_table_id")
    if let gateway = try values.optionalID("gateway_id") {
      findings.add(
        .unsupported, place, id: table,
        "is also the route table of the gateway \(gateway): the model routes no packets that come"
          + " in from a gateway, they go to their destination")
      return
    }
    let association = Association(subnet: try values.id("subnet_id"), vpc: nil, object: table)
    tableAssociations.append(Sited(value: association, place: place))
  }

  /// Fields of a route that name a target, with what the others are called.
  private static let others: [(field: String, kind: String)] = [
    ("transit_gateway_id", "a transit gateway"),
    ("egress_only_gateway_id", "an egress-only internet gateway"),
    ("local_gateway_id", "a local gateway"), ("carrier_gateway_id", "a carrier gateway"),
    ("core_network_arn", "a core network"), ("vpc_endpoint_id", "an endpoint"),
    ("odb_network_arn", "an Oracle Database network"),
  ]

  /// A route of a table (`cidr_block`) or of its own (`destination_cidr_block`).
  func terraformRoute(_ route: Fields) throws(Malformed) -> Sited<RouteRecord>? {
    func first(_ names: String...) throws(Malformed) -> Value? {
      for name in names where try route.optionalText(name) ?? "" != "" { return route[name] }
      return nil
    }
    let destination: RouteDestination
    if let block = try first("cidr_block", "destination_cidr_block") {
      destination = .cidr(try block.prefix(.v4))
    } else if let block = try first("ipv6_cidr_block", "destination_ipv6_cidr_block") {
      destination = .cidr(try block.prefix(.v6))
    } else if let list = try first("destination_prefix_list_id") {
      destination = .prefixList(try list.id())
    } else {
      throw Malformed(place: route.place, reason: "has no destination")
    }
    let target: RouteRecord.Target
    if let id = try first("gateway_id") {
      target = try id.text() == "local" ? .local : .gateway(try id.id())
    } else if let id = try first("nat_gateway_id") {
      target = .natGateway(try id.id())
    } else if let id = try first("vpc_peering_connection_id") {
      target = .peering(try id.id())
    } else if let id = try first("network_interface_id") {
      target = .interface(try id.id())
    } else if let id = try first("instance_id") {
      target = .instance(try id.id())
    } else {
      var found: RouteRecord.Target = .none
      for (field, kind) in Self.others {
        if let id = try first(field) { found = .other(kind, id: try id.text()) }
      }
      target = found
    }
    let state = try route.optionalText("state")
    let isBlackhole = target == .none || state == "blackhole"
    return Sited(
      value: RouteRecord(
        destination: destination, target: target, isBlackhole: isBlackhole, isPropagated: false),
      place: route.place)
  }
}
