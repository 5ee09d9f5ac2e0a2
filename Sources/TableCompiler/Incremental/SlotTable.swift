import Tables

/// Which record of a table belongs to whom: an owner keeps its slot from generation to generation.
struct SlotTable<Key: Hashable & Sendable>: Sendable {
  private struct Retired: Sendable {
    var slot: TableIndex
    var generation: UInt32
  }

  let kind: String
  let capacity: Int
  /// Owner by slot; nil for a free one.
  private(set) var owners: [Key?] = []
  /// The generation in which each slot got its owner.
  private(set) var since: [UInt32] = []
  private var slots: [Key: TableIndex] = [:]
  /// Slots without an owner, the lowest last.
  private var free: [TableIndex] = []
  private var retired: [Retired] = []

  /// - Parameters:
  ///   - kind: the owners' name, for errors.
  ///   - capacity: slots that there may be.
  init(kind: String, capacity: Int) {
    self.kind = kind
    self.capacity = capacity
  }

  /// The slot of an owner.
  subscript(_ key: Key) -> TableIndex? { slots[key] }

  /// Owners that have a slot.
  var count: Int { slots.count }

  /// Gives everybody in `wanted` a slot, and takes it from all others.
  ///
  /// - Parameters:
  ///   - generation: the one that is being made.
  ///   - swept: slots that were left in this generation or before are free again.
  /// - Complexity: O(n).
  mutating func update(
    _ wanted: [Key], generation: UInt32, swept: UInt32
  ) throws(TableCompilerError) {
    try TableCompilerError.check(wanted.count, of: kind, limit: capacity)
    reclaim(swept: swept)
    let staying = Set(wanted)
    for (slot, owner) in owners.enumerated() {
      guard let owner, !staying.contains(owner) else { continue }
      owners[slot] = nil
      slots[owner] = nil
      retired.append(Retired(slot: TableIndex(slot), generation: generation))
    }
    if swept == .max { reclaim(swept: swept) }
    for key in wanted where slots[key] == nil { try add(key, generation: generation) }
  }

  private mutating func add(_ key: Key, generation: UInt32) throws(TableCompilerError) {
    if let slot = free.popLast() {
      owners[Int(slot)] = key
      since[Int(slot)] = generation
      slots[key] = slot
      return
    }
    guard owners.count < capacity else {
      // Slots that are left only now are not free before workers have seen it.
      if retired.contains(where: { $0.generation < generation }) { throw .awaitsWorkers }
      throw .capacity(of: kind, count: owners.count + 1, limit: capacity)
    }
    slots[key] = TableIndex(owners.count)
    owners.append(key)
    since.append(generation)
  }

  /// Frees the slots of owners that went in a generation up to `swept`.
  mutating func reclaim(swept: UInt32) {
    guard retired.contains(where: { $0.generation <= swept }) else { return }
    free += retired.lazy.filter { $0.generation <= swept }.map(\.slot)
    free.sort(by: >)
    retired.removeAll { $0.generation <= swept }
  }

  /// Slots that wait for the workers.
  var retiredSlots: [TableIndex] { retired.map(\.slot) }
  /// The last generation in which an owner went whose slot is not free again; 0 for none.
  var lastRetirement: UInt32 { retired.lazy.map(\.generation).max() ?? 0 }
}
