/// A read-only hash table from a 128-bit key to a range of NIC indices, in memory of its own.
///
/// Open addressing with a quarter of the places used: a key that is absent, the common case for
/// one of a packet's two ends, is known after about one probe. Lookups allocate nothing.
struct AddressTable: ~Copyable {
  struct Key: Hashable {
    var high: UInt64
    var low: UInt64
  }

  /// Consecutive entries of `nics`; empty when the key is absent.
  struct Candidates {
    var start: Int
    var count: Int
    static var none: Candidates { Candidates(start: 0, count: 0) }
  }

  private struct Place {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var start: UInt32 = 0
    /// Zero marks a place without a key.
    var count: UInt32 = 0
  }

  private let places: UnsafeMutablePointer<Place>
  private let mask: Int
  private let nics: UnsafeMutablePointer<UInt32>

  /// - Parameter entries: keys with the NICs that claim them, each list in model order.
  init(_ entries: [(key: Key, nics: [UInt32])]) {
    var capacity = 16
    while capacity < entries.count * 4 { capacity *= 2 }
    mask = capacity - 1
    places = .allocate(capacity: capacity)
    places.initialize(repeating: Place(), count: capacity)
    nics = .allocate(capacity: max(1, entries.reduce(0) { $0 + $1.nics.count }))
    var start = 0
    for entry in entries where !entry.nics.isEmpty {
      var index = Self.hash(entry.key.high, entry.key.low) & mask
      while places[index].count != 0 { index = (index + 1) & mask }
      places[index] = Place(
        high: entry.key.high, low: entry.key.low, start: UInt32(start),
        count: UInt32(entry.nics.count))
      for nic in entry.nics {
        (nics + start).initialize(to: nic)
        start += 1
      }
    }
  }

  deinit {
    places.deallocate()
    nics.deallocate()
  }

  /// The NICs that claim a key. Constant time.
  @inline(__always)
  func lookup(_ high: UInt64, _ low: UInt64) -> Candidates {
    var index = Self.hash(high, low) & mask
    while true {
      let place = places[index]
      if place.count == 0 { return .none }
      if place.low == low && place.high == high {
        return Candidates(start: Int(place.start), count: Int(place.count))
      }
      index = (index + 1) & mask
    }
  }

  /// The NIC at a position of `Candidates`.
  @inline(__always)
  func nic(_ position: Int) -> UInt32 { nics[position] }

  @inline(__always)
  private static func hash(_ high: UInt64, _ low: UInt64) -> Int {
    var h = (low ^ (high &* 0x9E37_79B9_7F4A_7C15)) &* 0xD6E8_FEB8_6659_FD93
    h ^= h >> 32
    return Int(truncatingIfNeeded: h & 0x7FFF_FFFF)
  }
}
