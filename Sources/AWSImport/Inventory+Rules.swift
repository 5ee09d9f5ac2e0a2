import VPCModel
import Wire

/// Security groups and network ACLs, as describe calls print them.
extension Inventory {
  mutating func readGroup(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("GroupId")
    let record = GroupRecord(
      vpc: try fields.id("VpcId"),
      ingress: try permissions(fields.required("IpPermissions")),
      egress: try permissions(fields.required("IpPermissionsEgress")))
    add(id, record, at: item.place, to: \.groups)
  }

  private func permissions(_ list: Value) throws(Malformed) -> [Sited<Permission>] {
    var permissions: [Sited<Permission>] = []
    for item in try list.items() {
      let fields = try item.fields()
      let match = try AWSMatch.ofGroupRule(fields)
      func add(_ peer: Permission.Peer, _ place: Place) {
        permissions.append(Sited(value: Permission(match: match, peer: peer), place: place))
      }
      for range in try fields.objects("IpRanges") {
        add(.cidr(try range.required("CidrIp").prefix(.v4)), range.place)
      }
      for range in try fields.objects("Ipv6Ranges") {
        add(.cidr(try range.required("CidrIpv6").prefix(.v6)), range.place)
      }
      for list in try fields.objects("PrefixListIds") {
        add(.prefixList(try list.id("PrefixListId")), list.place)
      }
      for group in try fields.objects("UserIdGroupPairs") {
        add(try peer(group), group.place)
      }
    }
    return permissions
  }

  private func peer(_ group: Fields) throws(Malformed) -> Permission.Peer {
    .group(
      try group.id("GroupId"), vpc: try group.optionalID("VpcId"),
      peering: try group.optionalID("VpcPeeringConnectionId"))
  }

  mutating func readGroupRule(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("SecurityGroupRuleId")
    let peer: Permission.Peer
    if let range = fields["CidrIpv4"] {
      peer = .cidr(try range.prefix(.v4))
    } else if let range = fields["CidrIpv6"] {
      peer = .cidr(try range.prefix(.v6))
    } else if let list = try fields.optionalID("PrefixListId") {
      peer = .prefixList(list)
    } else {
      peer = try self.peer(fields.required("ReferencedGroupInfo").fields())
    }
    let rule = GroupRule(
      id: id, group: try fields.id("GroupId"),
      isEgress: try fields.required("IsEgress").flag(),
      permission: Permission(match: try AWSMatch.ofGroupRule(fields), peer: peer))
    add(id, rule, at: item.place, to: \.namedRules)
  }

  // MARK: Network ACLs

  mutating func readACL(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("NetworkAclId")
    let vpc = try fields.id("VpcId")
    var entries: [Sited<ACLEntry>] = []
    for entry in try fields.required("Entries").items() {
      if let entry = try aclEntry(entry) { entries.append(entry) }
    }
    let record = ACLRecord(
      vpc: vpc, isDefault: try fields.flag("IsDefault", default: false), entries: entries)
    add(id, record, at: item.place, to: \.acls)
    if record.isDefault {
      aclAssociations.append(
        Sited(value: Association(subnet: nil, vpc: vpc, object: id), place: item.place))
    }
    for association in try fields.objects("Associations") {
      let subnet = try association.id("SubnetId")
      aclAssociations.append(
        Sited(value: Association(subnet: subnet, vpc: vpc, object: id), place: association.place))
    }
  }

  /// A rule; nil for the final deny that AWS shows as the last of each family.
  private func aclEntry(_ item: Value) throws(Malformed) -> Sited<ACLEntry>? {
    let fields = try item.fields()
    let number = try fields.required("RuleNumber").number(1...32768)
    let action = try fields.required("RuleAction").text()
    guard action == "allow" || action == "deny" else {
      throw Malformed(
        place: item.place, reason: "`RuleAction` must be allow or deny, not \(quote(action))")
    }
    if number > 32766 {
      if action == "deny" { return nil }
      throw Malformed(place: item.place, reason: "rule \(number) is AWS's final deny")
    }
    let cidr: IPPrefix
    if let range = fields["CidrBlock"] {
      cidr = try range.prefix(.v4)
    } else {
      cidr = try fields.required("Ipv6CidrBlock").prefix(.v6)
    }
    let entry = ACLEntry(
      number: number, isEgress: try fields.required("Egress").flag(), allow: action == "allow",
      match: try AWSMatch.ofACLEntry(fields), cidr: cidr)
    return Sited(value: entry, place: item.place)
  }
}
