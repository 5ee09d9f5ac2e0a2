/// Which rule numbers are in use: a rule keeps its number from generation to generation.
///
/// The number of a rule that went is given to another only when no worker has anything left that
/// names it.
struct RuleNumbers: Sendable {
  private struct Retired: Sendable {
    var number: UInt32
    var generation: UInt32
  }

  /// Numbers that may be given, with 0.
  let capacity: Int
  /// Numbers from here on were never given.
  private(set) var end: UInt32 = 1
  private var free: [UInt32] = []
  private var retired: [Retired] = []
  /// Rules that have a number.
  private(set) var count = 0

  init(capacity: Int) { self.capacity = capacity }

  /// Numbers for some rules.
  mutating func take(_ amount: Int, generation: UInt32) throws(TableCompilerError) -> [UInt32] {
    var taken: [UInt32] = []
    taken.reserveCapacity(amount)
    while taken.count < amount {
      if let number = free.popLast() {
        taken.append(number)
      } else {
        guard Int(end) < capacity else {
          if retired.contains(where: { $0.generation < generation }) { throw .awaitsWorkers }
          throw .capacity(of: "rules", count: Int(end) + amount, limit: capacity - 1)
        }
        taken.append(end)
        end += 1
      }
    }
    count += amount
    return taken
  }

  /// Numbers for the rules of a part: those that were there before keep theirs, and those that went
  /// are retired.
  ///
  /// - Parameter old: the part's rules before, and their numbers.
  /// - Complexity: O(rules); constant for each that is where it was.
  mutating func assign(
    _ names: [String], after old: (names: [String], numbers: [UInt32]), generation: UInt32
  ) throws(TableCompilerError) -> [UInt32] {
    let changed = ChangedRange(old.names, names)
    var assigned: [UInt32] = []
    assigned.reserveCapacity(names.count)
    assigned += old.numbers[..<changed.old.lowerBound]
    assigned += repeatElement(0, count: changed.new.count)
    assigned += old.numbers[changed.old.upperBound...]
    var missing: [Int] = []
    var leftover: [String: UInt32] = [:]
    for offset in 0..<max(changed.old.count, changed.new.count) {
      let (index, before) = (changed.new.lowerBound + offset, changed.old.lowerBound + offset)
      let isThere = index < changed.new.upperBound
      let wasThere = before < changed.old.upperBound
      if isThere && wasThere && names[index] == old.names[before] {
        assigned[index] = old.numbers[before]
        continue
      }
      if isThere { missing.append(index) }
      if wasThere { leftover[old.names[before]] = old.numbers[before] }
    }
    if !leftover.isEmpty {
      missing.removeAll { index in
        guard let number = leftover.removeValue(forKey: names[index]) else { return false }
        assigned[index] = number
        return true
      }
      retire(leftover.values.sorted(), generation: generation)
    }
    let taken = try take(missing.count, generation: generation)
    for (index, number) in zip(missing, taken) { assigned[index] = number }
    return assigned
  }

  /// The rules with these numbers went.
  mutating func retire(_ numbers: [UInt32], generation: UInt32) {
    retired += numbers.map { Retired(number: $0, generation: generation) }
    count -= numbers.count
  }

  /// Frees what no worker names any more.
  ///
  /// - Parameter swept: workers have cleaned up after this generation and all before.
  mutating func reclaim(swept: UInt32) {
    guard retired.contains(where: { $0.generation <= swept }) else { return }
    free += retired.lazy.filter { $0.generation <= swept }.map(\.number).reversed()
    retired.removeAll { $0.generation <= swept }
  }

  /// The last generation in which a rule went whose number is not free again; 0 for none.
  var lastRetirement: UInt32 { retired.lazy.map(\.generation).max() ?? 0 }

  /// A bit for each number that waits for the workers, as far as there are any.
  var retiredBits: [UInt64] {
    guard let highest = retired.lazy.map(\.number).max() else { return [] }
    var bits = [UInt64](repeating: 0, count: Int(highest) / 64 + 1)
    for rule in retired { bits[Int(rule.number) / 64] |= 1 << UInt64(rule.number % 64) }
    return bits
  }
}
