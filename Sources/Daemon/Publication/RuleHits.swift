import CDataplane
import Tables

/// Packets that each rule allowed or denied: counted by the workers, read by anybody.
///
/// Made once and given to each worker's configuration; `deallocate` when all of them are gone.
struct RuleHits: Sendable {
  private let memories: [WorkerMemory<UInt64>]

  /// - Parameter ruleCapacity: one more than the highest rule number that tables may name.
  init(workers: Int, ruleCapacity: Int) {
    memories = (0..<workers).map { _ in WorkerMemory(count: ruleCapacity) }
  }

  /// Gives the memory back.
  func deallocate() {
    for memory in memories { memory.deallocate() }
  }

  /// Where a worker counts.
  func memory(worker: Int) -> WorkerMemory<UInt64> { memories[worker] }

  /// Packets whose verdict names a rule, of all workers.
  func count(rule: UInt32) -> UInt64 {
    var sum: UInt64 = 0
    for memory in memories {
      sum &+= apus_load_relaxed(memory.pointer(Int(rule)))
    }
    return sum
  }
}
