import TestPackets
import VPCModel
import Wire

/// A model that says its generation in two places each: a packet needs both to be of the same one.
enum GenerationModel {
  enum Kind: CaseIterable {
    /// Allowed by the group of one generation alone: tells by which one it was judged.
    case one
    /// The group allows it in even generations, and the ACL in odd ones: never both.
    case groupEven, groupOdd
    /// The same with a route in place of the ACL.
    case routeEven, routeOdd
  }

  static func port(_ kind: Kind, _ generation: Int) -> Int {
    switch kind {
    case .one: 10_000 + generation
    case .groupEven: 1_000
    case .groupOdd: 1_001
    case .routeEven: 2_000
    case .routeOdd: 2_001
    }
  }

  static func generation(port: Int) -> Int? { port >= 10_000 ? port - 10_000 : nil }

  static func address(_ kind: Kind) -> Int {
    switch kind {
    case .one, .groupEven, .groupOdd: 0x0A00_0214
    case .routeEven: 0x0A01_0014
    case .routeOdd: 0x0A02_0014
    }
  }

  static func model(_ generation: Int) -> VPCModel {
    var model = LiveHost.model()
    let isEven = generation % 2 == 0
    model.vpcs[0].cidrs = [Compose.prefix("10.0.0.0/16")]
    model.subnets[0].routeTable = "rtb"
    model.subnets[0].networkACL = "acl"
    model.mappings.append(
      Mapping(
        vpc: "vpc", address: Compose.address("10.0.2.20"), host: Compose.address("192.0.2.2"),
        mac: LiveHost.remote))
    let all = Compose.prefix("0.0.0.0/0")
    func match(_ ports: Int...) -> TrafficMatch {
      TrafficMatch(protocolNumber: 17, ports: ports.map { UInt16($0)...UInt16($0) })
    }
    // A peer of /8 keeps connections tracked, so that caches and their generations count too.
    model.securityGroups[0].egress = [
      SecurityGroupRule(
        id: "one", match: match(port(.one, generation)),
        peers: [.cidr(Compose.prefix("10.0.0.0/8"))]),
      SecurityGroupRule(
        id: "other",
        match: match(
          port(isEven ? .groupEven : .groupOdd, 0), port(isEven ? .routeEven : .routeOdd, 0)),
        peers: [.cidr(Compose.prefix("10.0.0.0/8"))]),
    ]
    model.securityGroups[0].ingress = []
    model.networkACLs = [
      NetworkACL(
        id: "acl", vpc: "vpc", ingress: [],
        egress: [
          NetworkACLRule(
            id: "acl/1", number: 1, allow: false,
            match: match(port(isEven ? .groupEven : .groupOdd, 0)), cidr: all),
          NetworkACLRule(id: "acl/2", number: 2, allow: true, match: TrafficMatch(), cidr: all),
        ])
    ]
    model.internetGateways = [
      InternetGateway(id: "igw", vpc: "vpc", host: Compose.address("192.0.2.3"), vni: 9)
    ]
    model.networkInterfaces[0].publicAddresses = [
      PublicAddress(
        privateAddress: Compose.address("10.0.1.10"), publicAddress: Compose.address("203.0.113.9"))
    ]
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc",
        routes: [
          Route(
            destination: .cidr(Compose.prefix("10.1.0.0/16")),
            target: isEven ? .blackhole : .internetGateway("igw")),
          Route(
            destination: .cidr(Compose.prefix("10.2.0.0/16")),
            target: isEven ? .internetGateway("igw") : .blackhole),
        ])
    ]
    model.policy.onRuleChange = .cut
    return model
  }
}
