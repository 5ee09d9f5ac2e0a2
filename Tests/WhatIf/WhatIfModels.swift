import ReferenceModel
import VPCModel
import Wire

/// A model with many rules that fits a capture, and the same after some edits: what
/// `replay --against` is tried on.
///
/// The private addresses with the most packets are network interfaces, each with a group of its own
/// whose rules are made of the conversations that the capture has, so that rules decide them.
public struct WhatIfModels {
  public private(set) var today: VPCModel
  public private(set) var tomorrow: VPCModel
  /// What was edited, in words.
  public private(set) var edits: [String] = []

  /// A service of an interface: who asks for it, and at which port.
  private struct Service: Hashable {
    var protocolNumber: UInt8
    var port: UInt16
    /// The asking address, or the asked one.
    var peer: IPAddress
    var isIngress: Bool
  }

  private static let interfaces = 48
  private static let mappings = 400

  /// - Parameters:
  ///   - packets: of the capture.
  ///   - rules: of groups and network ACLs together.
  ///   - edits: how many places differ tomorrow.
  public init(_ packets: [ReferencePacket], rules: Int, edits count: Int, seed: UInt64 = 1) {
    var census: [IPAddress: Int] = [:]
    var services: [IPAddress: [Service: Int]] = [:]
    for packet in packets {
      guard let (source, flow) = packet.addressed else { continue }
      let target = flow.ends[0] == source ? flow.ends[1] : flow.ends[0]
      for end in flow.ends where Self.isPrivate(end.address) {
        census[end.address, default: 0] += 1
        // Who has the lower port is asked.
        let other = flow.ends[0].address == end.address ? flow.ends[1] : flow.ends[0]
        let service = Service(
          protocolNumber: flow.protocolNumber, port: min(source.port, target.port),
          peer: other.address, isIngress: end.port <= other.port)
        services[end.address, default: [:]][service, default: 0] += 1
      }
    }
    let residents = census.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    today = Self.network(residents)
    today.securityGroups = Self.groups(today, services, rules: rules - Self.aclRules)
    tomorrow = today
    var random = SeededRandom(seed: seed)
    for step in 0..<count { edit(step, services, &random) }
  }

  // MARK: Today

  private static func isPrivate(_ address: IPAddress) -> Bool {
    blocks.contains { $0.contains(address) && !isRouter(address, of: $0) }
  }

  /// The first address of a subnet after its own is the router's (AWS, "Subnet CIDR blocks").
  private static func isRouter(_ address: IPAddress, of subnet: IPPrefix) -> Bool {
    address.high == subnet.address.high && address.low == subnet.address.low + 1
  }

  private static let blocks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map(prefix)

  private static func prefix(_ text: String) -> IPPrefix {
    IPPrefix(text) ?? IPPrefix(IPAddress(v4: 0), length: 0)
  }

  private static let aclRules = 4

