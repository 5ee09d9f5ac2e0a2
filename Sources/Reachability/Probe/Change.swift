import VPCModel
import Wire

/// Something that a model would have to say for a packet to pass.
public struct Change: Sendable {
  /// What is missing, in words.
  public var words: String
  /// The object that the line belongs to, such as `securityGroups: sg-web, ingress`.
  public var place: String
  /// The line of YAML; words in capitals stand for what the model cannot know.
  public var yaml: String
  /// Makes the change in a model; nil when something about it is open.
  package var apply: (@Sendable (inout VPCModel) -> Void)?

  init(
    _ words: String, place: String, yaml: String,
    apply: (@Sendable (inout VPCModel) -> Void)? = nil
  ) {
    self.words = words
    self.place = place
    self.yaml = yaml
    self.apply = apply
  }
}

/// Finds the change that lets a refused packet pass the step that refused it.
struct Remedy {
  let directory: ModelDirectory
  var model: VPCModel { directory.model }

  /// What the refusal was about.
  struct Refusal {
    var reason: DropReason
    /// The rule that denied; empty for none.
    var rule: String
    var packet: ProbePacket
    /// Index of the network interface that refused; nil when none was found.
    var nic: Int?
    /// How the packet that is answered came.
    var cameFrom: Arrival?
  }

  func change(_ refusal: Refusal) -> Change? {
    guard let nic = refusal.nic else { return nil }
    switch refusal.reason {
    case .sgEgress: return groupRule(refusal.packet, nic, isEgress: true)
    case .sgIngress: return groupRule(refusal.packet, nic, isEgress: false)
    case .aclEgress: return aclRule(refusal, nic, isEgress: true)
    case .aclIngress: return aclRule(refusal, nic, isEgress: false)
    case .routeNone, .routeBlackhole, .routePeering: return route(refusal, nic)
    case .mappingNone: return missingMapping(refusal.packet.destination, from: nic)
    case .natNone:
      return Self.publicAddress(of: refusal.packet.source, directory.nic(nic), model)
    case .spoofIP where refusal.packet.source != refusal.packet.destination, .eniNone:
      return withoutCheck(nic)
    default: return nil
    }
  }

  // MARK: Groups

  private func groupRule(_ packet: ProbePacket, _ nic: Int, isEgress: Bool) -> Change {
    let interface = directory.nic(nic)
    guard let group = interface.securityGroups.last else { return newGroup(nic) }
    let remote = isEgress ? packet.destination : packet.source
    let prefix = IPPrefix(remote, length: remote.family.bitWidth)
    let match = Self.match(packet)
    let direction = isEgress ? "egress" : "ingress"
    let peer = isEgress ? "to" : "from"
    return Change(
      "no rule of \(interface.securityGroups.joined(separator: ", ")) of \(interface.id) lets"
        + " \(Self.text(match)) \(isEgress ? "out to" : "in from") \(remote)",
      place: "securityGroups: \(group), \(direction)",
      yaml: "- {\(Self.yaml(match)), \(peer): \(Self.quoted(prefix))}"
    ) { model in
      guard let index = model.securityGroups.firstIndex(where: { $0.id == group }) else { return }
      let rules = model.securityGroups[index]
      let number = isEgress ? rules.egress.count : rules.ingress.count
      let rule = SecurityGroupRule(
        id: "\(group)/\(direction)/new-\(number)", match: match, peers: [.cidr(prefix)])
      if isEgress {
        model.securityGroups[index].egress.append(rule)
      } else {
        model.securityGroups[index].ingress.append(rule)
      }
    }
  }

  private func newGroup(_ nic: Int) -> Change {
    let interface = directory.nic(nic)
    let vpc = directory.vpc(ofNIC: nic).id
    let id = "sg-\(interface.id)"
    return Change(
      "\(interface.id) has no security group, so nothing is allowed",
      place: "networkInterfaces: \(interface.id), and securityGroups",
      yaml: "securityGroups: [\(id)], and - {id: \(id), vpc: \(vpc), egress: []}"
    ) { model in
      model.securityGroups.append(SecurityGroup(id: id, vpc: vpc, ingress: [], egress: []))
      model.networkInterfaces[nic].securityGroups = [id]
    }
  }

  // MARK: Network ACLs

  private func aclRule(_ refusal: Refusal, _ nic: Int, isEgress: Bool) -> Change? {
    guard let acl = directory.acl(ofNIC: nic) else { return nil }
    let packet = refusal.packet
    let remote = isEgress ? packet.destination : packet.source
    let prefix = IPPrefix(remote, length: remote.family.bitWidth)
    let match = Self.match(packet)
    let direction = isEgress ? "egress" : "ingress"
    let rules = isEgress ? acl.egress : acl.ingress
    guard let number = Self.freeNumber(rules, before: refusal.rule) else { return nil }
    let denial = refusal.rule.isEmpty ? "the final rule" : refusal.rule
    return Change(
      "\(denial) of \(acl.id), of subnet \(directory.subnet(ofNIC: nic).id), denies"
        + " \(Self.text(match)) \(isEgress ? "out to" : "in from") \(remote)"
        + (packet.isAnswer ? "; an ACL is stateless, and answers need a rule too" : ""),
      place: "networkACLs: \(acl.id), \(direction)",
      yaml: "- {rule: \(number), action: allow, \(Self.yaml(match)), "
        + "cidr: \(Self.quoted(prefix))}"
    ) { model in
      guard let index = model.networkACLs.firstIndex(where: { $0.id == acl.id }) else { return }
      let rule = NetworkACLRule(
        id: "\(acl.id)/\(direction)/\(number)", number: number, allow: true, match: match,
        cidr: prefix)
      func insert(_ rules: inout [NetworkACLRule]) {
        rules.insert(rule, at: rules.firstIndex { $0.number > number } ?? rules.endIndex)
      }
      if isEgress {
        insert(&model.networkACLs[index].egress)
      } else {
        insert(&model.networkACLs[index].ingress)
      }
    }
  }

