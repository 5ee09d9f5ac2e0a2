import Glibc
import Testing

@testable import Tables

/// Memory that is backed before it is touched.
@Suite struct PrefaultTests {
  private static func faults() -> Int {
    var usage = rusage()
    // RUSAGE_THREAD, a macro that is not imported.
    getrusage(__rusage_who_t(1), &usage)
    return usage.ru_minflt
  }

  /// Touches every page and tells how many the kernel had to bring.
  private static func faultsOfTouching(_ memory: WorkerMemory<UInt64>) -> Int {
    let before = faults()
    for index in stride(from: 0, to: memory.count, by: 512) { memory[index] = 1 }
    return faults() - before
  }

  @Test func firstTouchWaitsForNoPage() {
    let (lazy, ready) = (WorkerMemory<UInt64>(count: 1 << 20), WorkerMemory<UInt64>(count: 1 << 20))
    defer {
      lazy.deallocate()
      ready.deallocate()
    }
    ready.prefault()
    // Huge pages are at most 2 MB of the 8.
    #expect(Self.faultsOfTouching(lazy) >= 4)
    #expect(Self.faultsOfTouching(ready) == 0)
  }

  @Test func contentsStay() {
    let memory = WorkerMemory<UInt64>(count: 1 << 18)
    defer { memory.deallocate() }
    memory[(1 << 18) - 1] = 7
    memory.prefault()
    #expect(memory[(1 << 18) - 1] == 7 && memory[0] == 0)
  }
}
