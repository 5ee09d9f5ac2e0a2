import Wire

/// How two models differ in what an interface accepts or reaches.
public struct ReachDifference: Sendable {
  /// What arrives under the first model alone, and under the second alone.
  public var onlyFirst: Reach
  public var onlySecond: Reach
  /// What arrives under both, and is answered under one alone.
  public var answeredOnlyFirst: Reach
  public var answeredOnlySecond: Reach

  /// Compares two answers to one question.
  ///
  /// - Complexity: O(n) in the boxes of both.
  public init(_ first: Reach, _ second: Reach) {
    let none = Reach(interface: first.interface, direction: first.direction)
    (onlyFirst, onlySecond) = (none, none)
    (answeredOnlyFirst, answeredOnlySecond) = (none, none)
    var keys: [Key] = []
    var seen: Set<Key> = []
    for entry in first.entries + second.entries {
      let key = Key(peer: entry.peer, own: entry.own)
      if seen.insert(key).inserted { keys.append(key) }
    }
    for key in keys {
      let one = first.traffic(key.peer, own: key.own)
      let two = second.traffic(key.peer, own: key.own)
      if one == two { continue }
      func add(_ reach: inout Reach, _ a: TrafficSet, _ b: TrafficSet, _ keep: (Fate, Fate) -> Fate)
      {
        let traffic = a.joined(b, keep)
        if traffic.isRefused { return }
        reach.entries.append(ReachEntry(peer: key.peer, own: key.own, traffic: traffic))
      }
      add(&onlyFirst, one, two, Self.arrivesOnly)
      add(&onlySecond, two, one, Self.arrivesOnly)
      add(&answeredOnlyFirst, one, two, Self.answeredOnly)
      add(&answeredOnlySecond, two, one, Self.answeredOnly)
    }
  }

  private struct Key: Hashable {
    var peer: ReachPeer
    var own: IPAddress
  }

  private static func arrivesOnly(_ here: Fate, _ there: Fate) -> Fate {
    there.arrives ? .refused : here
  }

  private static func answeredOnly(_ here: Fate, _ there: Fate) -> Fate {
    here == .answered && there == .unanswered ? .answered : .refused
  }

  public var isEmpty: Bool { parts.allSatisfy { $0.reach.entries.isEmpty } }

  /// The four parts with names, as JSON has them and as sentences of two models' names.
  public var parts: [(name: String, reach: Reach)] {
    [
      ("onlyRules", onlyFirst), ("onlyDiff", onlySecond),
      ("answeredOnlyRules", answeredOnlyFirst), ("answeredOnlyDiff", answeredOnlySecond),
    ]
  }

  /// The tables for people, with a newline at the end.
  ///
  /// - Parameter names: of the two models.
  public func text(_ names: (String, String)) -> String {
    let interface = onlyFirst.interface
    let verb = onlyFirst.direction == .to ? "accepts" : "reaches"
    if isEmpty { return "\(interface) \(verb) the same\n" }
    let titles = [
      "\(interface) \(verb) with \(names.0), not with \(names.1)",
      "\(interface) \(verb) with \(names.1), not with \(names.0)",
      "answers come back with \(names.0), not with \(names.1)",
      "answers come back with \(names.1), not with \(names.0)",
    ]
    var lines: [String] = []
    for (title, part) in zip(titles, parts) {
      for group in part.reach.grouped() {
        if !lines.isEmpty { lines.append("") }
        let own = group.own.map(\.description).joined(separator: ", ")
        lines.append("\(title), \(onlyFirst.direction == .to ? "at" : "from") \(own)")
        lines += Reach.table(group.entries, onlyFirst.direction)
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
