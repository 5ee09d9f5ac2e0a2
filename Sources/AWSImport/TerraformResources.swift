import VPCModel
import Wire

/// Resources of Terraform's AWS provider, as `terraform show -json` prints a state.
///
/// What is one object in AWS may be several resources: a group and its rules, a table and its
/// routes. Whether the group or table shows them too depends on when the state was refreshed; each
/// counts once.
extension Inventory {
  /// What a resource becomes.
  private enum Kind: String {
    case vpc = "aws_vpc"
    case defaultVPC = "aws_default_vpc"
    case ipv4Block = "aws_vpc_ipv4_cidr_block_association"
    case ipv6Block = "aws_vpc_ipv6_cidr_block_association"
    case subnet = "aws_subnet"
    case defaultSubnet = "aws_default_subnet"
    case interface = "aws_network_interface"
    case groupAttachment = "aws_network_interface_sg_attachment"
    case instance = "aws_instance"
    case group = "aws_security_group"
    case defaultGroup = "aws_default_security_group"
    case groupRule = "aws_security_group_rule"
    case ingressRule = "aws_vpc_security_group_ingress_rule"
    case egressRule = "aws_vpc_security_group_egress_rule"
    case acl = "aws_network_acl"
    case defaultACL = "aws_default_network_acl"
    case aclRule = "aws_network_acl_rule"
    case aclAssociation = "aws_network_acl_association"
    case table = "aws_route_table"
    case defaultTable = "aws_default_route_table"
    case route = "aws_route"
    case tableAssociation = "aws_route_table_association"
    case mainTable = "aws_main_route_table_association"
    case internetGateway = "aws_internet_gateway"
    case gatewayAttachment = "aws_internet_gateway_attachment"
    case natGateway = "aws_nat_gateway"
    case address = "aws_eip"
    case addressAssociation = "aws_eip_association"
    case peering = "aws_vpc_peering_connection"
    case prefixList = "aws_ec2_managed_prefix_list"
    case prefixListEntry = "aws_ec2_managed_prefix_list_entry"
  }

  /// Reads a resource of Terraform's state; false when it is of a kind that is not read.
  mutating func readResource(_ item: Value) throws(Malformed) -> Bool {
    let resource = try item.fields()
    guard let kind = Kind(rawValue: try resource.required("type").text()) else { return false }
    // What is only looked up is not all there: a data source of a group has no rules.
    guard try resource.optionalText("mode") ?? "managed" == "managed" else { return false }
    let values = try resource.required("values").fields()
    let place = item.place
    switch kind {
    case .vpc, .defaultVPC: try readTerraformVPC(values, place)
    case .ipv4Block: try readBlock(values, "cidr_block")
    case .ipv6Block: try readBlock(values, "ipv6_cidr_block")
    case .subnet, .defaultSubnet: try readTerraformSubnet(values, place)
    case .interface: try readTerraformInterface(values, place)
    case .groupAttachment:
      let interface = try values.id("network_interface_id")
      let group = Sited(value: try values.id("security_group_id"), place: place)
      addedGroups[interface, default: []].append(group)
    case .instance: try readInstance(values, place)
    case .group, .defaultGroup: try readTerraformGroup(values, place)
    case .groupRule: try readTerraformRule(values, place)
    case .ingressRule: try readTerraformRule(values, place, isEgress: false)
    case .egressRule: try readTerraformRule(values, place, isEgress: true)
    case .acl: try readTerraformACL(values, place, isDefault: false)
    case .defaultACL: try readTerraformACL(values, place, isDefault: true)
    case .aclRule:
      let entry = try terraformEntry(values, isEgress: values.flag("egress", default: false))
      addedEntries[try values.id("network_acl_id"), default: []].append(
        Sited(value: entry, place: place))
    case .aclAssociation:
      let association = Association(
        subnet: try values.id("subnet_id"), vpc: nil, object: try values.id("network_acl_id"))
      aclAssociations.append(Sited(value: association, place: place))
    case .table, .defaultTable: try readTerraformTable(values, place)
    case .route:
      if let route = try terraformRoute(values) {
        addedRoutes[try values.id("route_table_id"), default: []].append(route)
      }
    case .tableAssociation: try readTableAssociation(values, place)
    case .mainTable:
      mainTables.append(
        Sited(
          value: Association(
            subnet: nil, vpc: try values.id("vpc_id"), object: try values.id("route_table_id")),
          place: place))
    case .internetGateway:
      let record = GatewayRecord(vpc: try values.optionalID("vpc_id"))
      add(try values.id("id"), record, at: place, to: \.internetGateways)
    case .gatewayAttachment:
      gatewayAttachments[try values.id("internet_gateway_id")] = try values.id("vpc_id")
    case .natGateway: try readTerraformNATGateway(values, place)
    case .address, .addressAssociation: try readTerraformAddress(values, place)
    case .peering: try readTerraformPeering(values, place)
    case .prefixList: try readTerraformList(values, place)
    case .prefixListEntry:
      let entry = Sited(value: try values.required("cidr").prefix(), place: place)
      try addEntry(entry, to: values.id("prefix_list_id"))
    }
    return true
  }

