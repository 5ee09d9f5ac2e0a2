import Tables

/// Numbers of the next bits of an address that lead to the same: up to the next step. A block is
/// that of one number.
struct PrefixStep: Equatable {
  var first: UInt32
  var link: PrefixLink

  /// Calls with each number of the next bits where something else begins, and the runs that it has:
  /// several when longer prefixes divide it.
  ///
  /// - Parameters:
  ///   - runs: the first one has the first of the numbers.
  ///   - last: the last number.
  ///   - body: returns whether to go on.
  static func forEach(
    _ runs: PrefixRun.Runs, in span: PrefixSpan, bits: Int, from first: UInt32, to last: UInt32,
    _ body: (UInt32, PrefixRun.Runs) -> Bool
  ) {
    var index = runs.startIndex
    var number = first
    while true {
      var next = index + 1
      while next < runs.endIndex, span.number(runs[next].first, bits: bits) == number { next += 1 }
      if !body(number, runs[index..<next]) { return }
      let isDivided = next - index > 1
      let following = next < runs.endIndex ? span.number(runs[next].first, bits: bits) : nil
      // Behind a divided number its last run goes on, if there is something behind.
      if isDivided, number < last, following != number + 1 {
        if !body(number + 1, runs[next - 1..<next]) { return }
      }
      guard let following else { return }
      index = span.isAligned(runs[next].first, bits: bits) ? next : next - 1
      number = following
    }
  }
}

extension [PrefixStep] {
  /// Appends a step behind all others.
  mutating func append(_ first: UInt32, _ link: PrefixLink) {
    if let last, last.link == link, !link.isBlock { return }
    append(PrefixStep(first: first, link: link))
  }

  /// What a number leads to.
  func link(_ number: UInt32) -> PrefixLink { self[index(of: number)].link }

  private func index(of number: UInt32) -> Int {
    var (low, high) = (0, count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if self[middle].first <= number { low = middle } else { high = middle }
    }
    return low
  }

  /// The steps with other links for some numbers.
  ///
  /// - Parameter changes: ascending, none in another.
  func replacing(_ changes: [PrefixChange], bits: Int) -> [PrefixStep] {
    let end = UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(bits)) - 1)
    var steps: [PrefixStep] = []
    var cursor: UInt32? = 0
    func copy(from first: UInt32, to last: UInt32) {
      var index = index(of: first)
      steps.append(first, self[index].link)
      index += 1
      while index < count, self[index].first <= last {
        steps.append(self[index].first, self[index].link)
        index += 1
      }
    }
    for change in changes {
      if let cursor, cursor < change.first { copy(from: cursor, to: change.first - 1) }
      steps.append(change.first, change.link)
      cursor = change.last == end ? nil : change.last + 1
    }
    if let cursor { copy(from: cursor, to: end) }
    return steps
  }
}

/// What numbers of the next bits lead to instead.
struct PrefixChange {
  var first: UInt32
  var last: UInt32
  var link: PrefixLink
}
