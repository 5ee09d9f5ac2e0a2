import Tables

/// The addresses that begin with some bits: all of a prefix.
struct PrefixSpan {
  /// Left-aligned, as all addresses here.
  let first: UInt128
  let length: Int

  init(first: UInt128, length: Int) { (self.first, self.length) = (first, length) }

  /// The addresses with the bits that a trie's prefixes share.
  init(_ record: PrefixTrieRecord) {
    first = UInt128(record.sharedHigh) << 64 | UInt128(record.sharedLow)
    length = Int(record.sharedBits)
  }

  init(_ prefix: some PrefixEntry) {
    first = UInt128(prefix.high) << 64 | UInt128(prefix.low)
    length = prefix.length
  }

  var last: UInt128 { length == 0 ? .max : first | UInt128.max >> UInt128(length) }

  /// The part of it whose next bits are a number; bits beyond an address's end are zeros.
  func part(_ number: UInt32, bits: Int) -> PrefixSpan {
    let place = UInt128(number) << UInt128(128 - bits)
    return PrefixSpan(first: first | place >> UInt128(length), length: length + bits)
  }

  /// The next bits of one of its addresses.
  func number(_ address: UInt128, bits: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: (address << UInt128(length)) >> UInt128(128 - bits))
  }

  /// The last number of the next bits.
  func lastNumber(bits: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(bits)) - 1)
  }

  /// The last number of the next bits that is of another span in it.
  func lastNumber(of other: PrefixSpan, bits: Int) -> UInt32 {
    // Bits beyond an address's end are all of the last one.
    let beyond = max(0, length + bits - 128)
    return number(other.last, bits: bits)
      | UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(beyond)) - 1)
  }

  /// Whether all bits of one of its addresses behind the next ones are zeros.
  func isAligned(_ address: UInt128, bits: Int) -> Bool {
    address << UInt128(length + bits) == 0
  }
}

/// Addresses that follow each other and have the same value: up to the next run.
struct PrefixRun: Equatable {
  var first: UInt128
  /// A value or none; or, of what a patch reads, a block.
  var link: PrefixLink

  /// Sorted runs, all different from the one before.
  typealias Runs = Slice<UnsafeBufferPointer<PrefixRun>>

  /// What the addresses of a span lead to.
  ///
  /// - Parameters:
  ///   - entries: sorted, all within the span.
  ///   - inherited: the value of addresses that no entry has.
  /// - Returns: runs, of which the first begins with the span.
  /// - Complexity: O(n) in the entries.
  static func runs(
    _ entries: ArraySlice<PrefixTrieBuilder.Entry>, in span: PrefixSpan, inherited: TableIndex
  ) -> [PrefixRun] {
    var runs: [PrefixRun] = []
    runs.reserveCapacity(2 * entries.count + 1)
    // Prefixes around the present one, and the span.
    var around = [(last: span.last, value: inherited)]
    runs.append(span.first, PrefixLink(value: inherited))
    for entry in entries {
      let own = PrefixSpan(entry)
      while around.count > 1, around[around.count - 1].last < own.first {
        let last = around.removeLast().last
        runs.append(last + 1, PrefixLink(value: around[around.count - 1].value))
      }
      runs.append(own.first, PrefixLink(value: entry.value))
      around.append((own.last, entry.value))
    }
    while around.count > 1 {
      let last = around.removeLast().last
      if last == span.last { break }
      runs.append(last + 1, PrefixLink(value: around[around.count - 1].value))
    }
    return runs
  }
}

extension [PrefixRun] {
  /// Appends a run, whose first address is that of the last one or behind it.
  mutating func append(_ first: UInt128, _ link: PrefixLink) {
    if last?.first == first { removeLast() }
    // Equal blocks are no run: each has a part of the address for its own.
    if let last, last.link == link, !link.isBlock { return }
    append(PrefixRun(first: first, link: link))
  }
}
