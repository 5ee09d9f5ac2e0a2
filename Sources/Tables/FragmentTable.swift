import Wire

/// The key of a fragmented datagram at one NIC (RFC 791, RFC 8200 section 4.5).
@frozen public struct FragmentKey: BitwiseCopyable, Sendable, Equatable {
  public var sourceHigh: UInt64
  public var sourceLow: UInt64
  public var destinationHigh: UInt64
  public var destinationLow: UInt64
  /// NIC in the upper 31 bits, direction in the lowest.
  public var nicAndDirection: UInt32
  public var identifier: UInt32
  public var transport: UInt8
  public var family: IPFamily

  @_noLocks
  public init(_ headers: borrowing Headers, nic: UInt32, direction: Direction) {
    sourceHigh = headers.sourceHigh
    sourceLow = headers.sourceLow
    destinationHigh = headers.destinationHigh
    destinationLow = headers.destinationLow
    nicAndDirection = nic << 1 | UInt32(direction.rawValue)
    identifier = headers.fragmentID
    transport = headers.fragmentProtocol
    family = headers.family
  }

  func hash(seed: UInt64) -> UInt64 {
    var value = mix(seed ^ sourceHigh, destinationHigh ^ 0x9E37_79B9_7F4A_7C15)
    value = mix(value ^ sourceLow, destinationLow ^ 0xC2B2_AE3D_27D4_EB4F)
    let last = UInt64(nicAndDirection) << 32 | UInt64(identifier)
    return mix(value ^ last, 0x1656_67B1_9E37_79F9 ^ UInt64(transport))
  }

  private func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }
}

/// A datagram whose first fragment was seen, and what became of it.
@frozen public struct FragmentedDatagram: BitwiseCopyable, Sendable {
  var key: FragmentKey
  /// When it is forgotten, in nanoseconds.
  public var deadline: UInt64
  /// Why the first fragment was dropped, `none` if it passed.
  public var reason: DropReason
  /// `FlowState` of the first fragment.
  public var state: UInt8
  /// Pieces overlapped: the rest of it is dropped.
  public var isPoisoned: Bool
  public var rule: UInt32
  var nextInBucket: UInt32
  /// Next younger datagram of the same NIC.
  var nextOfNIC: UInt32
  var firstPiece: UInt32
  var pieceCount: UInt32
}

/// A fragment that was seen: its place and a digest of its bytes.
@frozen public struct FragmentPiece: BitwiseCopyable, Sendable {
  var digest: UInt64
  var offset: UInt32
  var length: UInt32
  var next: UInt32
}

/// A NIC's share of the fragment table: its datagrams, oldest first.
@frozen public struct FragmentShare: BitwiseCopyable, Sendable {
  /// One more than the number of the oldest; zero when there is none.
  var oldest: UInt32 = 0
  var youngest: UInt32 = 0
  public var count: UInt32 = 0
  /// Of its datagrams together.
  public var pieces: UInt32 = 0
  public init() {}
}

/// How a fragment relates to those seen before it.
@frozen public enum FragmentRelation: BitwiseCopyable, Sendable {
  case fresh, duplicate, overlapping
  /// More pieces than a datagram may have, or than there is room for.
  case tooMany
}

/// The fragmented datagrams that one worker remembers, for 15 seconds each from the first fragment.
///
/// Nothing is reassembled: later fragments follow the verdict of the first, and pieces are kept as
/// ranges so that overlaps are seen (RFC 5722, RFC 1858). Every NIC may have 1,024 datagrams. Half
/// of the room for datagrams and pieces is reserved in equal parts for the NICs; the other half is
/// for who needs it first.
public struct FragmentTable: ~Copyable {
  public static var lifetime: UInt64 { 15_000_000_000 }
  public static var datagramsPerNIC: UInt32 { 1024 }
  /// A 64 kB datagram over the smallest IPv6 MTU has 53 pieces; 256 leave room for small ones.
  public static var piecesPerDatagram: UInt32 { 256 }

