import Tables
import Wire

// The first look at the groups for all packets of a burst that seem to begin a connection, at once:
// with many rules nearly every step of a lookup waits for memory.

extension Worker {
  /// From so many packets on it pays.
  static var lookaheadFrom: Int { 4 }

  /// Asks the first group of each packet's NIC, and leaves the answer in the packet's context.
  ///
  /// - Parameter count: how many entries of `questions` name a packet of the burst as asker.
  /// - Complexity: O(count).
  @inline(never)
  mutating func askFirstGroups(
    _ packets: UnsafeMutableBufferPointer<Packet>, count: Int, _ tables: borrowing RuleTables
  ) {
    var asked = 0
    for index in 0..<count {
      let asker = Int(questions[index].asker)
      // SAFETY: whoever wrote the asker down did so for a packet of this burst.
      let isGuest = unsafe packets[asker].origin == .guest
      let nic = contexts[asker].nic
      if nic == .none || tables.nics[nic].groups.count == 0 { continue }
      let group = tables.nicGroups[tables.nics[nic].groups.start]
      let direction: Direction = isGuest ? .egress : .ingress
      var question = ClassifierQuestion(
        tables.groups[group].classifiers.index(direction, contexts[asker].headers.family),
        high: isGuest
          ? contexts[asker].headers.destinationHigh : contexts[asker].headers.sourceHigh,
        low: isGuest
          ? contexts[asker].headers.destinationLow : contexts[asker].headers.sourceLow,
        key: contexts[asker].headers.ruleKey)
      question.asker = UInt32(truncatingIfNeeded: asker)
      questions[asked] = question
      asked &+= 1
    }
    tables.classifiers.answer(questions, count: asked)
    for index in 0..<asked {
      contexts[Int(questions[index].asker)].firstGroupRule = questions[index].match.rule
    }
  }
}
