import Tables
import Wire

/// What a route says of one prefix. Of several that claim a prefix, the one with the lowest rank
/// has it.
package struct RouteClaim: PrefixEntry, Comparable, Sendable {
  /// Ranks: local routes come first, then CIDRs, then prefix lists in their order. Of routes with
  /// the same CIDR, which the loader refuses, the later ones come after the first.
  static let local: UInt32 = 0
  package static let cidr: UInt32 = 1
  static func list(_ number: Int) -> UInt32 { 1 << 31 + UInt32(number) }

  /// The address, left-aligned in 128 bits.
  let high: UInt64
  let low: UInt64
  private let bits: UInt8
  let family: IPFamily
  var rank: UInt32
  /// The route's own name; nil when it is named by table and prefix.
  let id: String?
  var record: RouteRecord
  /// Where the record stands in the arena.
  var index: UInt32 = .none

  package init(_ prefix: IPPrefix, rank: UInt32, id: String?, _ record: RouteRecord) {
    let address = prefix.address
    family = address.family
    high = address.family == .v4 ? address.low << 32 : address.high
    low = address.family == .v4 ? 0 : address.low
    bits = UInt8(prefix.length)
    (self.rank, self.id, self.record) = (rank, id, record)
  }

  var length: Int { Int(bits) }

  /// Whether the claim is by an entry of a list whose route has a name: all of these have one
  /// number.
  var isOfNamedList: Bool { rank >= Self.list(0) && id != nil }

  var prefix: IPPrefix {
    let address =
      family == .v4 ? IPAddress(v4: UInt32(high >> 32)) : IPAddress(v6: high, low)
    return IPPrefix(address, length: length)
  }

  /// Enclosing prefixes come before those that they enclose, and lower ranks before higher ones.
  package static func < (a: RouteClaim, b: RouteClaim) -> Bool {
    if a.family != b.family { return a.family == .v4 }
    if a.high != b.high { return a.high < b.high }
    if a.low != b.low { return a.low < b.low }
    return a.bits != b.bits ? a.bits < b.bits : a.rank < b.rank
  }

  /// Whether two claims have the same place, whatever they say.
  package static func == (a: RouteClaim, b: RouteClaim) -> Bool {
    a.family == b.family && a.hasPrefix(of: b) && a.rank == b.rank
  }
}

extension PrefixEntry {
  func hasPrefix(of other: some PrefixEntry) -> Bool {
    high == other.high && low == other.low && length == other.length
  }

  /// Whether all addresses of another prefix are in this one.
  func encloses(_ other: some PrefixEntry) -> Bool {
    guard other.length >= length else { return false }
    let mask = IPPrefix.mask(family: .v6, length: length)
    return other.high & mask.high == high && other.low & mask.low == low
  }

  /// Leading bits that two addresses have in common.
  func sharedBits(with other: some PrefixEntry) -> Int {
    let shared = (high ^ other.high).leadingZeroBitCount
    return shared < 64 ? shared : 64 + (low ^ other.low).leadingZeroBitCount
  }

  /// Enclosing prefixes come before those that they enclose.
  func isBefore(_ other: some PrefixEntry) -> Bool {
    if high != other.high { return high < other.high }
    return low != other.low ? low < other.low : length < other.length
  }
}

/// A prefix and nothing else.
struct BarePrefix: PrefixEntry {
  var high: UInt64
  var low: UInt64
  var length: Int

  /// The first bits of another one.
  init(_ other: some PrefixEntry, length: Int) {
    let mask = IPPrefix.mask(family: .v6, length: length)
    (high, low) = (other.high & mask.high, other.low & mask.low)
    self.length = length
  }
}

extension SortedPieces where Element == RouteClaim {
  /// The claim that has a prefix.
  ///
  /// - Complexity: O(log n).
  func holder(of prefix: some PrefixEntry) -> RouteClaim? {
    let found = element(at: first { $0.isBefore(prefix) })
    return found.flatMap { $0.hasPrefix(of: prefix) ? $0 : nil }
  }

  /// A claim as it stands here.
  func same(as claim: RouteClaim) -> RouteClaim? {
    element(at: first { $0 < claim }).flatMap { $0 == claim ? $0 : nil }
  }

  /// The claim that has the longest prefix around another prefix.
  ///
  /// - Complexity: O(k log n), k of them nested.
  func holder(around prefix: some PrefixEntry) -> RouteClaim? {
    if prefix.length == 0 { return nil }
    var limit = first { $0.isBefore(prefix) }
    while let claim = element(before: limit) {
      // Its prefix is before this one's, so it is another.
      if claim.encloses(prefix) { return holder(of: claim) }
      // What is around both is no longer than what they share.
      let shared = BarePrefix(prefix, length: min(claim.sharedBits(with: prefix), prefix.length))
      limit = first { !shared.isBefore($0) }
    }
    return nil
  }

  /// Calls with whoever has each prefix within another one, which is left out.
  func forEachHolder(within prefix: some PrefixEntry, _ body: (RouteClaim) -> Void) {
    var position = first { !prefix.isBefore($0) }
    var last: RouteClaim?
    while let claim = element(at: position), prefix.encloses(claim) {
      if last.map({ !$0.hasPrefix(of: claim) }) ?? true { body(claim) }
      last = claim
      position = self.position(after: position)
    }
  }
}
