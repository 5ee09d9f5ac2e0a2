import Tables
import Wire

/// Which connections of a worker are asked for.
@frozen public struct FlowFilter: BitwiseCopyable, Sendable {
  /// `none` is any.
  public var nic: TableIndex = .none
  /// A protocol number; nil is any.
  public var transport: UInt8?
  /// That either end has.
  public var port: UInt16?
  /// That either end's address is in; nil is any.
  public var addresses: Addresses?

  public init() {}

  /// Addresses of one family that share their first bits; as flow keys have them.
  @frozen public struct Addresses: BitwiseCopyable, Sendable {
    public var isIPv6: Bool
    public var high: UInt64
    public var low: UInt64
    /// Ones for the bits that count.
    public var maskHigh: UInt64
    public var maskLow: UInt64

    public init(isIPv6: Bool, high: UInt64, low: UInt64, maskHigh: UInt64, maskLow: UInt64) {
      self.isIPv6 = isIPv6
      self.high = high
      self.low = low
      self.maskHigh = maskHigh
      self.maskLow = maskLow
    }

    /// Whether an address of the same family is one of them.
    @inlinable @inline(__always)
    public func contains(_ high: UInt64, _ low: UInt64) -> Bool {
      (high ^ self.high) & maskHigh | (low ^ self.low) & maskLow == 0
    }
  }
}

/// A connection as it was when it was asked for.
@frozen public struct FlowRecord: BitwiseCopyable, Sendable {
  public var entry: FlowEntry
  public var key: FlowKey

  /// The local side's port, or an echo's identifier.
  public var localPort: UInt16 { UInt16(truncatingIfNeeded: key.identity >> 16) }
  public var remotePort: UInt16 { UInt16(truncatingIfNeeded: key.identity) }
  public var localAddress: IPAddress {
    key.isIPv6 ? IPAddress(v6: key.localHigh, key.localLow) : Self.v4(key.localLow)
  }
  public var remoteAddress: IPAddress {
    key.isIPv6 ? IPAddress(v6: key.remoteHigh, key.remoteLow) : Self.v4(key.remoteLow)
  }

  private static func v4(_ low: UInt64) -> IPAddress {
    IPAddress(v4: UInt32(truncatingIfNeeded: low))
  }
}

// Questions about connections, answered in steps between two bursts.

extension Worker {
  /// Records that one step looks at.
  public static var inspectionStep: Int { 128 }

  /// Copies some of the connections that match, from a record on.
  ///
  /// - Parameters:
  ///   - cursor: where to begin; becomes where the next step goes on, `none` after the last.
  ///   - now: connections that ended by then do not count.
  ///   - count: of `records` in use; one more than fits says that there are more.
  /// - Complexity: O(128).
  @_noLocks
  public mutating func listFlows(
    _ cursor: inout UInt32, matching filter: FlowFilter, now: UInt64,
    into records: WorkerMemory<FlowRecord>, count: inout Int
  ) {
    let end = min(Int(cursor) &+ Self.inspectionStep, Int(flows.highWater))
    while Int(cursor) < end {
      let record = cursor
      cursor &+= 1
      if !isAlive(record, now: now) { continue }
      let key = flows.key(of: record)
      if !Self.matches(key, filter) { continue }
      if count < records.count {
        records[count] = FlowRecord(entry: flows.entries[record], key: key)
      }
      count = min(count &+ 1, records.count &+ 1)
    }
    if Int(cursor) >= Int(flows.highWater) { cursor = .none }
  }

  /// Counts the connections that the groups of other tables do not allow to begin, by NIC.
  ///
  /// Of SCTP, whose connections have no ports, only rules for all ports are asked.
  ///
  /// - Parameters:
  ///   - doubtful: a bit for each rule whose connections are asked about; those of other rules are
  ///     allowed. With a count of 0 all are asked about.
  ///   - counts: by the number of the NIC.
  /// - Complexity: O(128) lookups of groups.
  @_noLocks
  public mutating func countRefusedFlows(
    _ cursor: inout UInt32, by tables: borrowing RuleTables, doubtful: WorkerMemory<UInt64>,
    now: UInt64, into counts: WorkerMemory<UInt64>
  ) {
    let end = min(Int(cursor) &+ Self.inspectionStep, Int(flows.highWater))
    while Int(cursor) < end {
      let record = cursor
      cursor &+= 1
      let rule = flows.entries[record].rule
      if doubtful.count > 0
        && (Int(rule >> 6) >= doubtful.count || doubtful[rule >> 6] >> UInt64(rule & 63) & 1 == 0)
      {
        continue
      }
      if !isAlive(record, now: now) { continue }
      let nic = flows.entries[record].nic
      let isKnown = Int(nic) < tables.nics.count && tables.nics[nic].isPresent
      let ruleKey = ClassifierKey.key(
        protocolNumber: flows.entries[record].transport, low: 0)
      if !isKnown || groupStep(connection: record, ruleKey: ruleKey, nic: nic, tables) == 0 {
        counts[nic] &+= 1
      }
    }
    if Int(cursor) >= Int(flows.highWater) { cursor = .none }
  }

  private func isAlive(_ record: UInt32, now: UInt64) -> Bool {
    flows.entries[record].kind != .free && flows.entries[record].deadline > now
  }

  private static func matches(_ key: FlowKey, _ filter: FlowFilter) -> Bool {
    let identity = key.identity
    if filter.nic != .none && UInt32(truncatingIfNeeded: identity >> 40) != filter.nic {
      return false
    }
    if let transport = filter.transport, UInt8(truncatingIfNeeded: identity >> 32) != transport {
      return false
    }
    if let port = filter.port, UInt16(truncatingIfNeeded: identity) != port,
      UInt16(truncatingIfNeeded: identity >> 16) != port
    {
      return false
    }
    guard let addresses = filter.addresses else { return true }
    return addresses.isIPv6 == key.isIPv6
      && (addresses.contains(key.localHigh, key.localLow)
        || addresses.contains(key.remoteHigh, key.remoteLow))
  }
}
