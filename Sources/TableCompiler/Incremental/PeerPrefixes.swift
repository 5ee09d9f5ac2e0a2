import VPCModel
import Wire

/// The prefixes behind what rules name: members of groups and entries of prefix lists.
struct PeerPrefixes: Sendable {
  private let interfaces: [NetworkInterface]
  private let members: [[IPPrefix]]
  private let lists: [[IPPrefix]]
  private let names: ModelNames

  /// - Parameter previous: whose arrays are taken where they would be the same, so that comparing
  ///   them is quick.
  /// - Complexity: O(members of all groups) when an interface is another one, else constant.
  init(
    _ model: VPCModel, _ names: ModelNames, after previous: PeerPrefixes?
  ) throws(TableCompilerError) {
    self.names = names
    interfaces = model.networkInterfaces
    lists = model.prefixLists.map(\.entries)
    if let previous, previous.interfaces == model.networkInterfaces,
      previous.names.groups.names == names.groups.names
    {
      members = previous.members
      return
    }
    var members = [[IPPrefix]](repeating: [], count: model.securityGroups.count)
    for nic in model.networkInterfaces {
      let prefixes = nic.addresses.map { IPPrefix($0, length: $0.family.bitWidth) }
      for group in nic.securityGroups { members[Int(try names.groups[group])] += prefixes }
    }
    self.members = members
  }

  /// The prefixes of a prefix list.
  func list(_ id: String) throws(TableCompilerError) -> [IPPrefix] {
    lists[Int(try names.prefixLists[id])]
  }

  /// The prefixes of all that a group's rules name, by `RulePeer.key`.
  ///
  /// - Parameter known: the group before, whose rules are not looked into when they name nothing.
  func peers(
    of group: SecurityGroup, after known: RulePart?
  ) throws(TableCompilerError) -> [String: [IPPrefix]] {
    var found: [String: [IPPrefix]] = [:]
    var before = SecurityGroup(id: "", vpc: "", ingress: [], egress: [])
    if case .group(let group) = known?.source, known?.peers.isEmpty ?? false { before = group }
    let bytes = MeaningfulBytes.ofSecurityGroupRule
    for index in ChangedRange(before.ingress, group.ingress, bytes: bytes).new {
      try add(group.ingress[index].peers, to: &found)
    }
    for index in ChangedRange(before.egress, group.egress, bytes: bytes).new {
      try add(group.egress[index].peers, to: &found)
    }
    return found
  }

  private func add(
    _ peers: [RulePeer], to found: inout [String: [IPPrefix]]
  ) throws(TableCompilerError) {
    for peer in peers {
      guard let key = peer.key, found[key] == nil else { continue }
      found[key] = try prefixes(peer)
    }
  }

  private func prefixes(_ peer: RulePeer) throws(TableCompilerError) -> [IPPrefix] {
    switch peer {
    case .cidr(let prefix): [prefix]
    case .securityGroup(let id): members[Int(try names.groups[id])]
    case .prefixList(let id): try list(id)
    }
  }

  /// Whether a part's rules name the same prefixes as when it was made.
  func areUnchanged(_ part: RulePart) throws(TableCompilerError) -> Bool {
    for (peer, prefixes) in part.peers {
      guard let current = current(peer), current == prefixes else { return false }
    }
    return true
  }

  private func current(_ key: String) -> [IPPrefix]? {
    let id = key.split(separator: " ", maxSplits: 1)
    guard id.count == 2 else { return nil }
    let name = String(id[1])
    return try? prefixes(id[0] == "group" ? .securityGroup(name) : .prefixList(name))
  }
}
