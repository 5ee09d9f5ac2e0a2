import Tables
import Wire

/// A tunnel packet's way that was found good: its sender lives where it came from, and this NIC has
/// the inner destination. For IPv4 in IPv4 only.
struct KnownSender: BitwiseCopyable {
  /// Inner source above, inner destination below.
  var inner: UInt64
  /// Outer source above, VNI below.
  var outer: UInt64
  var nic: TableIndex
  /// The generation of the rule tables that said so; 0 in a place that was never used.
  var generation: UInt32
  /// Makes the size 32, so that none is in two cache lines.
  var padding: UInt64 = 0
}

// Ways that this worker found good last. A packet of a known one costs a cache line, and not the
// lookups of VNI, sender and receiver, which read six lines one after the other.

extension Worker {
  /// Places for ways, 128 KB in all.
  static var knownSenders: Int { 4_096 }

  /// The place of a way; another one with the same place displaces it.
  ///
  /// Keyed with the secret of connections, so that nobody can displace a neighbour's on purpose.
  @inline(__always)
  func senderPlace(_ inner: UInt64, _ outer: UInt64) -> Int {
    let product = (inner ^ flows.seed).multipliedFullWidth(
      by: outer ^ flows.seed &* 0x9E37_79B9_7F4A_7C15)
    return Int(truncatingIfNeeded: (product.high ^ product.low) &>> 52)
  }

  /// The receiver of a way that was found good in a generation that led packets as this one does;
  /// `none` for any other.
  ///
  /// - Complexity: O(1), one cache line.
  @inline(__always)
  func knownReceiver(
    _ inner: UInt64, _ outer: UInt64, _ tables: borrowing RuleTables
  ) -> TableIndex {
    // SAFETY: a place has 12 bits, and there are 4,096.
    let known = unsafe senders.uncheckedPointer(senderPlace(inner, outer))
    let isKnown =
      unsafe known.pointee.inner == inner && known.pointee.outer == outer
      && known.pointee.generation != 0 && tables.hasSameWays(since: known.pointee.generation)
    return isKnown ? unsafe known.pointee.nic : .none
  }

  func keepSender(
    _ inner: UInt64, _ outer: UInt64, _ nic: TableIndex, _ tables: borrowing RuleTables
  ) {
    senders[senderPlace(inner, outer)] = KnownSender(
      inner: inner, outer: outer, nic: nic, generation: tables.generation)
  }
}
