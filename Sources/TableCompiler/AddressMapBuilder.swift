import Tables
import Wire

/// Builds an `AddressMap`.
struct AddressMapBuilder {
  struct Entry {
    var scope: UInt32
    var address: IPAddress
    var value: TableIndex
  }

  /// Used slots of ten: at seven an IPv4 key takes 23 bytes and two lines are rarely read.
  private static let usedOfTen = 7
  /// A longer probe is not accepted: another seed is tried.
  static let probeLimit = 64
  private static let seeds: ClosedRange<UInt64> = 1...8

  private var v4: [Entry] = []
  private var v6: [Entry] = []

  /// Adds a key; when it is there already, the first value stays.
  mutating func add(scope: UInt32, _ address: IPAddress, _ value: TableIndex) {
    let entry = Entry(scope: scope, address: address, value: value)
    if address.family == .v4 { v4.append(entry) } else { v6.append(entry) }
  }

  /// The finished map.
  ///
  /// - Complexity: O(n log n) in the keys.
  func finish(in memory: ImageMemory) throws(TableCompilerError) -> AddressMap {
    var longest = 0
    for number in Self.seeds {
      let seed = number &* 0xC2B2_AE3D_27D4_EB4F
      let v4Slots = placeV4(seed)
      let v6Slots = placeV6(seed)
      longest = max(v4Slots.extent.longestProbe, v6Slots.extent.longestProbe)
      guard longest <= Self.probeLimit else { continue }
      return AddressMap(
        seed: seed, v4: memory.store(v4Slots.slots), extent: v4Slots.extent,
        v6: memory.store(v6Slots.slots), extent: v6Slots.extent)
    }
    throw .capacity(of: "addresses that hash alike", count: longest, limit: Self.probeLimit)
  }

  private func placeV4(_ seed: UInt64) -> (slots: [AddressSlotV4], extent: AddressMap.Extent) {
    place(v4, empty: AddressSlotV4()) { entry in
      AddressMap.hash(AddressMap.key(scope: entry.scope, entry.address), seed: seed)
    } slot: { entry in
      var slot = AddressSlotV4()
      slot.key = AddressMap.key(scope: entry.scope, entry.address)
      slot.value = entry.value
      return slot
    }
  }

  private func placeV6(_ seed: UInt64) -> (slots: [AddressSlotV6], extent: AddressMap.Extent) {
    place(v6, empty: AddressSlotV6()) { entry in
      AddressMap.hash(
        scope: entry.scope, high: entry.address.high, low: entry.address.low, seed: seed)
    } slot: { entry in
      var slot = AddressSlotV6()
      slot.high = entry.address.high
      slot.low = entry.address.low
      slot.scope = entry.scope
      slot.value = entry.value
      return slot
    }
  }

  /// Places entries in the order of their hashes, which is also the order of their buckets.
  private func place<Slot>(
    _ entries: [Entry], empty: Slot, hash: (Entry) -> UInt64, slot: (Entry) -> Slot
  ) -> (slots: [Slot], extent: AddressMap.Extent) {
    var extent = AddressMap.Extent()
    guard !entries.isEmpty else { return ([], extent) }
    var order: [(hash: UInt64, index: Int)] = []
    order.reserveCapacity(entries.count)
    for (index, entry) in entries.enumerated() { order.append((hash(entry), index)) }
    order.sort { ($0.hash, $0.index) < ($1.hash, $1.index) }

    let perBucket = AddressMap.slotsPerBucket
    let buckets = (entries.count * 10 / Self.usedOfTen + perBucket - 1) / perBucket
    extent.buckets = UInt64(buckets)
    var slots = [Slot](repeating: empty, count: buckets * perBucket)
    var free = 0
    var equalHashes = 0..<0
    for (position, item) in order.enumerated() {
      let entry = entries[item.index]
      let sameHash = position > 0 && order[position - 1].hash == item.hash
      equalHashes = (sameHash ? equalHashes.lowerBound : position)..<position
      let isRepeated = equalHashes.contains {
        let other = entries[order[$0].index]
        return other.scope == entry.scope && other.address == entry.address
      }
      if isRepeated { continue }
      let start = AddressMap.firstSlot(item.hash, extent)
      let place = max(start, free)
      if place >= slots.count { slots.append(empty) }
      slots[place] = slot(entry)
      free = place + 1
      extent.longestProbe = max(extent.longestProbe, free - start)
    }
    // The last bucket's probe must find its slots, too.
    let end = (buckets - 1) * perBucket + extent.longestProbe
    while slots.count < end { slots.append(empty) }
    return (slots, extent)
  }
}
