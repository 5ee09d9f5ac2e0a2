/// A kind of thing that a valid model probably does not mean.
///
/// The raw values are stable: scripts and code review tools name them.
public enum LintRule: String, Sendable, CaseIterable {
  case aclCutsAnswers = "acl-cuts-answers"
  case aclShadowed = "acl-shadowed"
  case aclUnused = "acl-unused"
  case adminPortOpen = "admin-port-open"
  case burstTooSmall = "burst-too-small"
  case groupUnused = "group-unused"
  case mappingOutsideVPC = "mapping-outside-vpc"
  case mappingToThisHost = "mapping-to-this-host"
  case mtuBelowIPv6Minimum = "mtu-below-ipv6-minimum"
  case nicWithoutGroups = "nic-without-groups"
  case prefixListUnused = "prefix-list-unused"
  case quotaExceeded = "quota-exceeded"
  case routeBlackHole = "route-black-hole"
  case routeInsideVPC = "route-inside-vpc"
  case routeOneWay = "route-one-way"
  case routeOutsidePeer = "route-outside-peer"
  case routeTableUnused = "route-table-unused"
  case routeToCheckedNIC = "route-to-checked-nic"
  case routeUnreachable = "route-unreachable"
  case ruleNeverMatches = "rule-never-matches"
  case ruleRedundant = "rule-redundant"
  case timeoutRange = "timeout-range"

  /// How much it matters.
  public enum Severity: String, Sendable {
    /// Traffic that somebody counts on is refused, or more is allowed than was meant.
    case warning
    /// Without effect, or a limit of AWS that Apus does not have.
    case note
  }

  public var severity: Severity {
    switch self {
    case .aclUnused, .groupUnused, .prefixListUnused, .routeTableUnused: .note
    case .ruleRedundant, .routeBlackHole, .quotaExceeded: .note
    default: .warning
    }
  }

  /// What it is, in a sentence.
  public var summary: String {
    switch self {
    case .aclCutsAnswers: "A network ACL lets requests pass and not their answers."
    case .aclShadowed: "Earlier rules of the network ACL decide every packet the rule matches."
    case .aclUnused: "No subnet uses the network ACL."
    case .adminPortOpen: "A port for remote administration is open to everybody."
    case .burstTooSmall: "The bucket cannot pay for a full frame."
    case .groupUnused: "No network interface or rule uses the security group."
    case .mappingOutsideVPC: "The mapped address is outside the VPC's CIDR blocks."
    case .mappingToThisHost: "The mapping leads to this host, which has no such interface."
    case .mtuBelowIPv6Minimum: "IPv6 guests would get less than 1280 bytes."
    case .nicWithoutGroups: "Nothing is allowed from or to the network interface."
    case .prefixListUnused: "No rule or route uses the prefix list."
    case .quotaExceeded: "AWS's default quota is lower."
    case .routeBlackHole: "The route drops what takes it."
    case .routeInsideVPC: "The route takes addresses out of the VPC's own range."
    case .routeOneWay: "The peered VPC has no route back."
    case .routeOutsidePeer: "The peered VPC has none of the route's addresses."
    case .routeTableUnused: "No subnet uses the route table."
    case .routeToCheckedNIC: "The interface drops what is not for its own addresses."
    case .routeUnreachable: "No packet takes the route."
    case .ruleNeverMatches: "No packet matches the rule."
    case .ruleRedundant: "Other rules of the group allow everything that it allows."
    case .timeoutRange: "The timeout is outside the range that AWS accepts."
    }
  }
}
