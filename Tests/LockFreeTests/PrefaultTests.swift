import Glibc
import LockFree
import Testing

/// Rings that are backed with memory before they are used.
@Suite struct PrefaultTests {
  /// Sends through all slots, and tells how many pages the kernel had to bring.
  private static func faultsOfFilling(_ ring: SlotRing) -> Int {
    let before = faults()
    for _ in 0..<ring.capacity {
      // SAFETY: one thread, and the slot is as large as it was asked for.
      unsafe ring.reserve()?.storeBytes(of: 7, as: UInt64.self)
      ring.commit()
    }
    return faults() - before
  }

  private static func faults() -> Int {
    var usage = rusage()
    // RUSAGE_THREAD, a macro that is not imported.
    getrusage(__rusage_who_t(1), &usage)
    return usage.ru_minflt
  }

  @Test func noSlotWaitsForAPage() {
    let rings = (0..<2).map { _ in SlotRing(capacity: 512, slotSize: 10_240) }
    defer { for ring in rings { ring.deallocate() } }
    rings[1].prefault()
    #expect(Self.faultsOfFilling(rings[0]) >= 2)
    #expect(Self.faultsOfFilling(rings[1]) == 0)
  }
}
