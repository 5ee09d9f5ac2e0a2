/// Items of describe calls, in the shapes that the EC2 API reference publishes.
enum Shape {
  static func quoted(_ text: String) -> String { "\"\(text)\"" }

  static func list(_ items: [String]) -> String { "[\(items.joined(separator: ","))]" }

  static func vpc(_ id: String, _ cidrs: [String]) -> String {
    let sets = cidrs.map { cidr in
      let name = cidr.contains(":") ? "Ipv6CidrBlock" : "CidrBlock"
      return """
        {"AssociationId":"vpc-cidr-assoc-1","\(name)":"\(cidr)",\
        "\(name)State":{"State":"associated"}}
        """
    }
    let v6 = sets.filter { $0.contains("Ipv6") }
    let v4 = sets.filter { !$0.contains("Ipv6") }
    return """
      {"VpcId":"\(id)","CidrBlock":"\(cidrs[0])","State":"available","IsDefault":false,\
      "OwnerId":"111122223333","DhcpOptionsId":"dopt-1","InstanceTenancy":"default",\
      "CidrBlockAssociationSet":\(list(v4)),"Ipv6CidrBlockAssociationSet":\(list(v6))}
      """
  }

  static func subnet(_ id: String, _ vpc: String, _ cidr: String, v6: String? = nil) -> String {
    let set = v6.map {
      #"[{"AssociationId":"a","Ipv6CidrBlock":"\#($0)","Ipv6CidrBlockState":{"State":"associated"}}]"#
    }
    return """
      {"SubnetId":"\(id)","VpcId":"\(vpc)","CidrBlock":"\(cidr)","State":"available",\
      "AvailabilityZone":"us-east-1a","MapPublicIpOnLaunch":false,"Ipv6Native":false,\
      "Ipv6CidrBlockAssociationSet":\(set ?? "[]")}
      """
  }

