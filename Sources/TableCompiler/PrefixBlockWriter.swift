import Tables

/// Writes blocks of prefix tries, numbered from `firstLine` until they have a place.
struct PrefixBlockWriter {
  /// Above all lines that have a place: so new blocks are known from those they lead to.
  static let firstLine: UInt32 = 1 << 27
  /// Runs that a block of keys has room for.
  static let keyLimit = 32

  /// Where blocks come to stand, and what their values grow by.
  struct Place {
    var line: UInt32
    var values: UInt32 = 0
  }

  private var lines: [PrefixLine] = []
  /// New blocks, and how many runs each has.
  private var blocks: [(link: PrefixLink, runs: Int)] = []

  var lineCount: Int { lines.count }

  /// The lines as readers get them.
  func placed(_ place: Place) -> [PrefixLine] {
    var placed = lines
    placed.withUnsafeMutableBytes { bytes in
      for (link, runs) in blocks {
        let start = 64 * Int(link.line - Self.firstLine)
        let words = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
          .assumingMemoryBound(to: UInt32.self)
        Self.move(words, of: link.kind, runs, to: place)
      }
    }
    return placed
  }

  private static func move(
    _ words: UnsafeMutableBufferPointer<UInt32>, of kind: PrefixBlockKind, _ runs: Int,
    to place: Place
  ) {
    let other = Int(PrefixBlocks.otherWord)
    if kind == .bytes {
      words[Int(PrefixBlocks.baseWord)] += place.values
      words[other] = PrefixLink(bits: words[other]).moved(place).bits
      return
    }
    let first = Int(kind.hasKeys ? kind.keyCount : PrefixBlocks.runsWord)
    for index in first..<first + runs {
      words[index] = PrefixLink(bits: words[index]).moved(place).bits
    }
  }

  // MARK: Runs

  /// Appends the blocks that find what runs lead to.
  ///
  /// - Parameter runs: of values; of the first one what lies in the span counts.
  /// - Returns: what the span leads to.
  /// - Complexity: O(n) in the runs for each step that a lookup among them takes.
  mutating func add(_ runs: PrefixRun.Runs, in span: PrefixSpan) -> PrefixLink {
    if runs.count == 1 { return runs[runs.startIndex].link }
    let keys = Self.keyCount(runs, in: span)
    if keys <= 8 { return addKeys(divide(runs, in: span, bits: 32)) }
    let isShort = runs.dropFirst().allSatisfy { span.isAligned($0.first, bits: 8) }
    if keys <= Self.keyLimit, !(isShort && Self.near(runs.map(\.link)) != nil) {
      return addKeys(divide(runs, in: span, bits: 32))
    }
    return addSlots(divide(runs, in: span, bits: 8))
  }

  /// What the next bits lead to, with blocks below.
  ///
  /// - Returns: ascending, the first for zero.
  mutating func divide(_ runs: PrefixRun.Runs, in span: PrefixSpan, bits: Int) -> [PrefixStep] {
    var steps: [PrefixStep] = []
    PrefixStep.forEach(runs, in: span, bits: bits, from: 0, to: span.lastNumber(bits: bits)) {
      steps.append($0, add($1, in: span.part($0, bits: bits)))
      return true
    }
    return steps
  }

  /// The steps of 32 bits that runs make; one more than a block has room for when there are more.
  private static func keyCount(_ runs: PrefixRun.Runs, in span: PrefixSpan) -> Int {
    var count = 0
    PrefixStep.forEach(runs, in: span, bits: 32, from: 0, to: span.lastNumber(bits: 32)) { _, _ in
      count += 1
      return count <= keyLimit
    }
    return count
  }

  // MARK: Blocks

  /// Appends a block that decides about 32 bits, or of what is left of them.
  ///
  /// - Parameter steps: at most `keyLimit`.
  mutating func addKeys(_ steps: [PrefixStep]) -> PrefixLink {
    if steps.count == 1 { return steps[0].link }
    let kind: PrefixBlockKind = steps.count <= 8 ? .keys8 : steps.count <= 16 ? .keys16 : .keys32
    let keys = Int(kind.keyCount)
    return append(kind, runs: steps.count, bytes: 8 * keys) { words in
      for index in 0..<keys {
        words[index] = index + 1 < steps.count ? steps[index + 1].first - 1 : .max
      }
      for (index, step) in steps.enumerated() { words[keys + index] = step.link.bits }
    }
  }

  /// Appends a block that decides about eight bits.
  mutating func addSlots(_ steps: [PrefixStep]) -> PrefixLink {
    if steps.count == 1 { return steps[0].link }
    let near = Self.near(steps.map(\.link))
    let header = 4 * Int(PrefixBlocks.runsWord)
    let size = header + (near == nil ? 4 : 1) * steps.count
    return append(near == nil ? .slots : .bytes, runs: steps.count, bytes: size) { words in
      for (index, step) in steps.enumerated() {
        words[Int(step.first / 32)] |= 1 << (step.first % 32)
        for quarter in Int(step.first / 64) + 1..<max(4, Int(step.first / 64) + 1) {
          words[Int(PrefixBlocks.countsWord)] += 1 << UInt32(8 * quarter)
        }
        guard let near else {
          words[Int(PrefixBlocks.runsWord) + index] = step.link.bits
          continue
        }
        UnsafeMutableRawBufferPointer(words)[header + index] = near.byte(step.link)
      }
      if let near {
        words[Int(PrefixBlocks.baseWord)] = near.base
        words[Int(PrefixBlocks.otherWord)] = near.other.bits
      }
    }
  }

