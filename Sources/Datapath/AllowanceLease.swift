import Tables

/// Tokens of a shared allowance that one worker has taken in advance.
///
/// Up to a 256th of the bucket's depth, 64 packets or 64 KB at most, for a millisecond at most: so
/// much may a NIC's traffic be over its allowance for a moment, for each worker but the first.
struct AllowanceLease: BitwiseCopyable {
  var credit: UInt64 = 0
  /// When it was taken, in nanoseconds.
  var time: UInt64 = 0

  static var lifetime: UInt64 { 1_000_000 }
}

extension Worker {
  /// Takes tokens of a NIC's shared allowance: from what this worker took before, or with some more
  /// for the packets to come.
  ///
  /// - Complexity: O(1).
  mutating func lease(
    _ kind: SharedAllowances.Kind, _ cost: UInt64, nic: TableIndex, now: UInt64,
    _ settings: BucketSettings
  ) -> Bool {
    if settings.isUnlimited { return true }
    let index = Int(nic) &* SharedAllowances.leasesPerNIC &+ kind.rawValue
    // SAFETY: `pointer` checks the bounds, and leases are this worker's own.
    let lease = unsafe leases.pointer(index)
    var credit = unsafe lease.pointee.credit
    if unsafe now &- lease.pointee.time >= AllowanceLease.lifetime && credit > 0 {
      shared.giveBack(kind, credit, nic: nic, settings)
      credit = 0
    }
    if credit < cost {
      let depth = settings.capacity / settings.scale
      let ahead = min(depth >> 8, kind == .packets ? 64 : 65_536)
      var taken = max(cost &- credit, ahead)
      if !shared.take(kind, taken, nic: nic, now: now, settings) {
        taken = cost &- credit
        guard shared.take(kind, taken, nic: nic, now: now, settings) else {
          unsafe lease.pointee.credit = credit
          return false
        }
      }
      credit &+= taken
      unsafe lease.pointee.time = now
    }
    unsafe lease.pointee.credit = credit &- cost
    return true
  }
}