  /// A number that no rule has, before the rule that denied; nil when there is none.
  private static func freeNumber(_ rules: [NetworkACLRule], before denial: String) -> Int? {
    let taken = Set(rules.map(\.number))
    guard let index = rules.firstIndex(where: { $0.id == denial }) else {
      let next = ((rules.last?.number ?? 0) / 100 + 1) * 100
      if next <= 32766 { return next }
      return (1...32766).reversed().first { !taken.contains($0) }
    }
    let number = rules[index].number
    let previous = index > 0 ? rules[index - 1].number : 0
    let middle = previous + (number - previous) / 2
    if middle > previous && middle < number { return middle }
    return (1..<number).reversed().first { !taken.contains($0) }
  }

  // MARK: Addresses

  private func withoutCheck(_ nic: Int) -> Change {
    let id = directory.nic(nic).id
    return Change(
      "\(id) checks that packets are from or to its own addresses",
      place: "networkInterfaces: \(id)", yaml: "sourceDestCheck: false"
    ) { $0.networkInterfaces[nic].sourceDestCheck = false }
  }

  private func missingMapping(_ address: IPAddress, from nic: Int) -> Change {
    let vpcs = directory.near(directory.vpcOf[nic])
    let vpc = vpcs.first { directory.isInVPC($0, address) } ?? vpcs[0]
    return Self.mapping(of: address, in: model.vpcs[vpc].id)
  }

  static func mapping(of address: IPAddress, in vpc: String) -> Change {
    Change(
      "no network interface of this host and no mapping has \(address)", place: "mappings",
      yaml: "- {vpc: \(vpc), address: \(quoted(address)), host: HOST, mac: MAC}")
  }

  static func gateway(of vpc: String) -> Change {
    Change(
      "\(vpc) has no internet gateway", place: "internetGateways",
      yaml: "- {id: igw-\(vpc), vpc: \(vpc), host: HOST, vni: VNI}")
  }

  static func publicAddress(
    of address: IPAddress, _ nic: NetworkInterface, _ model: VPCModel
  ) -> Change? {
    guard let index = model.networkInterfaces.firstIndex(where: { $0.id == nic.id }),
      nic.addresses.contains(address)
    else { return nil }
    let taken = Set(model.networkInterfaces.flatMap { $0.publicAddresses.map(\.publicAddress) })
    // Of 198.18.0.0/15, which is nobody's (RFC 2544): whatever it will be, it is one of its own.
    let free = (0..<1 << 17).lazy.map { IPAddress(v4: 0xC612_0000 + $0) }
      .first { !taken.contains($0) }
    guard let free else { return nil }
    return Change(
      "\(address) of \(nic.id) has no public address for the internet gateway to put in its place",
      place: "networkInterfaces: \(nic.id)", yaml: "publicAddresses: {\(address): PUBLIC-ADDRESS}"
    ) { model in
      var pairs = model.networkInterfaces[index].publicAddresses
      pairs.append(PublicAddress(privateAddress: address, publicAddress: free))
      model.networkInterfaces[index].publicAddresses = pairs.sorted {
        $0.privateAddress < $1.privateAddress
      }
    }
  }

  // MARK: Text

  /// What a rule has to match: of answers over TCP or UDP all ports that ask.
  private static func match(_ packet: ProbePacket) -> TrafficMatch {
    let traffic = packet.traffic
    var match = TrafficMatch(protocolNumber: traffic.protocolNumber)
    if ProbeTraffic.hasPorts(traffic.protocolNumber) {
      let port = traffic.destinationPort
      match.ports = packet.isAnswer && port >= 1024 ? [1024...65_535] : [port...port]
    } else if traffic.isICMP(packet.source.family) {
      match.icmpType = traffic.icmpType
      match.icmpCode = traffic.icmpCode
    }
    return match
  }

  private static func ports(_ match: TrafficMatch) -> String {
    match.ports.map {
      $0.lowerBound == $0.upperBound ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
    }.joined(separator: ", ")
  }

  private static func text(_ match: TrafficMatch) -> String {
    let name = ProtocolText.name(match.protocolNumber ?? 0)
    if let type = match.icmpType { return "\(name) type \(type)" }
    if match.ports.isEmpty { return "protocol \(name)" }
    let isOne = match.ports.count == 1 && match.ports[0].count == 1
    return "\(name) \(isOne ? "port" : "ports") \(ports(match))"
  }

  private static func yaml(_ match: TrafficMatch) -> String {
    var text = "protocol: \(ProtocolText.name(match.protocolNumber ?? 0))"
    if !match.ports.isEmpty { text += ", ports: \(ports(match))" }
    if let type = match.icmpType, let code = match.icmpCode {
      text += ", type: \(type), code: \(code)"
    }
    return text
  }

  /// IPv6 stands in quotes: in YAML's short form a colon would end a key.
  static func quoted(_ prefix: IPPrefix) -> String {
    prefix.family == .v6 ? "\"\(prefix)\"" : "\(prefix)"
  }

  static func quoted(_ address: IPAddress) -> String {
    address.family == .v6 ? "\"\(address)\"" : "\(address)"
  }
}