  /// - Parameter addresses: IPv4, each maybe as `PRIVATE=PUBLIC`, and IPv6; the first is primary.
  static func interface(
    _ id: String, _ subnet: String, _ addresses: [String], groups: [String], check: Bool = true,
    type: String = "interface", more: String = ""
  ) -> String {
    let v4 = addresses.filter { !$0.contains(":") }.enumerated().map { index, text in
      let pair = text.split(separator: "=")
      let association =
        pair.count == 2
        ? #","Association":{"PublicIp":"\#(pair[1])","IpOwnerId":"amazon"}"# : ""
      return #"{"Primary":\#(index == 0),"PrivateIpAddress":"\#(pair[0])"\#(association)}"#
    }
    let v6 = addresses.filter { $0.contains(":") }.map { #"{"Ipv6Address":"\#($0)"}"# }
    let groups = groups.map { #"{"GroupName":"n","GroupId":"\#($0)"}"# }
    let mac = id.utf8.reduce(0) { ($0 &* 31 + UInt32($1)) & 0xFFFFFF }
    let octets = [mac >> 16, mac >> 8 & 255, mac & 255].map { octet in
      let text = String(octet, radix: 16)
      return text.count == 1 ? "0" + text : text
    }
    return """
      {"NetworkInterfaceId":"\(id)","SubnetId":"\(subnet)","InterfaceType":"\(type)",\
      "MacAddress":"0a:00:00:\(octets.joined(separator: ":"))","SourceDestCheck":\(check),\
      "Status":"in-use","Groups":\(list(groups)),"PrivateIpAddresses":\(list(v4)),\
      "Ipv6Addresses":\(list(v6))\(more.isEmpty ? "" : "," + more)}
      """
  }

  static func group(
    _ id: String, _ vpc: String, ingress: [String] = [], egress: [String] = [allowAll]
  ) -> String {
    """
    {"GroupId":"\(id)","GroupName":"\(id)","VpcId":"\(vpc)","OwnerId":"111122223333",\
    "Description":"d","IpPermissions":\(list(ingress)),"IpPermissionsEgress":\(list(egress))}
    """
  }

  /// What AWS gives a new group as egress.
  static let allowAll = permission("-1", from: ["0.0.0.0/0"])
  static let allowAll6 = permission("-1", from: ["::/0"])

  /// - Parameters:
  ///   - ports: first and last, or ICMP type and code.
  ///   - peers: CIDR blocks, prefix lists and groups.
  static func permission(
    _ number: String, _ ports: ClosedRange<Int>? = nil, icmp: (Int, Int)? = nil,
    from peers: [String], peering: String? = nil
  ) -> String {
    let v4 = peers.filter { $0.contains("/") && !$0.contains(":") }
    let v6 = peers.filter { $0.contains(":") }
    let lists = peers.filter { $0.hasPrefix("pl-") }
    let groups = peers.filter { $0.hasPrefix("sg-") }
    let link = peering.map { #","VpcPeeringConnectionId":"\#($0)","PeeringStatus":"active""# } ?? ""
    let ends = icmp ?? ports.map { ($0.lowerBound, $0.upperBound) }
    let range = ends.map { #","FromPort":\#($0.0),"ToPort":\#($0.1)"# } ?? ""
    let v4Ranges = list(v4.map { #"{"CidrIp":"\#($0)"}"# })
    let v6Ranges = list(v6.map { #"{"CidrIpv6":"\#($0)"}"# })
    let listIDs = list(lists.map { #"{"PrefixListId":"\#($0)"}"# })
    let pairs = list(groups.map { #"{"GroupId":"\#($0)","UserId":"111122223333"\#(link)}"# })
    return """
      {"IpProtocol":"\(number)"\(range),"IpRanges":\(v4Ranges),"Ipv6Ranges":\(v6Ranges),\
      "PrefixListIds":\(listIDs),"UserIdGroupPairs":\(pairs)}
      """
  }

  static func acl(
    _ id: String, _ vpc: String, isDefault: Bool = false, subnets: [String] = [],
    _ entries: [String]
  ) -> String {
    let associations = subnets.map {
      #"{"NetworkAclAssociationId":"a","NetworkAclId":"\#(id)","SubnetId":"\#($0)"}"#
    }
    let last = [
      entry(32767, "deny", "-1", "0.0.0.0/0"), entry(32768, "deny", "-1", "::/0"),
      entry(32767, "deny", "-1", "0.0.0.0/0", egress: true),
      entry(32768, "deny", "-1", "::/0", egress: true),
    ]
    return """
      {"NetworkAclId":"\(id)","VpcId":"\(vpc)","IsDefault":\(isDefault),\
      "Associations":\(list(associations)),"Entries":\(list(entries + last))}
      """
  }

  static func entry(
    _ number: Int, _ action: String, _ protocolNumber: String, _ cidr: String,
    ports: ClosedRange<Int>? = nil, icmp: (Int, Int)? = nil, egress: Bool = false
  ) -> String {
    let range =
      ports.map { #","PortRange":{"From":\#($0.lowerBound),"To":\#($0.upperBound)}"# } ?? ""
    let type = icmp.map { #","IcmpTypeCode":{"Type":\#($0.0),"Code":\#($0.1)}"# } ?? ""
    let block = cidr.contains(":") ? "Ipv6CidrBlock" : "CidrBlock"
    return """
      {"RuleNumber":\(number),"RuleAction":"\(action)","Protocol":"\(protocolNumber)",\
      "Egress":\(egress),"\(block)":"\(cidr)"\(range)\(type)}
      """
  }

  static func table(
    _ id: String, _ vpc: String, isMain: Bool = false, subnets: [String] = [],
    local: [String] = ["10.0.0.0/16"], _ routes: [String]
  ) -> String {
    var associations = subnets.map {
      """
      {"Main":false,"RouteTableAssociationId":"a","RouteTableId":"\(id)","SubnetId":"\($0)",\
      "AssociationState":{"State":"associated"}}
      """
    }
    if isMain {
      associations.append(
        #"{"Main":true,"RouteTableAssociationId":"m","RouteTableId":"\#(id)"}"#)
    }
    let own = local.map { route($0, "GatewayId", "local", origin: "CreateRouteTable") }
    return """
      {"RouteTableId":"\(id)","VpcId":"\(vpc)","PropagatingVgws":[],\
      "Associations":\(list(associations)),"Routes":\(list(own + routes))}
      """
  }

  static func route(
    _ destination: String, _ field: String, _ target: String, state: String = "active",
    origin: String = "CreateRoute"
  ) -> String {
    let name =
      destination.hasPrefix("pl-")
      ? "DestinationPrefixListId"
      : destination.contains(":") ? "DestinationIpv6CidrBlock" : "DestinationCidrBlock"
    return """
      {"\(name)":"\(destination)","\(field)":"\(target)","State":"\(state)","Origin":"\(origin)"}
      """
  }

  static func peering(
    _ id: String, _ requester: (String, String), _ accepter: (String, String),
    status: String = "active"
  ) -> String {
    func side(_ vpc: (String, String)) -> String {
      """
      {"VpcId":"\(vpc.0)","OwnerId":"111122223333","CidrBlock":"\(vpc.1)",\
      "CidrBlockSet":[{"CidrBlock":"\(vpc.1)"}],"Region":"us-east-1"}
      """
    }
    return """
      {"VpcPeeringConnectionId":"\(id)","Status":{"Code":"\(status)","Message":"m"},\
      "RequesterVpcInfo":\(side(requester)),"AccepterVpcInfo":\(side(accepter))}
      """
  }

  static func internetGateway(_ id: String, _ vpc: String?) -> String {
    let attachments = vpc.map { #"[{"State":"available","VpcId":"\#($0)"}]"# } ?? "[]"
    return #"{"InternetGatewayId":"\#(id)","Attachments":\#(attachments)}"#
  }

  static func natGateway(
    _ id: String, _ vpc: String, _ subnet: String, _ interface: String, _ inside: String,
    _ outside: String, state: String = "available"
  ) -> String {
    """
    {"NatGatewayId":"\(id)","VpcId":"\(vpc)","SubnetId":"\(subnet)","State":"\(state)",\
    "ConnectivityType":"public","NatGatewayAddresses":[{"NetworkInterfaceId":"\(interface)",\
    "PrivateIp":"\(inside)","PublicIp":"\(outside)","AllocationId":"eipalloc-1"}]}
    """
  }
}
