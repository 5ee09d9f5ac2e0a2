import Tables
import Wire

/// How far a worker has followed a change of tables with what it keeps from packet to packet.
public struct TableFollowing: BitwiseCopyable, Sendable {
  /// The generation that the worker's allowances are of.
  var allowances: UInt32 = 0
  /// The retirement that is being cleaned up after, and the part that is under way.
  var target: UInt32 = 0
  @usableFromInline var part = SweepPart.done
  /// Where that part goes on.
  var cursor = 0
  /// Nothing of the worker names an owner that went in this generation or before.
  public internal(set) var swept: UInt32 = 0

  /// Whether `Worker.sweep` has something left to do.
  @inlinable public var isSweeping: Bool {
    if case .done = part { return false }
    return true
  }
}

/// What a sweep goes through, in this order.
@frozen @usableFromInline enum SweepPart: BitwiseCopyable, Sendable {
  case flows, datagrams, nics, hits, done
}

// What a worker does when tables of another generation are there. The number of a network interface
// or a rule whose owner went is given to another only when every worker has swept.

extension Worker {
  /// Records that one step of a sweep looks at.
  private static var sweepStep: Int { 256 }

  /// Follows tables of another generation, before any packet is judged by them.
  ///
  /// - Complexity: O(NICs) when an allowance has changed or a NIC came or went, else constant.
  @_noLocks
  public mutating func adopt(_ tables: borrowing RuleTables) {
    if following.allowances != tables.allowanceGeneration {
      following.allowances = tables.allowanceGeneration
      adoptAllowances(tables)
    }
    if !following.isSweeping { return beginSweep(tables) }
    // The list of NICs that went is another: places in it are other NICs'. To clean twice does no
    // harm, as nobody gets a number before this worker has swept.
    if case .nics = following.part { following.cursor = 0 }
  }

  /// Buckets of other settings begin full, as their parts mean something else; and the reserve of
  /// connections is divided among the NICs that there are.
  private mutating func adoptAllowances(_ tables: borrowing RuleTables) {
    let capacity = UInt32(truncatingIfNeeded: flows.entries.count)
    reservePerNIC = capacity / 2 / UInt32(truncatingIfNeeded: max(1, tables.nicCount))
    sharedCapacity = capacity &- reservePerNIC &* UInt32(truncatingIfNeeded: tables.nicCount)
    sharedConnections = 0
    var nic = 0
    while nic < tables.nics.count {
      let since = tables.nics[nic].allowancesSince
      if nics[nic].allowancesSince != since {
        nics[nic].allowancesSince = since
        nics[nic].bandwidthIn = TokenBucket()
        nics[nic].bandwidthOut = TokenBucket()
        nics[nic].packets = TokenBucket()
        nics[nic].connectionRate = TokenBucket()
        nics[nic].linkLocal = TokenBucket()
      }
      let connections = nics[nic].connections
      if connections > reservePerNIC { sharedConnections &+= connections &- reservePerNIC }
      nic &+= 1
    }
  }

  // MARK: Sweep

  private mutating func beginSweep(_ tables: borrowing RuleTables) {
    guard tables.retirement > following.swept else { return }
    following.target = tables.retirement
    following.part = .flows
    following.cursor = 0
  }

  /// Does a bounded step of the cleaning: connections, fragments, allowances and counters of NICs
  /// that went, and every mention of rules that went.
  ///
  /// - Parameter tables: those adopted last.
  /// - Complexity: O(256).
  @_noLocks
  public mutating func sweep(_ tables: borrowing RuleTables) {
    switch following.part {
    case .flows: sweepFlows(tables)
    case .datagrams: sweepDatagrams(tables)
    case .nics: sweepNICs(tables)
    case .hits: sweepHits(tables)
    case .done: return
    }
  }

  private mutating func go(to next: SweepPart) {
    following.part = next
    following.cursor = 0
  }

  @inline(__always)
  private mutating func sweepFlows(_ tables: borrowing RuleTables) {
    let end = min(following.cursor &+ Self.sweepStep, Int(flows.highWater))
    while following.cursor < end {
      let record = UInt32(truncatingIfNeeded: following.cursor)
      following.cursor &+= 1
      if flows.entries[record].kind == .free { continue }
      let nic = Int(flows.entries[record].nic)
      if nic >= tables.nics.count || !tables.nics[nic].isPresent {
        endFlow(record)
      } else if Self.isRetired(flows.entries[record].rule, tables) {
        flows.entries[record].rule = 0
      }
    }
    if following.cursor >= Int(flows.highWater) { go(to: .datagrams) }
  }

  @inline(__always)
  private mutating func sweepDatagrams(_ tables: borrowing RuleTables) {
    let end = min(following.cursor &+ Self.sweepStep, Int(fragments.highWater))
    while following.cursor < end {
      let datagram = UInt32(truncatingIfNeeded: following.cursor)
      following.cursor &+= 1
      if Self.isRetired(fragments.datagrams[datagram].rule, tables) {
        fragments.datagrams[datagram].rule = 0
      }
    }
    if following.cursor >= Int(fragments.highWater) { go(to: .nics) }
  }

  @inline(__always)
  private mutating func sweepNICs(_ tables: borrowing RuleTables) {
    guard following.cursor < tables.retiredNICs.count else { return go(to: .hits) }
    let nic = tables.retiredNICs[following.cursor]
    // One that went only now, and whose connections the next sweep ends.
    if nics[nic].connections != 0 {
      following.cursor &+= 1
      return
    }
    // The view by itself, as in `fragmentStep`.
    let nics = nics
    if fragments.forget(&nics[nic].fragments, atMost: Self.sweepStep) { return }
    following.cursor &+= 1
    nics[nic] = NICState()
    for reason in 0..<64 { drops[Int(nic) &* 64 &+ reason] = 0 }
    if count == 1 { return }
    for lease in 0..<SharedAllowances.leasesPerNIC {
      leases[Int(nic) &* SharedAllowances.leasesPerNIC &+ lease] = AllowanceLease()
    }
    for way in 0..<Self.fragmentWaysPerNIC {
      fragmentWays[Int(nic) &* Self.fragmentWaysPerNIC &+ way] = 0
    }
  }

  @inline(__always)
  private mutating func sweepHits(_ tables: borrowing RuleTables) {
    let end = min(following.cursor &+ Self.sweepStep / 8, tables.retiredRules.count)
    while following.cursor < end {
      var bits = tables.retiredRules[following.cursor]
      while bits != 0 {
        let rule = following.cursor &* 64 &+ bits.trailingZeroBitCount
        bits &= bits &- 1
        forgetHits(rule)
      }
      following.cursor &+= 1
    }
    guard following.cursor >= tables.retiredRules.count else { return }
    following.swept = following.target
    go(to: .done)
    // Others may have gone meanwhile.
    beginSweep(tables)
  }

  private static func isRetired(_ rule: UInt32, _ tables: borrowing RuleTables) -> Bool {
    let word = Int(rule >> 6)
    return word < tables.retiredRules.count
      && tables.retiredRules[word] >> UInt64(rule & 63) & 1 == 1
  }
}
