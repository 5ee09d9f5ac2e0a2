import VPCModel
import Wire

/// VPCs, subnets, peerings and gateways, as describe calls print them.
extension Inventory {
  mutating func readVPC(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("VpcId")
    var cidrs = try blocks(fields, "CidrBlockAssociationSet", "CidrBlock", .v4)
    if cidrs.isEmpty, let block = fields["CidrBlock"] { cidrs = [try block.prefix(.v4)] }
    cidrs += try blocks(fields, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock", .v6)
    add(id, VPCRecord(cidrs: cidrs.sorted(by: IPPrefix.isBefore)), at: item.place, to: \.vpcs)
    try noteBlockedGateways(fields, id)
  }

  mutating func readSubnet(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("SubnetId")
    var cidrs: [IPPrefix] = []
    // A subnet of IPv6 alone has no block of IPv4.
    if try fields.flag("Ipv6Native", default: false) == false {
      cidrs = [try fields.required("CidrBlock").prefix(.v4)]
    }
    cidrs += try blocks(fields, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock", .v6)
    let record = SubnetRecord(vpc: try fields.id("VpcId"), cidrs: cidrs)
    add(id, record, at: item.place, to: \.subnets)
    try noteBlockedGateways(fields, id)
  }

  /// Blocks that are associated now.
  private func blocks(
    _ fields: Fields, _ set: String, _ name: String, _ family: IPFamily
  ) throws(Malformed) -> [IPPrefix] {
    var blocks: [IPPrefix] = []
    for association in try fields.objects(set) {
      let state = try association[name + "State"]?.fields().optionalText("State") ?? "associated"
      guard state == "associated" || state == "associating" else { continue }
      blocks.append(try association.required(name).prefix(family))
    }
    return blocks
  }

  /// VPC Block Public Access, which refuses what groups, ACLs and routes allow.
  private mutating func noteBlockedGateways(_ fields: Fields, _ id: String) throws(Malformed) {
    guard let states = try fields["BlockPublicAccessStates"]?.fields(),
      let mode = try states.optionalText("InternetGatewayBlockMode"), mode != "off"
    else { return }
    findings.add(
      .unsupported, fields.place, id: id,
      "VPC Block Public Access (\(quote(mode))) is not part of the model: what it blocks is judged"
        + " as if it were off")
  }

  // MARK: Peerings

  mutating func readPeering(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("VpcPeeringConnectionId")
    let record = PeeringRecord(
      requester: try peer(fields.required("RequesterVpcInfo").fields()),
      accepter: try peer(fields.required("AccepterVpcInfo").fields()),
      status: try fields.required("Status").fields().required("Code").text())
    add(id, record, at: item.place, to: \.peerings)
  }

  private func peer(_ fields: Fields) throws(Malformed) -> PeerVPC {
    var cidrs: [IPPrefix] = []
    for block in try fields.objects("CidrBlockSet") {
      cidrs.append(try block.required("CidrBlock").prefix(.v4))
    }
    if cidrs.isEmpty, let block = fields["CidrBlock"] { cidrs = [try block.prefix(.v4)] }
    for block in try fields.objects("Ipv6CidrBlockSet") {
      cidrs.append(try block.required("Ipv6CidrBlock").prefix(.v6))
    }
    return PeerVPC(
      id: try fields.id("VpcId"), owner: try fields.optionalText("OwnerId"),
      cidrs: cidrs.sorted(by: IPPrefix.isBefore))
  }

  // MARK: Gateways and addresses

  mutating func readInternetGateway(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("InternetGatewayId")
    var vpc: String?
    for attachment in try fields.objects("Attachments") {
      let state = try attachment.optionalText("State") ?? "available"
      if ["available", "attached"].contains(state) { vpc = try attachment.id("VpcId") }
    }
    add(id, GatewayRecord(vpc: vpc), at: item.place, to: \.internetGateways)
  }

  mutating func readNATGateway(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("NatGatewayId")
    var record = NATGatewayRecord(
      vpc: try fields.optionalID("VpcId"), interfaces: [], isLive: true, publicAddresses: [])
    record.isLive = ["available", "pending"].contains(
      try fields.optionalText("State") ?? "available")
    for address in try fields.objects("NatGatewayAddresses") {
      guard let interface = try address.optionalID("NetworkInterfaceId") else { continue }
      if !record.interfaces.contains(interface) { record.interfaces.append(interface) }
      guard let inside = try address["PrivateIp"]?.address(),
        let outside = try address["PublicIp"]?.address()
      else { continue }
      record.publicAddresses.append(
        PublicAddress(privateAddress: inside, publicAddress: outside))
    }
    add(id, record, at: item.place, to: \.natGateways)
  }

  mutating func readAddress(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    for name in ["CarrierIp", "CustomerOwnedIp"] {
      guard let text = try fields.optionalText(name), !text.isEmpty else { continue }
      findings.add(
        .unsupported, item.place, id: text,
        "`\(name)`: the model knows public addresses of internet gateways only")
    }
    guard let text = try fields.optionalText("PublicIp"), !text.isEmpty else { return }
    let record = ElasticAddressRecord(
      publicAddress: try fields.required("PublicIp").address(),
      interface: try fields.optionalID("NetworkInterfaceId"),
      privateAddress: try fields["PrivateIpAddress"]?.address())
    add(try fields.optionalID("AllocationId") ?? text, record, at: item.place, to: \.addresses)
  }

  // MARK: Prefix lists

  /// A list without its entries, or, as `describe-prefix-lists` prints AWS's own, with them.
  mutating func readPrefixList(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("PrefixListId")
    let record = PrefixListRecord(name: try fields.optionalText("PrefixListName") ?? "")
    add(id, record, at: item.place, to: \.prefixLists)
    guard fields["Cidrs"] != nil else { return }
    var prefixes = prefixListEntries[id] ?? []
    var seen = Set(prefixes.map(\.value))
    for entry in try fields.items("Cidrs") {
      let prefix = Sited(value: try entry.prefix(), place: entry.place)
      if seen.insert(prefix.value).inserted { prefixes.append(prefix) }
    }
    prefixListEntries[id] = prefixes
  }
}

extension IPPrefix {
  /// IPv4 first, then by address and length.
  static func isBefore(_ a: IPPrefix, _ b: IPPrefix) -> Bool {
    if a.family != b.family { return a.family == .v4 }
    return (a.address, a.length) < (b.address, b.length)
  }
}
