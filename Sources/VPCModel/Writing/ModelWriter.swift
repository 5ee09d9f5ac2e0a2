import Wire

/// Writes objects of a model as canonical JSON.
///
/// The text is one line, has the fields in the order of docs/model.md and leaves defaults out;
/// equal objects have equal texts. `ModelLoader` makes the same object of it again.
public enum ModelWriter {
  /// The JSON of one object, without the section it belongs to.
  ///
  /// - Parameter object: an object of a model that came from `ModelLoader`.
  /// - Complexity: O(n) in the size of the object.
  public static func json(_ object: ModelObject) -> String {
    switch object {
    case .host(let host): json(host)
    case .policy(let policy): json(policy)
    case .vpc(let vpc): json(vpc)
    case .subnet(let subnet): json(subnet)
    case .networkInterface(let nic): json(nic)
    case .securityGroup(let group): json(group)
    case .prefixList(let list): json(list)
    case .networkACL(let acl): json(acl)
    case .routeTable(let table): json(table)
    case .internetGateway(let gateway): json(gateway)
    case .peering(let peering): json(peering)
    case .mapping(let mapping): json(mapping)
    }
  }

  /// A whole model as one JSON document, an object a line.
  ///
  /// - Parameter left: sections that another file is to have.
  /// - Complexity: O(n) in the size of the model.
  public static func document(
    _ model: VPCModel, without left: Set<ModelSection> = []
  ) -> String {
    var sections: [String] = ["\"version\":1"]
    for section in ModelSection.allCases where !left.contains(section) {
      let objects = model.objects(in: section).map(json)
      switch section {
      case .host, .policy: sections += objects.map { "\"\(section.rawValue)\":\($0)" }
      default:
        if objects.isEmpty { continue }
        sections.append("\"\(section.rawValue)\":[\n\(objects.joined(separator: ",\n"))]")
      }
    }
    return "{" + sections.joined(separator: ",\n") + "}\n"
  }

  // MARK: Objects

  private static func json(_ host: Host) -> String {
    var object = JSONObject()
    object.add("address", host.address.description)
    object.add("mac", host.mac.description)
    object.add("gatewayMAC", host.gatewayMAC.description)
    if host.encapsulation != .geneve { object.add("encapsulation", host.encapsulation.rawValue) }
    if host.mtu != 1500 { object.add("mtu", host.mtu) }
    return object.closed
  }

  private static func json(_ policy: Policy) -> String {
    let standard = Policy()
    var object = JSONObject()
    if policy.midstream != standard.midstream {
      object.add("midstream", policy.midstream.rawValue)
    }
    if policy.onRuleChange != standard.onRuleChange {
      object.add("onRuleChange", policy.onRuleChange.rawValue)
    }
    return object.closed
  }

  private static func json(_ vpc: VPC) -> String {
    var object = JSONObject()
    object.add("id", vpc.id)
    object.add("vni", vpc.vni)
    object.add("cidrs", vpc.cidrs.map(\.description))
    return object.closed
  }

  private static func json(_ subnet: Subnet) -> String {
    var object = JSONObject()
    object.add("id", subnet.id)
    object.add("vpc", subnet.vpc)
    object.add("cidrs", subnet.cidrs.map(\.description))
    if let table = subnet.routeTable { object.add("routeTable", table) }
    if let acl = subnet.networkACL { object.add("networkACL", acl) }
    return object.closed
  }

  private static func json(_ list: PrefixList) -> String {
    var object = JSONObject()
    object.add("id", list.id)
    object.add("entries", list.entries.map(\.description))
    return object.closed
  }

  private static func json(_ gateway: InternetGateway) -> String {
    var object = JSONObject()
    object.add("id", gateway.id)
    object.add("vpc", gateway.vpc)
    object.add("host", gateway.host.description)
    object.add("vni", gateway.vni)
    return object.closed
  }

  private static func json(_ peering: Peering) -> String {
    var object = JSONObject()
    object.add("id", peering.id)
    object.add("vpcs", peering.vpcs)
    return object.closed
  }

  private static func json(_ mapping: Mapping) -> String {
    var object = JSONObject()
    object.add("vpc", mapping.vpc)
    object.add("address", mapping.address.description)
    object.add("host", mapping.host.description)
    object.add("mac", mapping.mac.description)
    return object.closed
  }
}
