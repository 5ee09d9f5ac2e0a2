import Tables
import Wire

/// The allowances of NICs whose packets several workers judge: one bucket each for all workers, and
/// one count of connections, changed by compare and exchange.
///
/// Workers take traffic's tokens in advance (`AllowanceLease`), or all would wait for one cache
/// line.
///
/// Made once and given to each worker's configuration; `deallocate` when all of them are gone.
public struct SharedAllowances: Sendable {
  enum Kind: Int { case bandwidthIn, bandwidthOut, packets, connectionRate, linkLocal }

  /// Buckets that each NIC has room for: two cache lines.
  private static var bucketsPerNIC: Int { 8 }
  /// Leases that a worker has of each NIC: of the first three kinds.
  static var leasesPerNIC: Int { 4 }

  private let buckets: WorkerMemory<SharedTokenBucket>
  private let counts: WorkerMemory<SharedCount>

  /// - Parameter nicCapacity: NICs that the tables may name.
  public init(nicCapacity: Int) {
    buckets = WorkerMemory(count: nicCapacity * Self.bucketsPerNIC)
    counts = WorkerMemory(count: nicCapacity)
  }

  /// Gives the memory back, when no worker uses it any more.
  public func deallocate() {
    buckets.deallocate()
    counts.deallocate()
  }

  /// Tracked connections of a NIC at all workers.
  @inline(__always)
  public func connections(_ nic: TableIndex) -> UInt64 {
    // SAFETY: `pointer` checks the bounds.
    unsafe counts.pointer(Int(nic)).load()
  }

  /// Fills the buckets of a NIC slot that gets another owner; its connections have ended.
  public func fill(_ nic: TableIndex) {
    for bucket in 0..<Self.bucketsPerNIC {
      // SAFETY: `pointer` checks the bounds, and the memory begins on a page.
      unsafe buckets.pointer(Int(nic) &* Self.bucketsPerNIC &+ bucket).fill()
    }
  }

  /// Fills the buckets of NICs that come with these tables, and of those whose allowances are
  /// others than before, as their parts mean something else. Before the tables are published.
  ///
  /// - Complexity: O(NICs).
  public func fill(for tables: borrowing RuleTables) {
    for nic in 0..<tables.nics.count {
      guard tables.nics[nic].isPresent else { continue }
      if tables.nics[nic].allowancesSince == tables.generation { fill(TableIndex(nic)) }
    }
  }

  @inline(__always)
  func addConnections(_ amount: Int64, _ nic: TableIndex) -> UInt64 {
    // SAFETY: `pointer` checks the bounds.
    unsafe counts.pointer(Int(nic)).add(amount)
  }

  @inline(__always)
  func take(
    _ kind: Kind, _ cost: UInt64, nic: TableIndex, now: UInt64, _ settings: BucketSettings
  ) -> Bool {
    // SAFETY: `pointer` checks the bounds, and the memory begins on a page.
    unsafe buckets.pointer(Int(nic) &* Self.bucketsPerNIC &+ kind.rawValue)
      .take(cost, now: now, settings)
  }

  @inline(__always)
  func giveBack(_ kind: Kind, _ cost: UInt64, nic: TableIndex, _ settings: BucketSettings) {
    // SAFETY: `pointer` checks the bounds, and the memory begins on a page.
    unsafe buckets.pointer(Int(nic) &* Self.bucketsPerNIC &+ kind.rawValue)
      .giveBack(cost, settings)
  }
}

extension Worker {
  /// `limitStep` with several workers: takes from each allowance in turn, and gives back what was
  /// taken when a later one refuses.
  @inline(never)
  mutating func sharedLimitStep(
    _ packet: inout Packet, _ context: inout PacketContext, creates: Bool, replaces: Bool,
    _ direction: Direction, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> DropReason {
    let now = packet.time
    if creates {
      let hasRoom =
        replaces
        ? mayReplaceConnection(nic, now: now, tables)
        : reserveConnection(nic, now: now, hash: context.hash, tables)
      if !hasRoom {
        nics[nic].counters.connectionsExceeded &+= 1
        return .limitConnections
      }
      if !shared.take(.connectionRate, 1, nic: nic, now: now, tables.nics[nic].connectionRate) {
        if !replaces { releaseConnection(nic) }
        return .limitConnectionRate
      }
    }
    let refusal = takeTraffic(&context, now: now, direction, nic: nic, tables)
    if refusal != .none && creates {
      shared.giveBack(.connectionRate, 1, nic: nic, tables.nics[nic].connectionRate)
      if !replaces { releaseConnection(nic) }
    }
    if refusal == .none { note(.limits, UInt64(context.cost)) }
    return refusal
  }

  private mutating func takeTraffic(
    _ context: inout PacketContext, now: UInt64, _ direction: Direction, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> DropReason {
    let cost = UInt64(context.cost)
    let count = UInt64(context.packets)
    if !lease(.packets, count, nic: nic, now: now, tables.nics[nic].packets) {
      nics[nic].counters.packetsExceeded &+= 1
      return .limitPackets
    }
    let fits =
      direction == .egress
      ? lease(.bandwidthOut, cost, nic: nic, now: now, tables.nics[nic].bandwidthOut)
      : lease(.bandwidthIn, cost, nic: nic, now: now, tables.nics[nic].bandwidthIn)
    if fits { return .none }
    if direction == .egress {
      nics[nic].counters.bandwidthOutExceeded &+= 1
    } else {
      nics[nic].counters.bandwidthInExceeded &+= 1
    }
    if !tables.nics[nic].packets.isUnlimited {
      leases[Int(nic) &* SharedAllowances.leasesPerNIC &+ SharedAllowances.Kind.packets.rawValue]
        .credit &+= count
    }
    return .limitBandwidth
  }

  /// Whether one connection of a NIC may take the place of another: not while there are more than
  /// its allowance, which was lowered then.
  private mutating func mayReplaceConnection(
    _ nic: TableIndex, now: UInt64, _ tables: borrowing RuleTables
  ) -> Bool {
    let limit = UInt64(tables.nics[nic].connections)
    if shared.connections(nic) > limit { expireDueFlows(now) }
    return shared.connections(nic) <= limit
  }

  /// Counts one more connection of a NIC, if its allowance, its share and the table have room.
  private mutating func reserveConnection(
    _ nic: TableIndex, now: UInt64, hash: UInt64, _ tables: borrowing RuleTables
  ) -> Bool {
    let limit = UInt64(tables.nics[nic].connections)
    if shared.connections(nic) >= limit { expireDueFlows(now) }
    let hasRoom =
      flows.hasRoom(hash)
      && (nics[nic].connections < reservePerNIC || sharedConnections < sharedCapacity)
    guard hasRoom else { return false }
    if shared.addConnections(1, nic) < limit { return true }
    releaseConnection(nic)
    return false
  }

  /// Counts one connection of a NIC less, at all workers.
  @inline(__always)
  mutating func releaseConnection(_ nic: TableIndex) { _ = shared.addConnections(-1, nic) }
}
