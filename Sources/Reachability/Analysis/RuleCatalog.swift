import VPCModel
import Wire

/// What rules allow, by remote address.
typealias AllowedServices = IntervalMap<UInt128, ServiceSet>

/// The sets of all groups and network ACLs that are asked about, each made once.
final class RuleCatalog {
  private let directory: ModelDirectory
  private var groups: [GroupKey: AllowedServices] = [:]
  private var unions: [UnionKey: AllowedServices] = [:]
  private var points: [PointKey: ServiceSet] = [:]
  private var acls: [GroupKey: AllowedServices] = [:]

  private struct GroupKey: Hashable {
    var id: String
    var isEgress: Bool
    var family: IPFamily
  }

  private struct PointKey: Hashable {
    var ids: [String]
    var isEgress: Bool
    var remote: IPAddress
  }

  private struct UnionKey: Hashable {
    var ids: [String]
    var isEgress: Bool
    var family: IPFamily
  }

  init(_ directory: ModelDirectory) { self.directory = directory }

  /// What the groups of a network interface allow together.
  ///
  /// - Complexity: O(n log n) in rules and peers of the groups, when asked first.
  func groups(of nic: Int, isEgress: Bool, _ family: IPFamily) -> AllowedServices {
    let ids = directory.nic(nic).securityGroups
    let key = UnionKey(ids: ids, isEgress: isEgress, family: family)
    if let known = unions[key] { return known }
    let union = AllowedServices.merged(
      ids.map { group($0, isEgress: isEgress, family) }, empty: .empty
    ) { $0.union($1) }
    unions[key] = union
    return union
  }

  /// What the groups of a network interface allow with one remote address.
  ///
  /// - Complexity: O(g log n) for g groups whose sets are there.
  func groups(of nic: Int, isEgress: Bool, remote: IPAddress) -> ServiceSet {
    let ids = directory.nic(nic).securityGroups
    let key = PointKey(ids: ids, isEgress: isEgress, remote: remote)
    if let known = points[key] { return known }
    let union = ids.reduce(ServiceSet.empty) { union, id in
      union.union(group(id, isEgress: isEgress, remote.family).value(at: remote.number))
    }
    points[key] = union
    return union
  }

  private func group(_ id: String, isEgress: Bool, _ family: IPFamily) -> AllowedServices {
    let key = GroupKey(id: id, isEgress: isEgress, family: family)
    if let known = groups[key] { return known }
    let rules = directory.groups[id].map { isEgress ? $0.egress : $0.ingress } ?? []
    let sets = rules.map { rule in
      let services = Service.set(rule.match, family)
      let addresses = AddressSet(family, rule.peers.flatMap { directory.prefixes(of: $0) })
      return addresses.numbers.map { $0 ? services : .empty }
    }
    let union = AllowedServices.merged(sets, empty: .empty) { $0.union($1) }
    groups[key] = union
    return union
  }

  private enum Decision: UInt8, Hashable, Sendable { case open, allow, deny }

  /// What the network ACL of an interface's subnet lets over the subnet's edge, and everything
  /// within the subnet.
  ///
  /// - Complexity: O(n log n) in the rules, when asked first.
  func acl(of nic: Int, isEgress: Bool, _ family: IPFamily) -> AllowedServices {
    let subnet = directory.subnet(ofNIC: nic)
    let key = GroupKey(id: subnet.id, isEgress: isEgress, family: family)
    if let known = acls[key] { return known }
    guard let acl = directory.acl(ofNIC: nic) else {
      return AllowedServices(.everything)
    }
    // The first rule that matches decides, and "the first of two" is associative.
    typealias Decisions = IntervalMap<UInt32, Decision>
    let rules = (isEgress ? acl.egress : acl.ingress).filter { $0.cidr.family == family }
    let layers = rules.map { rule in
      let services = Service.set(rule.match, family)
      let decisions = services.map { $0 ? (rule.allow ? .allow : .deny) : Decision.open }
      return IntervalMap<UInt128, Decisions>(
        rule.cidr.range, decisions, outside: Decisions(.open))
    }
    let decided = IntervalMap<UInt128, Decisions>.merged(layers, empty: Decisions(.open)) {
      $0.combined(with: $1) { first, second in first == .open ? second : first }
    }
    let inside = AddressSet(family, subnet.cidrs)
    let allowed = decided.map { $0.map { $0 == .allow } }
      .combined(with: inside.numbers) { $1 ? ServiceSet.everything : $0 }
    acls[key] = allowed
    return allowed
  }
}
