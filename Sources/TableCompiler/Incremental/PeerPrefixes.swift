import VPCModel
import Wire

/// The prefixes behind what rules name: members of groups and entries of prefix lists.
struct PeerPrefixes: Sendable {
  private let interfaces: [NetworkInterface]
  private let members: [[IPPrefix]]
  private let lists: [[IPPrefix]]
  private let names: ModelNames
  /// What of the generation before has other prefixes now, by `RulePeer.key`.
  private var changes: [String: PeerChange] = [:]

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
      noteLists(since: previous)
      return
    }
    var members = [[IPPrefix]](repeating: [], count: model.securityGroups.count)
    for nic in model.networkInterfaces {
      let prefixes = nic.addresses.map { IPPrefix($0, length: $0.family.bitWidth) }
      for group in nic.securityGroups { members[Int(try names.groups[group])] += prefixes }
    }
    self.members = members
    guard let previous else { return }
    noteLists(since: previous)
    for (id, before) in zip(previous.names.groups.names, previous.members) {
      let now = (try? names.groups[id]).map { members[Int($0)] }
      note(.securityGroup(id), from: before, to: now)
    }
  }

  /// - Complexity: linear in the number of lists, and in the size of those that do not share their
  ///   prefixes with the ones before.
  private mutating func noteLists(since previous: PeerPrefixes) {
    for (id, before) in zip(previous.names.prefixLists.names, previous.lists) {
      let now = (try? names.prefixLists[id]).map { lists[Int($0)] }
      note(.prefixList(id), from: before, to: now)
    }
  }

  private mutating func note(_ peer: RulePeer, from before: [IPPrefix], to now: [IPPrefix]?) {
    var change = PeerChange(from: before, to: now ?? [])
    change.isGone = now == nil
    if !change.isEmpty, let key = peer.key { changes[key] = change }
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

  /// What a part of the generation before names and has other prefixes now.
  func changes(of part: RulePart) -> [String: PeerChange] {
    if changes.isEmpty { return [:] }
    var found: [String: PeerChange] = [:]
    for key in part.peers.keys {
      if let change = changes[key] { found[key] = change }
    }
    return found
  }

  /// Whether a part of the generation before names what has other prefixes now.
  func haveChanged(of part: RulePart) -> Bool {
    !changes.isEmpty && part.peers.keys.contains { changes[$0] != nil }
  }
}

/// How the prefixes behind a name differ from what they were.
struct PeerChange: Sendable {
  private(set) var removed: [IPPrefix] = []
  private(set) var added: [IPPrefix] = []
  /// What they are now.
  let prefixes: [IPPrefix]
  /// Whether nothing has the name any more.
  var isGone = false

  /// - Complexity: O(n) for n prefixes; constant when both are the same array.
  init(from before: [IPPrefix], to after: [IPPrefix]) {
    prefixes = after
    let range = ChangedRange(before, after)
    if range.isEmpty { return }
    let (old, new) = (before[range.old], after[range.new])
    if max(old.count, new.count) <= 8 {
      // One that is in the list twice is still there when one of the two went.
      removed = old.filter { !after.contains($0) }
      added = new.filter { !before.contains($0) }
    } else {
      let (all, known) = (Set(after), Set(before))
      removed = old.filter { !all.contains($0) }
      added = new.filter { !known.contains($0) }
    }
    removed = Self.once(removed)
    added = Self.once(added)
  }

  private static func once(_ prefixes: [IPPrefix]) -> [IPPrefix] {
    var seen: Set<IPPrefix> = []
    return prefixes.count < 2 ? prefixes : prefixes.filter { seen.insert($0).inserted }
  }

  /// Whether the prefixes are the same, perhaps in another order.
  var isEmpty: Bool { removed.isEmpty && added.isEmpty && !isGone }
}
