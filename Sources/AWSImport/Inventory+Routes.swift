import VPCModel
import Wire

/// Route tables, as `describe-route-tables` prints them.
extension Inventory {
  mutating func readRouteTable(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("RouteTableId")
    let vpc = try fields.id("VpcId")
    var routes: [Sited<RouteRecord>] = []
    for route in try fields.required("Routes").items() {
      routes.append(Sited(value: try self.route(route.fields()), place: route.place))
    }
    add(id, TableRecord(vpc: vpc, routes: routes), at: item.place, to: \.tables)
    for association in try fields.objects("Associations") {
      try readAssociation(association, table: id, vpc: vpc)
    }
  }

  private mutating func readAssociation(
    _ fields: Fields, table: String, vpc: String
  ) throws(Malformed) {
    let state = try fields["AssociationState"]?.fields().optionalText("State") ?? "associated"
    guard state == "associated" || state == "associating" else { return }
    if let gateway = try fields.optionalID("GatewayId") {
      findings.add(
        .unsupported, fields.place, id: table,
        "is also the route table of the gateway \(gateway): the model routes no packets that come"
          + " in from a gateway, they go to their destination")
      return
    }
    let subnet = try fields.optionalID("SubnetId")
    let isMain = try fields.flag("Main", default: false)
    guard subnet != nil || isMain else { return }
    tableAssociations.append(
      Sited(value: Association(subnet: subnet, vpc: vpc, object: table), place: fields.place))
  }

  private func route(_ fields: Fields) throws(Malformed) -> RouteRecord {
    let destination: RouteDestination
    if let range = fields["DestinationCidrBlock"] {
      destination = .cidr(try range.prefix(.v4))
    } else if let range = fields["DestinationIpv6CidrBlock"] {
      destination = .cidr(try range.prefix(.v6))
    } else {
      destination = .prefixList(try fields.id("DestinationPrefixListId"))
    }
    return RouteRecord(
      destination: destination, target: try target(fields),
      isBlackhole: try fields.optionalText("State") == "blackhole",
      isPropagated: try fields.optionalText("Origin") == "EnableVgwRoutePropagation")
  }

  /// Fields of targets that the model has nothing for.
  private static let others: [(field: String, kind: String)] = [
    ("TransitGatewayId", "a transit gateway"),
    ("EgressOnlyInternetGatewayId", "an egress-only internet gateway"),
    ("LocalGatewayId", "a local gateway"), ("CarrierGatewayId", "a carrier gateway"),
    ("CoreNetworkArn", "a core network"), ("OdbNetworkArn", "an Oracle Database network"),
    ("IpAddress", "an address that a route server names"),
  ]

  private func target(_ fields: Fields) throws(Malformed) -> RouteRecord.Target {
    if let id = try fields.optionalText("GatewayId"), !id.isEmpty {
      return id == "local" ? .local : .gateway(try fields.id("GatewayId"))
    }
    if let id = try fields.optionalID("NatGatewayId") { return .natGateway(id) }
    if let id = try fields.optionalID("VpcPeeringConnectionId") { return .peering(id) }
    if let id = try fields.optionalID("NetworkInterfaceId") { return .interface(id) }
    if let id = try fields.optionalID("InstanceId") { return .instance(id) }
    for (field, kind) in Self.others {
      if let id = try fields.optionalText(field), !id.isEmpty { return .other(kind, id: id) }
    }
    // A black hole keeps no target when that is gone.
    if try fields.optionalText("State") == "blackhole" { return .none }
    let known: Set = ["State", "Origin", "InstanceOwnerId"]
    let names = fields.names.filter { !known.contains($0) && !$0.hasPrefix("Destination") }
    throw Malformed(
      place: fields.place,
      reason: "has no target that is known"
        + (names.isEmpty ? "" : "; it has " + names.map { "`\($0)`" }.joined(separator: ", ")))
  }
}
