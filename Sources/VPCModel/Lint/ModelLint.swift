import Wire

/// Something in a valid model that is probably not meant.
public struct ModelWarning: Sendable, Hashable {
  public var rule: LintRule
  /// The id of the object or the name of the rule.
  public var object: String
  /// What is odd, as a sentence.
  public var message: String

  public init(_ rule: LintRule, _ object: String, _ message: String) {
    self.rule = rule
    self.object = object
    self.message = message
  }

  /// A stable name of the kind of warning, such as `acl-shadowed`.
  public var code: String { rule.rawValue }
}

extension ModelWarning: CustomStringConvertible {
  public var description: String { "\(object): \(message) (\(code))" }
}

/// Looks for what a valid model probably does not mean.
public enum ModelLint {
  /// The warnings about a model, by kind of object in the order of the model.
  ///
  /// `LintRule` has the kinds.
  ///
  /// - Parameter model: a model that came from `ModelLoader`.
  /// - Complexity: O(n log n) in the number of rules, routes and addresses.
  public static func warnings(_ model: VPCModel) -> [ModelWarning] {
    let context = LintContext(model)
    var warnings: [ModelWarning] = []
    warnings += hostWarnings(model)
    for nic in model.networkInterfaces { warnings += interfaceWarnings(nic) }
    for group in model.securityGroups {
      warnings += groupWarnings(group, context)
      warnings += openAdminPorts(group, context)
      warnings += redundantRules(group.ingress) + redundantRules(group.egress)
    }
    for list in model.prefixLists where !context.usedPrefixLists.contains(list.id) {
      warnings.append(unused(.prefixListUnused, list.id, "rule or route"))
    }
    for acl in model.networkACLs { warnings += aclWarnings(acl, context) + cutAnswers(acl) }
    for table in model.routeTables { warnings += routeWarnings(table, context) }
    warnings += oneWayRoutes(model, context)
    for mapping in model.mappings { warnings += mappingWarnings(mapping, model, context) }
    warnings += quotaNotes(model, context)
    return warnings
  }

  static func unused(_ rule: LintRule, _ object: String, _ user: String) -> ModelWarning {
    ModelWarning(rule, object, "No \(user) uses it.")
  }

  // MARK: Hosts, NICs, mappings

  private static func hostWarnings(_ model: VPCModel) -> [ModelWarning] {
    // The headers of a tunnel over IPv4 take 50 bytes; the loader refuses too little over IPv6.
    guard let host = model.host, host.address.family == .v4, host.mtu < 1330,
      model.subnets.contains(where: { $0.cidrs.contains { $0.family == .v6 } })
    else { return [] }
    let message =
      "An MTU of \(host.mtu) leaves IPv6 guests \(host.mtu - 50) bytes, less than the 1280"
      + " that IPv6 needs (RFC 8200 section 5)."
    return [ModelWarning(.mtuBelowIPv6Minimum, "host", message)]
  }

  private static func interfaceWarnings(_ nic: NetworkInterface) -> [ModelWarning] {
    var warnings: [ModelWarning] = []
    if nic.securityGroups.isEmpty {
      let message = "It has no security group, so nothing is allowed from or to it."
      warnings.append(ModelWarning(.nicWithoutGroups, nic.id, message))
    }
    let tracking = nic.connectionTracking
    // AWS, "Amazon EC2 security group connection tracking", idle timeouts.
    for (name, value, range) in [
      ("tcpEstablished", tracking.tcpEstablished, 60...432_000),
      ("udp", tracking.udp, 30...60),
      ("udpStream", tracking.udpStream, 60...180),
    ] as [(String, UInt64, ClosedRange<UInt64>)] {
      let second: UInt64 = 1_000_000_000
      let accepted = range.lowerBound * second...range.upperBound * second
      if accepted.contains(value) { continue }
      let message =
        "The timeout `\(name)` is outside the \(range.lowerBound) to \(range.upperBound)"
        + " seconds that AWS accepts."
      warnings.append(ModelWarning(.timeoutRange, nic.id, message))
    }
    if let burst = nic.limits.burst, burst < 1514 {
      let message = "A burst of \(burst) bytes never lets a full Ethernet frame of 1514 pass."
      warnings.append(ModelWarning(.burstTooSmall, nic.id, message))
    }
    return warnings
  }

  private static func mappingWarnings(
    _ mapping: Mapping, _ model: VPCModel, _ context: LintContext
  ) -> [ModelWarning] {
    let object = "\(mapping.vpc)/\(mapping.address)"
    var warnings: [ModelWarning] = []
    if let blocks = context.blocks[mapping.vpc], !blocks.contains(mapping.address) {
      let message = "The address is outside the CIDR blocks of `\(mapping.vpc)`."
      warnings.append(ModelWarning(.mappingOutsideVPC, object, message))
    }
    if mapping.host == model.host?.address {
      let message = "It says that the address is on this host, which has no such NIC."
      warnings.append(ModelWarning(.mappingToThisHost, object, message))
    }
    return warnings
  }
}

/// What several warnings look up.
struct LintContext {
  /// The CIDR blocks of each VPC.
  var blocks: [String: PrefixIndex] = [:]
  var ownBlocks: [String: Set<IPPrefix>] = [:]
  var prefixLists: [String: [IPPrefix]] = [:]
  var peerings: [String: [String]] = [:]
  var groupsWithMembers: Set<String> = []
  var groupsInRules: Set<String> = []
  var usedPrefixLists: Set<String> = []
  var usedACLs: Set<String> = []
  var usedRouteTables: Set<String> = []
  /// Network interfaces that get nothing but what is for their own addresses.
  var checkedNICs: Set<String> = []

  init(_ model: VPCModel) {
    for vpc in model.vpcs {
      blocks[vpc.id] = PrefixIndex(vpc.cidrs)
      ownBlocks[vpc.id] = Set(vpc.cidrs)
    }
    for list in model.prefixLists { prefixLists[list.id] = list.entries }
    for peering in model.peerings { peerings[peering.id] = peering.vpcs }
    for nic in model.networkInterfaces {
      groupsWithMembers.formUnion(nic.securityGroups)
      if nic.sourceDestCheck { checkedNICs.insert(nic.id) }
    }
    for subnet in model.subnets {
      if let acl = subnet.networkACL { usedACLs.insert(acl) }
      if let table = subnet.routeTable { usedRouteTables.insert(table) }
    }
    for group in model.securityGroups {
      for rule in group.ingress + group.egress { note(rule.peers) }
    }
    for table in model.routeTables {
      for route in table.routes {
        if case .prefixList(let id) = route.destination { usedPrefixLists.insert(id) }
      }
    }
  }

  private mutating func note(_ peers: [RulePeer]) {
    for peer in peers {
      switch peer {
      case .cidr: break
      case .securityGroup(let id): groupsInRules.insert(id)
      case .prefixList(let id): usedPrefixLists.insert(id)
      }
    }
  }
}
