import Wire

extension IPPrefix {
  /// Sorted so, a block stands right before the blocks inside it.
  static func outerFirst(_ a: IPPrefix, _ b: IPPrefix) -> Bool {
    a.address == b.address ? a.length < b.length : a.address < b.address
  }
}

/// A set of CIDR blocks that tells in O(log n) whether it covers an address or a block.
struct PrefixIndex {
  /// The outermost blocks, disjoint, in order of address.
  private var blocks: [IPPrefix] = []

  init(_ prefixes: [IPPrefix]) {
    for prefix in prefixes.sorted(by: IPPrefix.outerFirst) {
      if let last = blocks.last, last.contains(prefix) { continue }
      blocks.append(prefix)
    }
  }

  func contains(_ address: IPAddress) -> Bool {
    candidate(for: address)?.contains(address) ?? false
  }

  func contains(_ prefix: IPPrefix) -> Bool {
    candidate(for: prefix.address)?.contains(prefix) ?? false
  }

  /// Whether some block shares an address with `prefix`.
  func overlaps(_ prefix: IPPrefix) -> Bool {
    if contains(prefix) { return true }
    let next = firstIndex(after: prefix.address)
    // A block inside the prefix begins at the prefix's first address or after it.
    if let before = candidate(for: prefix.address), prefix.contains(before) { return true }
    return next < blocks.count && prefix.contains(blocks[next])
  }

  /// The only block that can hold the address: the last that begins at or before it.
  private func candidate(for address: IPAddress) -> IPPrefix? {
    let next = firstIndex(after: address)
    return next == 0 ? nil : blocks[next - 1]
  }

  private func firstIndex(after address: IPAddress) -> Int {
    var (low, high) = (0, blocks.count)
    while low < high {
      let middle = (low + high) / 2
      if blocks[middle].address <= address { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Pairs of positions whose blocks overlap: each block that lies in another, with the outermost.
///
/// The lower position comes first in a pair. O(n log n).
func overlappingPairs(_ prefixes: [IPPrefix]) -> [(first: Int, second: Int)] {
  let order = prefixes.indices.sorted { a, b in
    prefixes[a] == prefixes[b] ? a < b : IPPrefix.outerFirst(prefixes[a], prefixes[b])
  }
  var pairs: [(first: Int, second: Int)] = []
  var cover: Int?
  for index in order {
    if let cover, prefixes[cover].contains(prefixes[index]) {
      pairs.append((min(cover, index), max(cover, index)))
    } else {
      cover = index
    }
  }
  return pairs
}
