import Tables

/// What a trie in the arenas becomes when the values of some prefixes change: the blocks on the way
/// to these are made anew, and lead to all others where they stand.
///
/// The trie before stays as it is, and what of it the new one leads to has to stay with it. The
/// direct table, if there is one, is copied.
struct TriePatch: Sendable {
  typealias Entry = PrefixTrieBuilder.Entry

  /// Prefixes that change, and all that is in them.
  struct Changes {
    /// Ascending.
    private(set) var entries: [Entry] = []
    /// The entries of each prefix that changes, itself first; none is in another.
    private(set) var spans: [Range<Int>] = []

    /// Whether a prefix is in the last one that was added.
    func covers(_ prefix: some PrefixEntry) -> Bool {
      spans.last.map { entries[$0.lowerBound].encloses(prefix) } ?? false
    }

    /// Adds a prefix after all others.
    ///
    /// - Parameters:
    ///   - prefix: with the value of its addresses that no longer prefix has, now.
    ///   - inner: the longer prefixes in it, ascending.
    mutating func add(_ prefix: Entry, inner: [Entry]) {
      let start = entries.count
      entries.append(prefix)
      entries += inner
      spans.append(start..<entries.count)
    }

    fileprivate func replacement(_ span: Range<Int>) -> PrefixReplacement {
      let prefix = entries[span.lowerBound]
      let whole = PrefixSpan(prefix)
      return PrefixReplacement(
        span: whole,
        runs: PrefixRun.runs(
          entries[span.dropFirst()], in: whole, inherited: prefix.value))
    }
  }

  private(set) var record: PrefixTrieRecord
  /// What tries that follow may lead to as well.
  let lines: Stored<PrefixLine>
  /// What tries that follow have one of their own of.
  let direct: Stored<PrefixLink>?

  /// - Parameters:
  ///   - record: of the trie before.
  ///   - changes: with values as readers get them.
  /// - Returns: nil when the trie has to begin in another way: a prefix does not begin with the
  ///   bits that all had in common, or is no longer than these.
  /// - Complexity: O(256 d + c), d blocks on the way to the changes, and c entries of these; and
  ///   the size of the direct table. A block of keys that has no room is read with all below it.
  init?(
    _ record: PrefixTrieRecord, _ changes: Changes, in arenas: TableArenas
  ) throws(TableCompilerError) {
    for span in changes.spans where !record.isAround(changes.entries[span.lowerBound]) {
      return nil
    }
    self.record = record
    let shared = PrefixSpan(record)
    let replacements = changes.spans.map(changes.replacement)
    var patcher = BlockPatcher(arenas.lines.view)
    if record.direct == .none {
      direct = nil
      self.record.root = patcher.patch(record.root, in: shared, replacements[...])
      lines = try arenas.lines.reserve(patcher.writer.lineCount)
      self.record.root = self.record.root.moved(.init(line: UInt32(lines.start)))
    } else {
      let table = try arenas.direct.reserve(PrefixTrieSet.directCount)
      table.copy(from: Int(record.direct))
      let view = arenas.direct.view
      let changes = patcher.changes(
        replacements[...], in: shared, bits: Int(PrefixTrieSet.directBits)
      ) { view[record.direct + $0] }
      lines = try arenas.lines.reserve(patcher.writer.lineCount)
      let place = PrefixBlockWriter.Place(line: UInt32(lines.start))
      table.change { entries in
        for change in changes {
          for number in change.first...change.last {
            entries[Int(number)] = change.link.moved(place)
          }
        }
      }
      direct = table
      self.record.direct = UInt32(table.start)
    }
    lines.write(patcher.writer.placed(.init(line: UInt32(lines.start))))
  }
}

extension PrefixTrieRecord {
  /// Whether a prefix begins with the shared bits and is longer than these.
  fileprivate func isAround(_ prefix: PrefixTrieBuilder.Entry) -> Bool {
    prefix.length > Int(sharedBits) && prefix.high & maskHigh == sharedHigh
      && prefix.low & maskLow == sharedLow
  }
}

/// All that the addresses of a prefix lead to now.
private struct PrefixReplacement {
  let span: PrefixSpan
  let runs: [PrefixRun]
}

/// Writes the blocks of a patch.
private struct BlockPatcher {
  private let known: PrefixBlocks
  private(set) var writer = PrefixBlockWriter()

  init(_ lines: FlatArray<PrefixLine>) { known = PrefixBlocks(lines) }

  /// What a span leads to after replacements, all within it and longer.
  mutating func patch(
    _ link: PrefixLink, in span: PrefixSpan, _ replacements: ArraySlice<PrefixReplacement>
  ) -> PrefixLink {
    if !link.isBlock {
      return add([PrefixRun(first: span.first, link: link)], replacements, in: span)
    }
    let known = known
    let before = writer.steps(of: link, in: known)
    let bits = link.bitCount
    let steps = before.replacing(
      changes(replacements, in: span, bits: bits) { before.link($0) }, bits: bits)
    if !link.kind.hasKeys { return writer.addSlots(steps) }
    if steps.count <= PrefixBlockWriter.keyLimit { return writer.addKeys(steps) }
    var runs: [PrefixRun] = []
    writer.appendRuns(of: steps, bits: bits, span, in: known, to: &runs)
    return add(runs, [], in: span)
  }

  /// What becomes of numbers of the next bits.
  ///
  /// - Parameter known: what a number leads to now.
  mutating func changes(
    _ replacements: ArraySlice<PrefixReplacement>, in span: PrefixSpan, bits: Int,
    _ known: (UInt32) -> PrefixLink
  ) -> [PrefixChange] {
    var changes: [PrefixChange] = []
    var rest = replacements
    while let next = rest.first {
      let first = span.number(next.span.first, bits: bits)
      if next.span.length <= span.length + bits {
        rest = rest.dropFirst()
        changes += steps(of: next, from: first, in: span, bits: bits)
        continue
      }
      let inside = rest.prefix { span.number($0.span.first, bits: bits) == first }
      rest = rest.dropFirst(inside.count)
      let link = patch(known(first), in: span.part(first, bits: bits), inside)
      changes.append(PrefixChange(first: first, last: first, link: link))
    }
    return changes
  }

  /// A replacement of whole numbers, cut into these.
  private mutating func steps(
    of next: PrefixReplacement, from first: UInt32, in span: PrefixSpan, bits: Int
  ) -> [PrefixChange] {
    let last = span.lastNumber(of: next.span, bits: bits)
    var steps: [PrefixStep] = []
    next.runs.withUnsafeBufferPointer { runs in
      PrefixStep.forEach(runs[...], in: span, bits: bits, from: first, to: last) {
        steps.append($0, writer.add($1, in: span.part($0, bits: bits)))
        return true
      }
    }
    return steps.indices.map { index in
      let end = index + 1 < steps.count ? steps[index + 1].first - 1 : last
      return PrefixChange(first: steps[index].first, last: end, link: steps[index].link)
    }
  }

  /// Adds blocks for runs of values of which some are replaced.
  private mutating func add(
    _ runs: [PrefixRun], _ replacements: ArraySlice<PrefixReplacement>, in span: PrefixSpan
  ) -> PrefixLink {
    var all = runs
    for replacement in replacements {
      for run in replacement.runs { all.append(run.first, run.link) }
      if replacement.span.last != span.last {
        all.append(replacement.span.last + 1, runs[0].link)
      }
    }
    return all.withUnsafeBufferPointer { writer.add($0[...], in: span) }
  }
}