  public let datagrams: WorkerMemory<FragmentedDatagram>
  let pieces: WorkerMemory<FragmentPiece>
  let heads: WorkerMemory<UInt32>
  let seed: UInt64
  private var datagramRoom: ReservedRoom
  private var pieceRoom: ReservedRoom
  var freeDatagram: UInt32 = .max
  var freshDatagram: UInt32 = 0
  var freePiece: UInt32 = .max
  var freshPiece: UInt32 = 0

  /// - Parameters:
  ///   - capacity: datagrams of all NICs together; there are 8 pieces for each.
  ///   - nicCapacity: NICs that share it.
  ///   - seed: keys the hash.
  public init(capacity: Int, nicCapacity: Int = 1, seed: UInt64) {
    datagrams = WorkerMemory(count: capacity)
    datagramRoom = ReservedRoom(capacity: capacity, sharers: nicCapacity)
    pieceRoom = ReservedRoom(capacity: capacity * 8, sharers: nicCapacity)
    pieces = WorkerMemory(count: capacity * 8)
    var bucketCount = 64
    while bucketCount < capacity { bucketCount *= 2 }
    heads = WorkerMemory(count: bucketCount)
    self.seed = seed
  }

  deinit {
    datagrams.deallocate()
    pieces.deallocate()
    heads.deallocate()
  }

  /// Has all memory backed with pages (`WorkerMemory.prefault`).
  public func prefault() {
    datagrams.prefault()
    pieces.prefault()
    heads.prefault()
  }

  // MARK: Lookup

  /// The live datagram of a key, or nil.
  ///
  /// - Complexity: O(1) expected.
  @_noLocks
  public mutating func lookup(
    _ key: FragmentKey, now: UInt64, share: inout FragmentShare
  ) -> UInt32? {
    expire(&share, now: now)
    var candidate = heads[Int(key.hash(seed: seed) & UInt64(heads.count - 1))]
    // Heads hold one more than the number, so that zeroed memory is empty.
    while candidate != 0 {
      if datagrams[candidate &- 1].key == key { return candidate &- 1 }
      candidate = datagrams[candidate &- 1].nextInBucket
    }
    return nil
  }

  /// Remembers a datagram whose first fragment is being judged; nil when the NIC's share or the
  /// table is full.
  @_noLocks
  public mutating func insert(
    _ key: FragmentKey, now: UInt64, share: inout FragmentShare
  ) -> UInt32? {
    expire(&share, now: now)
    guard share.count < Self.datagramsPerNIC, datagramRoom.has(after: share.count),
      let number = takeDatagram()
    else { return nil }
    datagramRoom.take(after: share.count)
    let bucket = Int(key.hash(seed: seed) & UInt64(heads.count - 1))
    datagrams[number] = FragmentedDatagram(
      key: key, deadline: now &+ Self.lifetime, reason: .none, state: 0, isPoisoned: false, rule: 0,
      nextInBucket: heads[bucket], nextOfNIC: 0, firstPiece: .max, pieceCount: 0)
    heads[bucket] = number &+ 1
    if share.oldest == 0 {
      share.oldest = number &+ 1
    } else {
      datagrams[share.youngest &- 1].nextOfNIC = number &+ 1
    }
    share.youngest = number &+ 1
    share.count &+= 1
    return number
  }

  /// Compares a fragment with those seen of its datagram and, if it is fresh, remembers it.
  ///
  /// - Parameters:
  ///   - offset: of its payload in the datagram, in bytes.
  ///   - length: of its payload, in bytes.
  ///   - digest: of the payload's captured bytes.
  ///   - share: of the datagram's NIC.
  /// - Complexity: O(pieces), at most 256.
  @_noLocks
  public mutating func relate(
    _ number: UInt32, offset: UInt32, length: UInt32, digest: UInt64, share: inout FragmentShare
  ) -> FragmentRelation {
    var piece = datagrams[number].firstPiece
    while piece != .max {
      let seen = pieces[piece]
      if seen.offset == offset && seen.length == length && seen.digest == digest {
        return .duplicate
      }
      if offset < seen.offset &+ seen.length && seen.offset < offset &+ length {
        return .overlapping
      }
      piece = seen.next
    }
    guard datagrams[number].pieceCount < Self.piecesPerDatagram,
      pieceRoom.has(after: share.pieces), let fresh = takePiece()
    else { return .tooMany }
    pieceRoom.take(after: share.pieces)
    share.pieces &+= 1
    pieces[fresh] = FragmentPiece(
      digest: digest, offset: offset, length: length, next: datagrams[number].firstPiece)
    datagrams[number].firstPiece = fresh
    datagrams[number].pieceCount &+= 1
    return .fresh
  }

