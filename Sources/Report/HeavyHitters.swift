/// The keys with the most bytes of a stream, in bounded memory.
///
/// Space-saving (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k
/// elements in data streams", ICDT 2005), weighted by bytes. Until the first key had to give way
/// all is exact. After that a count is too high by at most its `error`, an error is at most the
/// total divided by the capacity, and every key above that share is kept.
public struct HeavyHitters<Key: Hashable> {
  /// What is known of one key.
  public struct Entry {
    public var key: Key
    /// At most `error` too high.
    public var bytes: UInt64
    /// Bytes that an earlier key had when this one took its place.
    public var error: UInt64
    /// Since the key is kept; all of them where `error` is zero. So are the fields below.
    public var packets: UInt64 = 0
    /// Bytes of packets that were marked as forward.
    public var forwardBytes: UInt64 = 0
    public var dropped: UInt64 = 0
  }

  public let capacity: Int
  /// Bytes of everything that was added.
  public private(set) var total: UInt64 = 0
  /// Whether no key had to give way.
  public private(set) var isExact = true
  private var entries: [Entry] = []
  private var slots: [Key: Int] = [:]
  /// Slots as a heap, fewest bytes first, and the place of each slot; built when first needed.
  private var heap: [Int] = []
  private var places: [Int] = []

  /// - Parameter capacity: keys that are kept, at least one.
  public init(capacity: Int) {
    self.capacity = max(1, capacity)
  }

  /// Counts one packet of a key.
  ///
  /// - Parameters:
  ///   - bytes: its weight.
  ///   - isForward: whether its bytes count as `forwardBytes`, too.
  /// - Complexity: O(1) while exact, then O(log capacity).
  public mutating func add(_ key: Key, bytes: UInt64, isForward: Bool, isDropped: Bool) {
    total &+= bytes
    let slot = slots[key] ?? place(key)
    entries[slot].bytes &+= bytes
    entries[slot].packets &+= 1
    if isForward { entries[slot].forwardBytes &+= bytes }
    if isDropped { entries[slot].dropped &+= 1 }
    if !heap.isEmpty { sink(places[slot]) }
  }

  /// The keys with the most bytes, most first; of equal ones that with more packets, then the one
  /// that is kept longer.
  public func top(_ count: Int) -> [Entry] {
    let order = entries.indices.sorted { a, b in
      let (first, second) = (entries[a], entries[b])
      if first.bytes != second.bytes { return first.bytes > second.bytes }
      return first.packets != second.packets ? first.packets > second.packets : a < b
    }
    return order.prefix(count).map { entries[$0] }
  }

  /// Keys that are kept.
  public var count: Int { entries.count }

  /// No key that is not kept has more bytes than this.
  public var largestUnkept: UInt64 {
    guard !isExact, let least = heap.first else { return 0 }
    return entries[least].bytes
  }

  private mutating func place(_ key: Key) -> Int {
    if entries.count < capacity {
      entries.append(Entry(key: key, bytes: 0, error: 0))
      slots[key] = entries.count - 1
      return entries.count - 1
    }
    if heap.isEmpty { buildHeap() }
    isExact = false
    let slot = heap[0]
    slots[entries[slot].key] = nil
    slots[key] = slot
    let bytes = entries[slot].bytes
    entries[slot] = Entry(key: key, bytes: bytes, error: bytes)
    return slot
  }

  private mutating func buildHeap() {
    // A sorted list is a heap.
    heap = entries.indices.sorted { (entries[$0].bytes, $0) < (entries[$1].bytes, $1) }
    places = Array(repeating: 0, count: heap.count)
    for (place, slot) in heap.enumerated() { places[slot] = place }
  }

  /// Moves a slot whose bytes have grown away from the root.
  private mutating func sink(_ start: Int) {
    var place = start
    let slot = heap[place]
    let bytes = entries[slot].bytes
    while 2 * place + 1 < heap.count {
      var child = 2 * place + 1
      if child + 1 < heap.count && entries[heap[child + 1]].bytes < entries[heap[child]].bytes {
        child += 1
      }
      if entries[heap[child]].bytes >= bytes { break }
      heap[place] = heap[child]
      places[heap[place]] = place
      place = child
    }
    heap[place] = slot
    places[slot] = place
  }
}