  private static func network(_ residents: [IPAddress]) -> VPCModel {
    var model = VPCModel()
    model.host = Host(
      address: IPAddress(v4: 0xC612_0001), mac: MACAddress(0x02_AA_00_00_00_01),
      gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
    model.vpcs = [VPC(id: "vpc", vni: 7, cidrs: blocks)]
    model.internetGateways = [
      InternetGateway(id: "igw", vpc: "vpc", host: IPAddress(v4: 0xC612_0002), vni: 8)
    ]
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc",
        routes: [Route(destination: .cidr(prefix("0.0.0.0/0")), target: .internetGateway("igw"))])
    ]
    func rule(_ name: String, _ number: Int, _ match: TrafficMatch, allow: Bool) -> NetworkACLRule {
      NetworkACLRule(
        id: "acl/\(name)/\(number)", number: number, allow: allow, match: match,
        cidr: prefix("0.0.0.0/0"))
    }
    let telnet = TrafficMatch(protocolNumber: 6, ports: [23...23])
    model.networkACLs = [
      NetworkACL(
        id: "acl", vpc: "vpc",
        ingress: [
          rule("ingress", 90, telnet, allow: false),
          rule("ingress", 100, TrafficMatch(protocolNumber: nil), allow: true),
        ],
        egress: [
          rule("egress", 90, telnet, allow: false),
          rule("egress", 100, TrafficMatch(protocolNumber: nil), allow: true),
        ])
    ]
    model.subnets = [
      Subnet(id: "subnet", vpc: "vpc", cidrs: blocks, routeTable: "rtb", networkACL: "acl")
    ]
    for (number, address) in residents.prefix(interfaces).enumerated() {
      var nic = NetworkInterface(
        id: "eni-\(number)", subnet: "subnet",
        mac: MACAddress(0x02_CC_00_00_00_00 | UInt64(number)), addresses: [address])
      nic.securityGroups = ["sg-\(number)"]
      nic.publicAddresses = [
        PublicAddress(
          privateAddress: address, publicAddress: IPAddress(v4: 0xCB00_7100 + UInt32(number)))
      ]
      model.networkInterfaces.append(nic)
    }
    for (number, address) in residents.dropFirst(interfaces).prefix(mappings).enumerated() {
      model.mappings.append(
        Mapping(
          vpc: "vpc", address: address, host: IPAddress(v4: 0xC612_0003 + UInt32(number % 5)),
          mac: MACAddress(0x02_DD_00_00_00_00 | UInt64(number))))
    }
    model.policy.midstream = .evaluate
    return model
  }

  /// Rules of what each interface does, the most packets first; three of four services have one.
  private static func groups(
    _ model: VPCModel, _ services: [IPAddress: [Service: Int]], rules: Int
  ) -> [SecurityGroup] {
    var groups = model.networkInterfaces.indices.map {
      SecurityGroup(id: "sg-\($0)", vpc: "vpc", ingress: [], egress: [])
    }
    var left = rules
    let wanted = model.networkInterfaces.map { nic in
      (services[nic.addresses[0]] ?? [:]).sorted { a, b in
        (a.value, b.key.port, b.key.peer) > (b.value, a.key.port, a.key.peer)
      }.map(\.key)
    }
    for place in 0..<(wanted.map(\.count).max() ?? 0) where place % 4 != 3 {
      for (index, list) in wanted.enumerated() where place < list.count && left > 0 {
        add(rule(list[place], number: rules - left), list[place].isIngress, to: &groups[index])
        left -= 1
      }
    }
    // What the capture is too small for: rules that nothing matches.
    for number in 0..<left {
      let service = Service(
        protocolNumber: 6, port: UInt16(20_000 + number),
        peer: IPAddress(v4: 0xC633_6400 + UInt32(number % 256)), isIngress: true)
      add(rule(service, number: rules - left + number), true, to: &groups[number % groups.count])
    }
    return groups
  }

  private static func add(
    _ rule: SecurityGroupRule, _ isIngress: Bool, to group: inout SecurityGroup
  ) {
    if isIngress { group.ingress.append(rule) } else { group.egress.append(rule) }
  }

  private static func rule(_ service: Service, number: Int) -> SecurityGroupRule {
    var match = TrafficMatch(protocolNumber: service.protocolNumber)
    if [6, 17, 132].contains(service.protocolNumber) {
      match.ports = [service.port...service.port]
    }
    let length = [8, 16, 24, 32][number % 4]
    return SecurityGroupRule(
      id: "rule-\(number)", match: match,
      peers: [.cidr(IPPrefix(service.peer, length: length))])
  }

  // MARK: Tomorrow

  private mutating func edit(
    _ step: Int, _ services: [IPAddress: [Service: Int]], _ random: inout SeededRandom
  ) {
    let index = random.number(0...max(0, tomorrow.securityGroups.count / 2 - 1))
    let group = tomorrow.securityGroups[index].id
    switch step % 5 {
    case 0 where !tomorrow.securityGroups[index].ingress.isEmpty:
      let rule = tomorrow.securityGroups[index].ingress.removeFirst()
      edits.append("\(group) without \(rule.id)")
    case 1 where !tomorrow.securityGroups[index].egress.isEmpty:
      let rule = tomorrow.securityGroups[index].egress.removeFirst()
      edits.append("\(group) without \(rule.id)")
    case 2:
      var match = TrafficMatch(protocolNumber: 17)
      match.ports = [1...65_535]
      tomorrow.securityGroups[index].ingress.append(
        SecurityGroupRule(id: "more-\(step)", match: match, peers: [.cidr(Self.blocks[step % 3])]))
      edits.append("\(group) with more-\(step)")
    case 3:
      let port = UInt16(random.pick([443, 80, 53, 5060]))
      let rule = NetworkACLRule(
        id: "acl/ingress/\(50 + step)", number: 50 + step, allow: false,
        match: TrafficMatch(protocolNumber: 6, ports: [port...port]),
        cidr: IPPrefix(IPAddress(v4: 0xC0A8_0000), length: 20))
      tomorrow.networkACLs[0].ingress.insert(rule, at: 0)
      tomorrow.networkACLs[0].ingress.sort { $0.number < $1.number }
      edits.append("acl denies port \(port)")
    default:
      let hole = IPPrefix(IPAddress(v4: UInt32(random.number(1...9)) << 28), length: 4)
      let route = Route(destination: .cidr(hole), target: .blackhole)
      if tomorrow.routeTables[0].routes.allSatisfy({ $0.destination != route.destination }) {
        tomorrow.routeTables[0].routes.append(route)
      }
      edits.append("rtb drops \(hole)")
    }
  }
}
