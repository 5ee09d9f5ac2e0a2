import Tables
import Wire

/// The pages of one family's addresses, and where they stand.
///
/// A key's page is its hash as a fraction of them, so their number is fixed: when one is full, all
/// are made anew, more of them.
struct AddressPages<Slot: AddressSlot>: Sendable {
  static var seed: UInt64 { 0xC2B2_AE3D_27D4_EB4F }
  /// Keys of a page when all are made, of 256 slots: so there is room for a fifth more.
  static var filling: Int { 160 }
  /// With more keys a page counts as full.
  static var limit: Int { 250 }

  private var pages: [AddressPage<Slot>] = []
  /// The first slot of each page.
  private(set) var directory: [UInt32] = []
  private(set) var byteCount = 0

  init() {}

  /// - Complexity: O(n).
  init(
    _ plan: AddressPagePlan<Slot>, in arenas: LocationArenas
  ) throws(TableCompilerError) {
    pages.reserveCapacity(plan.pageCount)
    directory.reserveCapacity(plan.pageCount)
    for number in 0..<plan.pageCount {
      let page = try AddressPage<Slot>(plan.page(number), in: arenas)
      pages.append(page)
      directory.append(page.firstSlot)
      byteCount += page.byteCount + 4
    }
  }

  /// The pages with other keys.
  ///
  /// - Parameters:
  ///   - removed: keys that go, if they are there.
  ///   - added: what comes; keys that are not there once `removed` went.
  /// - Returns: nil when all pages have to be made anew: one is full, or a key is there twice.
  /// - Complexity: O(pages + changed keys).
  func changed(
    removing removed: [AddressEntry], adding added: [AddressEntry], in arenas: LocationArenas
  ) throws(TableCompilerError) -> AddressPages? {
    if removed.isEmpty && added.isEmpty { return self }
    if pages.isEmpty { return nil }
    var changes: [Int: (removed: [AddressEntry], added: [AddressEntry])] = [:]
    for entry in removed { changes[place(entry).page, default: ([], [])].removed.append(entry) }
    for entry in added { changes[place(entry).page, default: ([], [])].added.append(entry) }
    var next = self
    for (number, change) in changes {
      var entries = pages[number].entries(in: arenas)
      entries.removeAll { entry in change.removed.contains { $0.hasKey(of: entry) } }
      for entry in change.added {
        if entries.contains(where: { $0.hasKey(of: entry) }) { return nil }
        entries.append(entry)
      }
      guard entries.count <= Self.limit else { return nil }
      let page = try AddressPage<Slot>(
        AddressPagePlan<Slot>.sorted(entries, pages: pages.count), in: arenas)
      next.byteCount += page.byteCount - pages[number].byteCount
      next.pages[number] = page
      next.directory[number] = page.firstSlot
    }
    return next
  }

  private func place(_ entry: AddressEntry) -> PagedAddressMap.Place {
    PagedAddressMap.Place(
      Slot.hash(scope: entry.scope, entry.address, seed: Self.seed), pages: pages.count)
  }

  /// The scope and address that lead to a mapping.
  ///
  /// - Complexity: O(pages).
  func key(
    ofMapping index: TableIndex, in arenas: LocationArenas
  ) -> (scope: UInt32, address: IPAddress)? {
    for page in pages {
      if let key = page.key(ofMapping: index, in: arenas) { return key }
    }
    return nil
  }
}

/// Which keys go to which page.
struct AddressPagePlan<Slot: AddressSlot> {
  private struct Item {
    /// The key's hash as a fraction of its page.
    var fraction: UInt64
    var page: UInt32
    /// In `entries`.
    var index: UInt32
  }

  private let entries: [AddressEntry]
  /// By page and fraction.
  private var items: [Item] = []
  private var ranges: [Range<Int>] = []
  /// Whether a key was there twice, of which the first counts.
  private(set) var hasDuplicates = false

  /// - Complexity: O(n).
  init(_ entries: [AddressEntry]) throws(TableCompilerError) {
    self.entries = entries
    if entries.isEmpty { return }
    let filling = AddressPages<Slot>.filling
    var count = (entries.count + filling - 1) / filling
    for _ in 0..<16 {
      distribute(count)
      let fullest = ranges.lazy.map(\.count).max() ?? 0
      if fullest <= AddressPages<Slot>.limit { return }
      count += count / 8 + 1
    }
    throw .capacity(
      of: "addresses that hash alike", count: ranges.lazy.map(\.count).max() ?? 0,
      limit: AddressPages<Slot>.limit)
  }

  var pageCount: Int { ranges.count }

  /// Room that the mappings of all pages take.
  var mappingRoom: Int {
    let step = LocationArenas.mappingStep
    return ranges.reduce(0) { sum, range in
      let count = items[range].count { entries[Int($0.index)].nic == .none }
      return sum + (count + step - 1) / step * step
    }
  }

  /// The entries of a page with the slots where their probes begin, ascending.
  func page(_ number: Int) -> [(slot: Int, entry: AddressEntry)] {
    items[ranges[number]].map { (Self.slot($0.fraction), entries[Int($0.index)]) }
  }

  /// The entries of one page, in the same order.
  static func sorted(
    _ entries: [AddressEntry], pages count: Int
  ) -> [(slot: Int, entry: AddressEntry)] {
    var items: [Item] = []
    for (index, entry) in entries.enumerated() { items.append(item(entry, index, pages: count)) }
    items.sort(by: precedes)
    return items.map { (slot($0.fraction), entries[Int($0.index)]) }
  }

  private static func slot(_ fraction: UInt64) -> Int { Int(fraction >> 58) << 2 }

  private static func item(_ entry: AddressEntry, _ index: Int, pages count: Int) -> Item {
    let hash = Slot.hash(scope: entry.scope, entry.address, seed: AddressPages<Slot>.seed)
    let product = hash.multipliedFullWidth(by: UInt64(count))
    return Item(fraction: product.low, page: UInt32(product.high), index: UInt32(index))
  }

  private static func precedes(_ a: Item, _ b: Item) -> Bool {
    a.fraction != b.fraction ? a.fraction < b.fraction : a.index < b.index
  }

  /// Sorts the entries into so many pages, by counting.
  private mutating func distribute(_ count: Int) {
    let unsorted = entries.enumerated().map { Self.item($0.element, $0.offset, pages: count) }
    var starts = [Int](repeating: 0, count: count + 1)
    for item in unsorted { starts[Int(item.page) + 1] += 1 }
    for page in 0..<count { starts[page + 1] += starts[page] }
    var next = starts
    items = unsorted
    for item in unsorted {
      items[next[Int(item.page)]] = item
      next[Int(item.page)] += 1
    }
    ranges = (0..<count).map { starts[$0]..<starts[$0 + 1] }
    for page in 0..<count { sortPage(page) }
  }

  /// Sorts a page, and leaves out what is there already.
  private mutating func sortPage(_ number: Int) {
    let range = ranges[number]
    items.withUnsafeMutableBufferPointer { items in
      var page = UnsafeMutableBufferPointer(rebasing: items[range])
      page.sort(by: Self.precedes)
    }
    var end = range.lowerBound
    for position in range {
      let item = items[position]
      var before = end
      var isRepeated = false
      while before > range.lowerBound, items[before - 1].fraction == item.fraction {
        before -= 1
        let other = entries[Int(items[before].index)]
        if other.hasKey(of: entries[Int(item.index)]) { isRepeated = true }
      }
      if isRepeated {
        hasDuplicates = true
        continue
      }
      items[end] = item
      end += 1
    }
    ranges[number] = range.lowerBound..<end
  }
}
