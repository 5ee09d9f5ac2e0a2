import Wire

/// A read-only map from (scope, address) to a number, in pages that generations share.
///
/// A generation has a directory: where each of its pages stands in an array that all generations
/// view. A key hashes to a page and to a bucket in it; from there slots are probed in turn, round
/// the end of the page. A page is never written after a generation with it was published: a change
/// makes a new page, and the generations before still have the old one.
@frozen public struct PagedAddressMap: Sendable {
  /// Slots of a page; a fourth of a small page of memory for IPv4.
  @inlinable public static var slotsPerPage: Int { 256 }

  @usableFromInline let seed: UInt64
  /// The first slot of each page.
  @usableFromInline let v4Pages: FlatArray<UInt32>
  @usableFromInline let v6Pages: FlatArray<UInt32>
  @usableFromInline let v4: FlatArray<AddressSlotV4>
  @usableFromInline let v6: FlatArray<AddressSlotV6>

  /// A map without keys.
  @inlinable public init() {
    seed = 0
    v4Pages = FlatArray()
    v6Pages = FlatArray()
    v4 = FlatArray()
    v6 = FlatArray()
  }

  /// A map over the pages that the compiler built.
  ///
  /// - Parameters:
  ///   - v4Pages: the first slot of each page; empty without a key of the family.
  ///   - v4: the slots of all generations. Every page has an empty one.
  @inlinable public init(
    seed: UInt64, v4Pages: FlatArray<UInt32>, v4: FlatArray<AddressSlotV4>,
    v6Pages: FlatArray<UInt32>, v6: FlatArray<AddressSlotV6>
  ) {
    self.seed = seed
    self.v4Pages = v4Pages
    self.v4 = v4
    self.v6Pages = v6Pages
    self.v6 = v6
  }

  /// Where the probe of a key begins.
  @frozen public struct Place: BitwiseCopyable, Sendable {
    public var page: Int
    /// In the page.
    public var slot: Int

    /// The hash as a fraction: of the pages, and what is left of the buckets of one.
    ///
    /// - Parameter pages: more than zero.
    @inlinable @inline(__always)
    public init(_ hash: UInt64, pages: Int) {
      let product = hash.multipliedFullWidth(by: UInt64(truncatingIfNeeded: pages))
      page = Int(truncatingIfNeeded: product.high)
      // Six bits for 64 buckets of four slots, which are a cache line of IPv4.
      slot = Int(truncatingIfNeeded: product.low &>> 58) &<< 2
    }
  }

  /// The value of a key, or `none`.
  ///
  /// - Complexity: constant; a directory entry and one cache line are read in most cases.
  @inlinable
  @_noLocks
  public func lookup(scope: UInt32, _ address: IPAddress) -> TableIndex {
    let mask = PagedAddressMap.slotsPerPage &- 1
    if address.family == .v4 {
      guard v4Pages.count != 0 else { return .none }
      let key = AddressMap.key(scope: scope, address)
      let place = Place(AddressMap.hash(key, seed: seed), pages: v4Pages.count)
      let page = Int(v4Pages[place.page])
      var probe = place.slot
      while probe < place.slot &+ PagedAddressMap.slotsPerPage {
        let entry = v4[page &+ probe & mask]
        if entry.value == .none || entry.key == key { return entry.value }
        probe = probe &+ 1
      }
      return .none
    }
    guard v6Pages.count != 0 else { return .none }
    let hash = AddressMap.hash(scope: scope, high: address.high, low: address.low, seed: seed)
    let place = Place(hash, pages: v6Pages.count)
    let page = Int(v6Pages[place.page])
    var probe = place.slot
    while probe < place.slot &+ PagedAddressMap.slotsPerPage {
      let entry = v6[page &+ probe & mask]
      if entry.value == .none { return .none }
      if entry.low == address.low && entry.high == address.high && entry.scope == scope {
        return entry.value
      }
      probe = probe &+ 1
    }
    return .none
  }
}