  private mutating func append(
    _ kind: PrefixBlockKind, runs: Int, bytes: Int,
    _ fill: (UnsafeMutableBufferPointer<UInt32>) -> Void
  ) -> PrefixLink {
    let start = lines.count
    lines.append(contentsOf: repeatElement(PrefixLine(), count: (bytes + 63) / 64))
    lines.withUnsafeMutableBytes {
      fill(
        UnsafeMutableRawBufferPointer(rebasing: $0[(64 * start)...])
          .assumingMemoryBound(to: UInt32.self))
    }
    let link = PrefixLink(kind, line: Self.firstLine + UInt32(truncatingIfNeeded: start))
    blocks.append((link, runs))
    return link
  }

  // MARK: Bytes

  /// Values that a byte each can stand for.
  private struct Near {
    /// The value of byte 0.
    var base: UInt32
    /// What is not near: one value, or none.
    var other: PrefixLink

    func byte(_ link: PrefixLink) -> UInt8 {
      link == other ? UInt8(PrefixBlocks.otherByte) : UInt8(link.bits - base)
    }
  }

  /// - Returns: nil when the links are not all values, or not near each other.
  private static func near(_ links: [PrefixLink]) -> Near? {
    if links.contains(where: \.isBlock) { return nil }
    // What lies around comes first in a table, so its value is the lowest.
    let other = links.contains(.nothing) ? .nothing : links.min { $0.bits < $1.bits } ?? .nothing
    var (low, high) = (UInt32.max, UInt32.min)
    for link in links where link != other {
      (low, high) = (min(low, link.bits), max(high, link.bits))
    }
    return low <= high && high - low < PrefixBlocks.otherByte ? Near(base: low, other: other) : nil
  }
}

extension PrefixLink {
  /// The link as readers get it.
  func moved(_ place: PrefixBlockWriter.Place) -> PrefixLink {
    if !isBlock { return self == .nothing ? self : PrefixLink(bits: bits + place.values) }
    if line < PrefixBlockWriter.firstLine { return self }
    return PrefixLink(kind, line: line - PrefixBlockWriter.firstLine + place.line)
  }
}

// MARK: Reading

extension PrefixBlockWriter {
  /// The steps of a block, of this writer's own or among known ones.
  func steps(of block: PrefixLink, in known: PrefixBlocks) -> [PrefixStep] {
    if block.line < Self.firstLine { return known.steps(of: block) }
    return lines.withUnsafeBufferPointer {
      PrefixBlocks(FlatArray(base: $0.baseAddress, count: $0.count)).steps(
        of: PrefixLink(block.kind, line: block.line - Self.firstLine))
    }
  }

  /// Appends what a span leads to.
  ///
  /// - Complexity: O(n) in the runs below.
  func appendRuns(
    of link: PrefixLink, _ span: PrefixSpan, in known: PrefixBlocks, to runs: inout [PrefixRun]
  ) {
    if !link.isBlock { return runs.append(span.first, link) }
    appendRuns(of: steps(of: link, in: known), bits: link.bitCount, span, in: known, to: &runs)
  }

  func appendRuns(
    of steps: [PrefixStep], bits: Int, _ span: PrefixSpan, in known: PrefixBlocks,
    to runs: inout [PrefixRun]
  ) {
    for step in steps {
      appendRuns(of: step.link, span.part(step.first, bits: bits), in: known, to: &runs)
    }
  }
}

extension PrefixLink {
  /// The bits that a block decides about.
  var bitCount: Int { kind.hasKeys ? 32 : 8 }
}

extension PrefixBlocks {
  fileprivate func steps(of block: PrefixLink) -> [PrefixStep] {
    let (kind, line) = (block.kind, block.line)
    var steps: [PrefixStep] = []
    if kind.hasKeys {
      var first: UInt32 = 0
      for index in 0..<kind.keyCount {
        let last = word(line, index)
        let link = PrefixLink(bits: word(line, kind.keyCount + index))
        steps.append(PrefixStep(first: first, link: link))
        if last == .max { break }
        first = last + 1
      }
      return steps
    }
    for slot in 0..<UInt32(256) where word(line, slot / 32) >> (slot % 32) & 1 != 0 {
      steps.append(PrefixStep(first: slot, link: run(UInt32(steps.count), of: block)))
    }
    return steps
  }

  private func run(_ index: UInt32, of block: PrefixLink) -> PrefixLink {
    let line = block.line
    if block.kind == .slots { return PrefixLink(bits: word(line, Self.runsWord + index)) }
    let byte = byte(line, 4 * Self.runsWord + index)
    let isOther = byte == Self.otherByte
    return PrefixLink(bits: isOther ? word(line, Self.otherWord) : word(line, Self.baseWord) + byte)
  }
}
