import Tables
import Wire

extension Worker {
  /// The first rule of the NIC's groups, in the NIC's and then the group's order, that allows the
  /// packet; 0 when none does.
  ///
  /// - Complexity: O(groups of the NIC); the number of rules does not matter.
  mutating func groupStep(
    _ context: borrowing PacketContext, _ direction: Direction, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> UInt32 {
    var skipped: UInt32 = 0
    if context.firstGroupRule != .none {
      if context.firstGroupRule != 0 {
        note(.groupAllows, UInt64(context.firstGroupRule))
        return context.firstGroupRule
      }
      skipped = 1
    }
    return firstRule(
      direction, context.headers.family,
      high: direction == .egress ? context.headers.destinationHigh : context.headers.sourceHigh,
      low: direction == .egress ? context.headers.destinationLow : context.headers.sourceLow,
      key: context.headers.ruleKey, nic: nic, skipping: skipped, tables)
  }

  /// The same for a remote address and a rule key.
  ///
  /// - Parameter skipped: groups at the beginning that are known to say nothing.
  @inline(__always)
  private mutating func firstRule(
    _ direction: Direction, _ family: IPFamily, high: UInt64, low: UInt64, key: UInt32,
    nic: TableIndex, skipping skipped: UInt32 = 0, _ tables: borrowing RuleTables
  ) -> UInt32 {
    let range = tables.nics[nic].groups
    var position = range.start &+ skipped
    let end = range.start &+ range.count
    while position < end {
      let group = tables.groups[tables.nicGroups[position]]
      let match = tables.classifiers.match(
        group.classifiers.index(direction, family), high: high, low: low, key: key)
      if match.rule != 0 {
        note(.groupAllows, UInt64(match.rule))
        return match.rule
      }
      position &+= 1
    }
    note(.groupsDeny, UInt64(range.count))
    return 0
  }

  /// The rule of the NIC's groups that allows a known connection to begin as it began; 0 when none
  /// does.
  ///
  /// - Parameter key: of the packet that began it, where the connection itself does not hold it.
  mutating func groupStep(
    connection record: UInt32, ruleKey: UInt32, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> UInt32 {
    let key = flows.key(of: record)
    let isFromOutside = flows.entries[record].flags.contains(.fromOutside)
    let transport = flows.entries[record].transport
    var ruleKey = ruleKey
    switch flows.entries[record].kind {
    case .tcp, .udp:
      let port = isFromOutside ? key.identity >> 16 : key.identity
      ruleKey = ClassifierKey.key(
        protocolNumber: transport, low: UInt16(truncatingIfNeeded: port))
    case .echo:
      ruleKey = ClassifierKey.key(protocolNumber: transport, low: key.isIPv6 ? 128 << 8 : 8 << 8)
    case .other, .free: break
    }
    return firstRule(
      isFromOutside ? .ingress : .egress, key.isIPv6 ? .v6 : .v4, high: key.remoteHigh,
      low: key.remoteLow, key: ruleKey, nic: nic, tables)
  }

  /// The decision of a subnet's network ACL; a subnet without one lets everything pass.
  mutating func aclStep(
    _ headers: borrowing Headers, _ direction: Direction, subnet: TableIndex,
    _ tables: borrowing RuleTables
  ) -> ClassifierMatch {
    let acl = tables.subnets[subnet].acl
    if acl == .none { return ClassifierMatch(rule: 0, allow: true) }
    let match = tables.classifiers.match(
      tables.acls[acl].classifiers.index(direction, headers.family),
      high: direction == .egress ? headers.destinationHigh : headers.sourceHigh,
      low: direction == .egress ? headers.destinationLow : headers.sourceLow, key: headers.ruleKey)
    note(.acl, UInt64(match.rule), match.allow ? 1 : 0)
    return match
  }
}