  // MARK: Memory

  /// Datagrams below this number may be in use.
  public var highWater: UInt32 { freshDatagram }

  /// Forgets some datagrams of a NIC that is no more, oldest first.
  ///
  /// - Returns: false when none is left.
  @_noLocks
  public mutating func forget(_ share: inout FragmentShare, atMost limit: Int) -> Bool {
    var forgotten = 0
    while share.oldest != 0 && forgotten < limit {
      removeOldest(&share)
      forgotten &+= 1
    }
    return share.oldest != 0
  }

  /// Forgets the datagrams of a NIC whose time is over; they are oldest first.
  @_noLocks
  public mutating func expire(_ share: inout FragmentShare, now: UInt64) {
    while share.oldest != 0 {
      let number = share.oldest &- 1
      guard datagrams[number].deadline <= now else { return }
      removeOldest(&share)
    }
  }

  private mutating func removeOldest(_ share: inout FragmentShare) {
    let number = share.oldest &- 1
    unlink(number)
    share.oldest = datagrams[number].nextOfNIC
    if share.oldest == 0 { share.youngest = 0 }
    share.count &-= 1
    datagramRoom.giveBack(1, leaving: share.count)
    let count = datagrams[number].pieceCount
    share.pieces &-= count
    pieceRoom.giveBack(count, leaving: share.pieces)
    giveBack(number)
  }

  private mutating func unlink(_ number: UInt32) {
    let bucket = Int(datagrams[number].key.hash(seed: seed) & UInt64(heads.count - 1))
    if heads[bucket] == number &+ 1 {
      heads[bucket] = datagrams[number].nextInBucket
      return
    }
    var previous = heads[bucket]
    while previous != 0 {
      if datagrams[previous &- 1].nextInBucket == number &+ 1 {
        datagrams[previous &- 1].nextInBucket = datagrams[number].nextInBucket
        return
      }
      previous = datagrams[previous &- 1].nextInBucket
    }
  }

  private mutating func takeDatagram() -> UInt32? {
    if freeDatagram != .max {
      let number = freeDatagram
      freeDatagram = datagrams[number].nextInBucket
      return number
    }
    guard Int(freshDatagram) < datagrams.count else { return nil }
    freshDatagram &+= 1
    return freshDatagram &- 1
  }

  private mutating func takePiece() -> UInt32? {
    if freePiece != .max {
      let number = freePiece
      freePiece = pieces[number].next
      return number
    }
    guard Int(freshPiece) < pieces.count else { return nil }
    freshPiece &+= 1
    return freshPiece &- 1
  }

  private mutating func giveBack(_ number: UInt32) {
    var piece = datagrams[number].firstPiece
    while piece != .max {
      let next = pieces[piece].next
      pieces[piece].next = freePiece
      freePiece = piece
      piece = next
    }
    datagrams[number].nextInBucket = freeDatagram
    freeDatagram = number
  }
}

/// Room that is reserved to one half in equal parts for those who share it; the other half goes to
/// whoever needs it first.
struct ReservedRoom {
  private let reserve: UInt32
  private let shared: UInt32
  /// Of `shared`.
  private var taken: UInt32 = 0

  init(capacity: Int, sharers: Int) {
    reserve = UInt32(capacity / 2 / max(1, sharers))
    shared = UInt32(capacity) - reserve * UInt32(max(1, sharers))
  }

  /// Whether who has `count` already may have one more.
  func has(after count: UInt32) -> Bool { count < reserve || taken < shared }

  mutating func take(after count: UInt32) {
    if count >= reserve { taken &+= 1 }
  }

  /// Takes back `freed` of who has `count` left.
  mutating func giveBack(_ freed: UInt32, leaving count: UInt32) {
    let before = count &+ freed
    if before <= reserve { return }
    taken &-= before &- max(count, reserve)
  }
}
