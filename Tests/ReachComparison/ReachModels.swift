import ReferenceModel
import VPCModel
import Wire

/// Random models: those of the reference model's generator, without limits and with more of what
/// reachability depends on.
public enum ReachModels {
  public static func model(seed: UInt64) -> VPCModel {
    var model = Generator.scenario(seed: seed, packets: 0).model
    var random = SeededRandom(seed: seed ^ 0x5EAC_4000)
    for index in model.networkInterfaces.indices {
      model.networkInterfaces[index].limits = Limits()
    }
    if random.one(in: 2) { addAnswerRules(&model, &random) }
    if random.one(in: 2) { addRoutes(&model, &random) }
    if random.one(in: 3) { addPublicAddresses(&model) }
    if random.one(in: 3) { addListRoutes(&model, &random) }
    if random.one(in: 4) { openGroup(&model, &random) }
    if random.one(in: 8) {
      model.peerings = []
      dropPeeringRoutes(&model)
    }
    return model
  }

  private static func prefix(_ text: String) -> IPPrefix {
    IPPrefix(text) ?? IPPrefix(IPAddress(v4: 0), length: 0)
  }

  /// ACLs that let answers through to some ports and addresses only.
  private static func addAnswerRules(_ model: inout VPCModel, _ random: inout SeededRandom) {
    let cidrs = ["0.0.0.0/0", "::/0", "10.0.0.0/9", "198.51.100.64/26", "10.0.1.10/32", "fd00::/8"]
    for acl in model.networkACLs.indices {
      func rules(_ direction: String, _ random: inout SeededRandom) -> [NetworkACLRule] {
        (1...random.number(2...5)).map { step in
          var match = TrafficMatch(protocolNumber: random.pick([6, 17, 132, nil], else: 6))
          if match.protocolNumber != nil {
            match.ports = random.pick(
              [[1024...65_535], [32_768...60_999], [53...53], []], else: [])
          }
          let number = step * 10 - 5
          return NetworkACLRule(
            id: "\(model.networkACLs[acl].id)/\(direction)/\(number)", number: number,
            allow: !random.one(in: 3), match: match, cidr: prefix(random.pick(cidrs, else: "::/0")))
        }
      }
      let (ingress, egress) = (rules("ingress", &random), rules("egress", &random))
      model.networkACLs[acl].ingress = (model.networkACLs[acl].ingress + ingress)
        .sorted { $0.number < $1.number }
      model.networkACLs[acl].egress = (model.networkACLs[acl].egress + egress)
        .sorted { $0.number < $1.number }
    }
  }

  /// Routes to interfaces and gateways that overlap others, also within the VPC.
  private static func addRoutes(_ model: inout VPCModel, _ random: inout SeededRandom) {
    let ids = model.networkInterfaces.map(\.id)
    for (index, gateway) in ["igw-1", "igw-2"].enumerated() where index < model.routeTables.count {
      let routes: [(String, RouteTarget)] = [
        ("198.51.100.0/25", .networkInterface(random.pick(ids, else: ""))),
        ("10.0.2.10/32", .networkInterface(random.pick(ids, else: ""))),
        ("10.9.1.0/25", .networkInterface(random.pick(ids, else: ""))),
        ("203.0.113.128/25", .internetGateway(gateway)),
        ("10.0.2.128/25", .internetGateway(gateway)),
        ("2001:db8:1::/49", .networkInterface(random.pick(ids, else: ""))),
        ("fd00:10:0:2::20/128", .blackhole), ("0.0.0.0/1", .blackhole),
      ]
      let own = model.routeTables[index].vpc
      for (text, target) in routes where random.one(in: 2) {
        if case .networkInterface(let id) = target, vpc(of: id, model) != own { continue }
        model.routeTables[index].routes.append(
          Route(destination: .cidr(prefix(text)), target: target))
      }
    }
  }

  /// Two lists with the same entry: the first route of the table wins.
  private static func addListRoutes(_ model: inout VPCModel, _ random: inout SeededRandom) {
    for id in ["pl-one", "pl-two"] {
      model.prefixLists.append(
        PrefixList(id: id, entries: [prefix("198.51.100.128/26"), prefix("2001:db8:1::/50")]))
    }
    for (index, gateway) in ["igw-1", "igw-2"].enumerated() where index < model.routeTables.count {
      let isFirst = random.one(in: 2)
      let targets: [RouteTarget] = [.blackhole, .internetGateway(gateway)]
      for (place, id) in ["pl-one", "pl-two"].enumerated() {
        model.routeTables[index].routes.append(
          Route(
            destination: .prefixList(id), target: targets[(place + (isFirst ? 0 : 1)) % 2]))
      }
    }
  }

  private static func vpc(of nic: String, _ model: VPCModel) -> String? {
    let subnet = model.networkInterfaces.first { $0.id == nic }?.subnet
    return model.subnets.first { $0.id == subnet }?.vpc
  }

  private static func addPublicAddresses(_ model: inout VPCModel) {
    for index in model.networkInterfaces.indices {
      let own = model.networkInterfaces[index].addresses.filter { $0.family == .v4 }
      model.networkInterfaces[index].publicAddresses = own.enumerated().map { place, address in
        PublicAddress(
          privateAddress: address,
          publicAddress: IPAddress(v4: 0xCB00_7180 + UInt32(index * 4 + place)))
      }.sorted { $0.privateAddress < $1.privateAddress }
    }
  }

  /// Both directions open to everybody: untracked flows.
  private static func openGroup(_ model: inout VPCModel, _ random: inout SeededRandom) {
    let group = random.number(0...model.securityGroups.count - 1)
    let everything: [RulePeer] = [.cidr(prefix("0.0.0.0/0")), .cidr(prefix("::/0"))]
    let rule = SecurityGroupRule(
      id: "open", match: TrafficMatch(protocolNumber: random.pick([nil, 6, 17], else: nil)),
      peers: everything)
    model.securityGroups[group].egress.append(rule)
  }

  private static func dropPeeringRoutes(_ model: inout VPCModel) {
    for index in model.routeTables.indices {
      model.routeTables[index].routes.removeAll {
        if case .peering = $0.target { true } else { false }
      }
    }
  }
}
