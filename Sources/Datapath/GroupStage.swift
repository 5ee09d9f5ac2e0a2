import Tables
import Wire

extension Worker {
  /// The first rule of the NIC's groups, in the NIC's and then the group's order, that allows the
  /// packet; 0 when none does.
  ///
  /// - Complexity: O(groups of the NIC); the number of rules does not matter.
  mutating func groupStep(
    _ headers: borrowing Headers, _ direction: Direction, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> UInt32 {
    let range = tables.nics[nic].groups
    let high = direction == .egress ? headers.destinationHigh : headers.sourceHigh
    let low = direction == .egress ? headers.destinationLow : headers.sourceLow
    let key = headers.ruleKey
    var position = range.start
    let end = position &+ range.count
    while position < end {
      let group = tables.groups[tables.nicGroups[position]]
      let match = tables.classifiers.match(
        group.classifiers.index(direction, headers.family), high: high, low: low, key: key)
      if match.rule != 0 {
        note(.groupAllows, UInt64(match.rule))
        return match.rule
      }
      position &+= 1
    }
    note(.groupsDeny, UInt64(range.count))
    return 0
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