  // MARK: VPCs, subnets, peerings

  private mutating func readTerraformVPC(_ values: Fields, _ place: Place) throws(Malformed) {
    let id = try values.id("id")
    var cidrs = [try values.required("cidr_block").prefix(.v4)]
    if try values.optionalText("ipv6_cidr_block") ?? "" != "" {
      cidrs.append(try values.required("ipv6_cidr_block").prefix(.v6))
    }
    add(id, VPCRecord(cidrs: cidrs), at: place, to: \.vpcs)
    if let table = try values.optionalID("main_route_table_id") {
      tableAssociations.append(
        Sited(value: Association(subnet: nil, vpc: id, object: table), place: place))
    }
    if let acl = try values.optionalID("default_network_acl_id") {
      aclAssociations.append(
        Sited(value: Association(subnet: nil, vpc: id, object: acl), place: place))
    }
  }

  private mutating func readBlock(_ values: Fields, _ name: String) throws(Malformed) {
    let block = try values.required(name)
    addedBlocks[try values.id("vpc_id"), default: []].append(
      Sited(value: try block.prefix(), place: block.place))
  }

  private mutating func readTerraformSubnet(_ values: Fields, _ place: Place) throws(Malformed) {
    var cidrs: [IPPrefix] = []
    for (name, family) in [("cidr_block", IPFamily.v4), ("ipv6_cidr_block", .v6)] {
      guard try values.optionalText(name) ?? "" != "" else { continue }
      cidrs.append(try values.required(name).prefix(family))
    }
    if cidrs.isEmpty { cidrs = [try values.required("cidr_block").prefix()] }
    let record = SubnetRecord(vpc: try values.id("vpc_id"), cidrs: cidrs)
    add(try values.id("id"), record, at: place, to: \.subnets)
  }

  private mutating func readTerraformPeering(_ values: Fields, _ place: Place) throws(Malformed) {
    let record = PeeringRecord(
      requester: PeerVPC(id: try values.id("vpc_id"), owner: nil, cidrs: []),
      accepter: PeerVPC(
        id: try values.id("peer_vpc_id"), owner: try values.optionalText("peer_owner_id"),
        cidrs: []),
      status: try values.optionalText("accept_status") ?? "active")
    add(try values.id("id"), record, at: place, to: \.peerings)
  }

  // MARK: Gateways and addresses

  private mutating func readTerraformNATGateway(
    _ values: Fields, _ place: Place
  ) throws(Malformed) {
    var record = NATGatewayRecord(
      vpc: nil, interfaces: [], isLive: true, publicAddresses: [])
    let subnet = try values.optionalID("subnet_id")
    if let interface = try values.optionalID("network_interface_id") {
      record.interfaces = [interface]
      // The state has no resource for the interface that AWS makes.
      if let subnet, let inside = try values["private_ip"]?.address() {
        var nic = InterfaceRecord(
          subnet: subnet, type: "nat_gateway", mac: nil, addresses: [inside], groups: [],
          sourceDestCheck: false, publicAddresses: [])
        if try values.optionalText("public_ip") ?? "" != "" {
          let outside = try values.required("public_ip").address()
          nic.publicAddresses = [PublicAddress(privateAddress: inside, publicAddress: outside)]
        }
        add(interface, nic, at: place, to: \.instanceInterfaces)
      }
    }
    add(try values.id("id"), record, at: place, to: \.natGateways)
  }

  private mutating func readTerraformAddress(_ values: Fields, _ place: Place) throws(Malformed) {
    guard try values.optionalText("public_ip") ?? "" != "" else { return }
    // An association may be a resource of its own: then the address itself shows it only later.
    guard let interface = try interfaceOfAddress(values) else { return }
    var inside: IPAddress?
    for name in ["private_ip", "private_ip_address"] {
      if try values.optionalText(name) ?? "" != "" { inside = try values[name]?.address() }
    }
    let record = ElasticAddressRecord(
      publicAddress: try values.required("public_ip").address(), interface: interface,
      privateAddress: inside)
    add(try values.id("allocation_id"), record, at: place, to: \.addresses)
  }

  private func interfaceOfAddress(_ values: Fields) throws(Malformed) -> String? {
    if let id = try values.optionalID("network_interface_id") { return id }
    return try values.optionalID("network_interface")
  }

  // MARK: Prefix lists

  private mutating func readTerraformList(_ values: Fields, _ place: Place) throws(Malformed) {
    let id = try values.id("id")
    let record = PrefixListRecord(name: try values.optionalText("name") ?? "")
    add(id, record, at: place, to: \.prefixLists)
    prefixListEntries[id] = prefixListEntries[id] ?? []
    for entry in try values.objects("entry") {
      addEntry(Sited(value: try entry.required("cidr").prefix(), place: entry.place), to: id)
    }
  }

  private mutating func addEntry(_ entry: Sited<IPPrefix>, to list: String) {
    prefixListEntries[list, default: []].append(entry)
  }
}
