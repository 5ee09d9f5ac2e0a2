import Wire

extension RouteDraft {
  /// What of a table is new, with the numbers of its rules.
  struct Numbered {
    var added: [RouteClaim]
    var lists: [ListRoute]
  }

  /// Gives new routes their numbers. One that has the name of a route before keeps that one's;
  /// those of names that went are retired.
  ///
  /// - Complexity: O(c log c) for c claims that were added or removed.
  func numbered(
    after known: RoutePart?, _ numbers: inout RuleNumbers, generation: UInt32
  ) throws(TableCompilerError) -> Numbered {
    var leftover = Leftover(removed, isChange ? [] : known?.lists ?? [])
    var result = Numbered(added: added, lists: lists)
    keepUnnamed(.v4, &result.added, &leftover)
    keepUnnamed(.v6, &result.added, &leftover)
    var missing: [Int] = []
    for index in result.added.indices where needsNumber(result.added[index]) {
      if let id = result.added[index].id, let number = leftover.named.removeValue(forKey: id) {
        result.added[index].record.rule = number
      }
      if result.added[index].record.rule == 0 { missing.append(index) }
    }
    var missingLists: [Int] = []
    for index in result.lists.indices {
      guard let id = result.lists[index].route.id else { continue }
      let number = result.lists[index].number
      if targets.lists[result.lists[index].list]?.isEmpty ?? true {
        if number != 0 { leftover.unnamed.append(number) }
        result.lists[index].number = 0
      } else if number == 0 {
        result.lists[index].number = leftover.named.removeValue(forKey: id) ?? 0
        if result.lists[index].number == 0 { missingLists.append(index) }
      }
    }
    numbers.retire(
      (leftover.unnamed + leftover.named.values).sorted(), generation: generation)
    let taken = try numbers.take(missing.count + missingLists.count, generation: generation)
    for (index, number) in zip(missing, taken) { result.added[index].record.rule = number }
    for (index, number) in zip(missingLists, taken[missing.count...]) {
      result.lists[index].number = number
    }
    for index in result.added.indices where result.added[index].isOfNamedList {
      result.added[index].record.rule =
        result.lists[Int(result.added[index].rank - RouteClaim.list(0))].number
    }
    return result
  }

  private func needsNumber(_ claim: RouteClaim) -> Bool {
    claim.rank != RouteClaim.local && !claim.isOfNamedList && claim.record.rule == 0
  }

  /// Routes without a name of their own are named by their prefix.
  private func keepUnnamed(
    _ family: IPFamily, _ added: inout [RouteClaim], _ leftover: inout Leftover
  ) {
    func isUnnamed(_ claim: RouteClaim) -> Bool {
      claim.family == family && claim.rank != RouteClaim.local && claim.id == nil
    }
    let gone = removed.filter(isUnnamed).sorted()
    let order = added.indices.filter { isUnnamed(added[$0]) }.sorted { added[$0] < added[$1] }
    var next = order[...]
    for claim in gone {
      while let first = next.first, added[first].isBefore(claim) { next = next.dropFirst() }
      if let first = next.first, added[first].hasPrefix(of: claim) {
        added[first].record.rule = claim.record.rule
        next = next.dropFirst()
      } else {
        leftover.unnamed.append(claim.record.rule)
      }
    }
  }

  /// Numbers of rules that went, as far as no other rule has the name.
  private struct Leftover {
    var named: [String: UInt32] = [:]
    var unnamed: [UInt32] = []

    init(_ removed: [RouteClaim], _ lists: [ListRoute]) {
      for claim in removed where claim.rank != RouteClaim.local && !claim.isOfNamedList {
        if let id = claim.id { named[id] = claim.record.rule }
      }
      for list in lists where list.number != 0 {
        if let id = list.route.id { named[id] = list.number }
      }
    }
  }
}
