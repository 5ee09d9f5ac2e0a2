import Tables
import Wire

/// An address of a VPC and where it lives: what an address map is made from.
struct AddressEntry {
  var scope: UInt32
  var address: IPAddress
  /// The network interface here; `none` for a mapping.
  var nic: TableIndex
  var mapping = MappingRecord()

  init(scope: UInt32, _ address: IPAddress, nic: TableIndex) {
    self.scope = scope
    self.address = address
    self.nic = nic
  }

  init(scope: UInt32, _ address: IPAddress, _ mapping: MappingRecord) {
    self.scope = scope
    self.address = address
    self.mapping = mapping
    nic = .none
  }

  func hasKey(of other: AddressEntry) -> Bool {
    scope == other.scope && address == other.address
  }
}

/// The two kinds of slots as the compiler writes and reads them.
protocol AddressSlot: BitwiseCopyable, Sendable {
  init(_ entry: AddressEntry, _ location: Location)
  /// Scope and address, which mean something when the slot has a location.
  var owner: (scope: UInt32, address: IPAddress) { get }
  var location: Location? { get }
  static var empty: Self { get }
  static func hash(scope: UInt32, _ address: IPAddress, seed: UInt64) -> UInt64
  static func arena(_ arenas: LocationArenas) -> Arena<Self>
}

extension AddressSlotV4: AddressSlot {
  init(_ entry: AddressEntry, _ location: Location) {
    self.init()
    key = AddressMap.key(scope: entry.scope, entry.address)
    value = location.bits
  }

  var owner: (scope: UInt32, address: IPAddress) {
    let bits = key
    return (
      UInt32(truncatingIfNeeded: bits >> 32), IPAddress(v4: UInt32(truncatingIfNeeded: bits))
    )
  }

  var location: Location? { value == .none ? nil : Location(bits: value) }
  static var empty: AddressSlotV4 { AddressSlotV4() }

  static func hash(scope: UInt32, _ address: IPAddress, seed: UInt64) -> UInt64 {
    AddressMap.hash(AddressMap.key(scope: scope, address), seed: seed)
  }

  static func arena(_ arenas: LocationArenas) -> Arena<AddressSlotV4> { arenas.v4 }
}

extension AddressSlotV6: AddressSlot {
  init(_ entry: AddressEntry, _ location: Location) {
    self.init()
    high = entry.address.high
    low = entry.address.low
    scope = entry.scope
    value = location.bits
  }

  var owner: (scope: UInt32, address: IPAddress) { (scope, IPAddress(v6: high, low)) }
  var location: Location? { value == .none ? nil : Location(bits: value) }
  static var empty: AddressSlotV6 { AddressSlotV6() }

  static func hash(scope: UInt32, _ address: IPAddress, seed: UInt64) -> UInt64 {
    AddressMap.hash(scope: scope, high: address.high, low: address.low, seed: seed)
  }

  static func arena(_ arenas: LocationArenas) -> Arena<AddressSlotV6> { arenas.v6 }
}

/// A page of an address map with the mappings that it leads to: shared by all generations in which
/// it is the same.
final class AddressPage<Slot: AddressSlot>: Sendable {
  private let slots: Stored<Slot>
  private let mappings: Stored<MappingRecord>

  /// Where the page begins.
  var firstSlot: UInt32 { UInt32(slots.start) }
  var byteCount: Int { slots.byteCount + mappings.byteCount }

  /// - Parameter entries: with the slot where each one's probe begins, ascending; not too many.
  init(
    _ entries: [(slot: Int, entry: AddressEntry)], in arenas: LocationArenas
  ) throws(TableCompilerError) {
    let count = entries.count { $0.entry.nic == .none }
    let step = LocationArenas.mappingStep
    mappings = try arenas.mappings.reserve((count + step - 1) / step * step)
    slots = try Slot.arena(arenas).reserve(PagedAddressMap.slotsPerPage)
    var records = [MappingRecord](repeating: MappingRecord(), count: mappings.count)
    var placed = [Slot](repeating: .empty, count: PagedAddressMap.slotsPerPage)
    var next = 0
    for (start, entry) in entries {
      var location = Location(nic: entry.nic)
      if entry.nic == .none {
        location = Location(mapping: UInt32(mappings.start + next))
        records[next] = entry.mapping
        next += 1
      }
      placed[Self.freeSlot(from: start, placed)] = Slot(entry, location)
    }
    mappings.write(records)
    slots.write(placed)
  }

  private static func freeSlot(from start: Int, _ slots: [Slot]) -> Int {
    var slot = start
    while slots[slot].location != nil { slot = (slot + 1) & (PagedAddressMap.slotsPerPage - 1) }
    return slot
  }

  /// What the page holds.
  func entries(in arenas: LocationArenas) -> [AddressEntry] {
    let all = Slot.arena(arenas).view
    let records = arenas.mappings.view
    var entries: [AddressEntry] = []
    entries.reserveCapacity(PagedAddressMap.slotsPerPage)
    for index in slots.start..<slots.start + slots.count {
      let slot = all[index]
      guard let location = slot.location else { continue }
      let (scope, address) = slot.owner
      if location.isMapping {
        entries.append(AddressEntry(scope: scope, address, records[location.index]))
      } else {
        entries.append(AddressEntry(scope: scope, address, nic: location.index))
      }
    }
    return entries
  }

  /// The scope and address that lead to a mapping, when it is one of the page's.
  func key(
    ofMapping index: TableIndex, in arenas: LocationArenas
  ) -> (scope: UInt32, address: IPAddress)? {
    guard mappings.start..<mappings.start + mappings.count ~= Int(index) else { return nil }
    let all = Slot.arena(arenas).view
    for slot in slots.start..<slots.start + slots.count {
      guard let location = all[slot].location, location.isMapping, location.index == index else {
        continue
      }
      return all[slot].owner
    }
    return nil
  }
}
