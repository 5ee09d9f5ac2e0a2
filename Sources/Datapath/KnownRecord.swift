import Tables
import Wire

extension Worker {
  /// The record of an IPv4 connection that needs no look at link, source, route and ACL: an earlier
  /// packet with the same key, going the same way, passed them under tables that had the same ways,
  /// and the key holds all that these steps ask for but the MAC addresses.
  ///
  /// - Returns: the candidate that the context carries, or `none` when the packet has to go the
  ///   long way.
  @_transparent
  mutating func knownRecord(
    _ packet: inout Packet, _ context: inout PacketContext, _ direction: Direction,
    _ tables: borrowing RuleTables
  ) -> UInt32 {
    let candidate = context.candidate
    guard candidate != .none, !isTracing, !context.headers.isFragment, !context.key.isIPv6 else {
      return .none
    }
    // SAFETY: `pointer` checks the bounds, and the parser saw a whole Ethernet header.
    let entry = unsafe flows.entries.pointer(Int(candidate))
    let isKnown =
      unsafe entry.pointee.identity == context.key.identity
      && entry.pointee.addressWord == context.key.addressWord
      && entry.pointee.deadline > packet.time
      && tables.hasSameWays(since: entry.pointee.generation)
      && (direction == .egress
        ? entry.pointee.hasEgressIPv4 && UnsafeRawPointer(packet.base).byte(0) & 1 == 0
        : entry.pointee.hasIngressIPv4)
    return isKnown ? candidate : .none
  }
}
