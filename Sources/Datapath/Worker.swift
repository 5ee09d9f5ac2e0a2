import CDataplane
import Tables
import Wire

/// The engine of one core: judges bursts of packets by the rule tables, and keeps the connections,
/// fragments, allowances and counters that this needs.
///
/// Everything that handles packets calls `process`: live ports, replay, benchmarks, fuzzers and
/// simulation. After `init` nothing is allocated, and time comes with the packets.
public struct Worker: ~Copyable {
  /// Packets that one call of `process` takes at most.
  public static var burstCapacity: Int { 64 }

  public internal(set) var flows: FlowTable
  var fragments: FragmentTable
  /// The NIC whose old fragments are cleared away next when room is scarce.
  var nextFragmentOwner = 0
  let nics: WorkerMemory<NICState>
  /// Drops of each NIC by reason: 64 counters a NIC.
  let drops: WorkerMemory<UInt64>
  let hits: WorkerMemory<UInt64>
  private let ownsHits: Bool
  private let ownsShared: Bool
  let contexts: WorkerMemory<PacketContext>
  /// What the packets of a burst ask the groups.
  let questions: WorkerMemory<ClassifierQuestion>
  let senders: WorkerMemory<KnownSender>
  /// The steps of the last packet with `PacketFlags.traced`.
  public internal(set) var trace = Trace()
  /// The packet that is being judged is traced.
  var isTracing = false
  /// Connections beyond the NICs' reserves, and how many there may be.
  var sharedConnections: UInt32 = 0
  var sharedCapacity: UInt32
  var reservePerNIC: UInt32
  /// What of new tables this worker has followed.
  public internal(set) var following = TableFollowing()
  /// Ended connections that one packet clears away at most.
  let expiryPerPacket: Int
  /// Workers that share the NICs, and which one this is.
  let count: Int
  let index: Int
  /// The allowances of all workers together; of no use to a single one.
  let shared: SharedAllowances
  /// With several workers: what this one has taken of the NICs' allowances in advance.
  let leases: WorkerMemory<AllowanceLease>
  /// With several workers: who owns the connections of fragmented datagrams.
  let fragmentWays: WorkerMemory<UInt64>

  /// - Parameters:
  ///   - configuration: sizes of the worker's memory.
  ///   - nicCapacity: NICs that the tables may name.
  ///   - ruleCapacity: one more than the highest rule number the tables may name.
  public init(configuration: WorkerConfiguration, nicCapacity: Int, ruleCapacity: Int) {
    flows = FlowTable(capacity: configuration.flowCapacity, seed: configuration.seed)
    fragments = FragmentTable(
      capacity: configuration.fragmentCapacity, nicCapacity: nicCapacity, seed: configuration.seed)
    nics = WorkerMemory(count: nicCapacity)
    drops = WorkerMemory(count: nicCapacity * 64)
    ownsHits = configuration.hits == nil
    hits = configuration.hits ?? WorkerMemory(count: ruleCapacity)
    contexts = WorkerMemory(count: Self.burstCapacity)
    questions = WorkerMemory(count: Self.burstCapacity)
    senders = WorkerMemory(count: Self.knownSenders)
    expiryPerPacket = configuration.expiryPerPacket
    count = configuration.workerCount
    index = configuration.workerIndex
    precondition(index >= 0 && index < count && count <= 256)
    precondition(count == 1 || configuration.shared != nil)
    ownsShared = configuration.shared == nil
    shared = configuration.shared ?? SharedAllowances(nicCapacity: 0)
    leases = WorkerMemory(count: count == 1 ? 0 : nicCapacity * SharedAllowances.leasesPerNIC)
    fragmentWays = WorkerMemory(count: count == 1 ? 0 : nicCapacity * Self.fragmentWaysPerNIC)
    // Half of the table is reserved in equal parts, so that no NIC can starve another; the other
    // half goes to whoever needs it first.
    reservePerNIC = UInt32(configuration.flowCapacity / 2 / max(1, nicCapacity))
    sharedCapacity =
      UInt32(configuration.flowCapacity) - reservePerNIC * UInt32(max(1, nicCapacity))
  }

  deinit {
    nics.deallocate()
    drops.deallocate()
    if ownsHits { hits.deallocate() }
    contexts.deallocate()
    questions.deallocate()
    senders.deallocate()
    fragmentWays.deallocate()
    leases.deallocate()
    if ownsShared { shared.deallocate() }
  }

  /// Has the memory for connections, fragments and NICs backed with pages, before a packet comes.
  public func prefault() {
    flows.prefault()
    fragments.prefault()
    nics.prefault()
    drops.prefault()
    leases.prefault()
    fragmentWays.prefault()
  }

  // MARK: Counters

  /// Allowances in use and counters of a NIC.
  public func nicState(_ nic: TableIndex) -> NICState { nics[nic] }

  /// Packets of a NIC that were dropped for a reason.
  public func dropCount(_ nic: TableIndex, _ reason: DropReason) -> UInt64 {
    drops[Int(nic) * 64 + Int(reason.rawValue)]
  }

  /// Packets whose verdict names a rule.
  public func hitCount(rule: UInt32) -> UInt64 { hits[rule] }

  /// Connections that the NIC may still open, or nil when nothing but memory limits them
  /// (`conntrack_allowance_available`).
  public func connectionsAvailable(_ nic: TableIndex, _ tables: borrowing RuleTables) -> UInt32? {
    let limit = tables.nics[nic].connections
    if limit == .max { return nil }
    let used = count == 1 ? UInt64(nics[nic].connections) : shared.connections(nic)
    return limit - UInt32(truncatingIfNeeded: min(UInt64(limit), used))
  }

  // MARK: Packets

  /// Judges a burst in order; every packet then has its verdict.
  ///
  /// - Parameters:
  ///   - packets: at most `burstCapacity`; times never go back.
  ///   - tables: of one generation, for the whole burst.
  /// - Complexity: O(count).
  @_noLocks
  public mutating func process(
    _ packets: UnsafeMutableBufferPointer<Packet>, _ tables: borrowing RuleTables
  ) {
    let count = packets.count
    precondition(count <= Self.burstCapacity)
    // Several passes, so that the memory a packet needs is on its way while others are worked on.
    // SAFETY, of all of them: `index` is below the buffer's count, which is at most that of the
    // contexts; those stay where they are, and no other access to one is under way.
    for index in 0..<count {
      unsafe prepare(&packets[index], &contexts.uncheckedPointer(index).pointee, tables)
    }
    if self.count > 1 {
      for index in 0..<count {
        unsafe claim(&packets[index], &contexts.uncheckedPointer(index).pointee, tables)
      }
    }
    var fresh = 0
    for index in 0..<count {
      let context = unsafe contexts.uncheckedPointer(index)
      guard unsafe context.pointee.hasKey else { continue }
      if let candidate = unsafe flows.prefetchCandidate(context.pointee.hash) {
        unsafe context.pointee.candidate = candidate
      } else {
        unsafe questions.uncheckedPointer(fresh).pointee.asker = UInt32(truncatingIfNeeded: index)
        fresh &+= 1
      }
    }
    if fresh >= Self.lookaheadFrom { unsafe askFirstGroups(packets, count: fresh, tables) }
    for index in 0..<count {
      unsafe judge(&packets[index], &contexts.uncheckedPointer(index).pointee, tables)
    }
  }

  @inline(__always)
  private mutating func judge(
    _ packet: inout Packet, _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) {
    if flows.wheel.isBehind(packet.time) { expireFlows(packet.time) }
    isTracing = packet.flags.contains(.traced)
    if packet.verdict == .pending {
      if packet.origin == .guest {
        judgeEgress(&packet, &context, tables)
      } else {
        packet.direction = .ingress
        judgeIngress(&packet, &context, tables)
      }
    }
    if packet.rule != 0 { countHit(packet.rule) }
  }

  /// Counts a packet of a rule, by a word that others may read meanwhile.
  @inline(__always) @_semantics("no_performance_analysis")
  private func countHit(_ rule: UInt32) {
    // SAFETY: `pointer` checks the bounds.
    unsafe apus_add_relaxed(hits.pointer(Int(rule)), 1)
  }

  /// Counts the packets of a rule from zero again.
  @_semantics("no_performance_analysis")
  func forgetHits(_ rule: Int) {
    // SAFETY: `pointer` checks the bounds.
    unsafe apus_store_relaxed(hits.pointer(rule), 0)
  }

  /// Takes one packet of a NIC's link-local allowance, for a service that answered or consumed.
  ///
  /// - Returns: false when the allowance is used up; nothing is taken then.
  @_noLocks
  public mutating func chargeLinkLocal(
    nic: TableIndex, time: UInt64, _ tables: borrowing RuleTables
  ) -> Bool {
    let settings = tables.nics[nic].linkLocal
    if count > 1 {
      let isAdmitted = shared.take(.linkLocal, 1, nic: nic, now: time, settings)
      if !isAdmitted { nics[nic].counters.linkLocalExceeded &+= 1 }
      return isAdmitted
    }
    guard nics[nic].linkLocal.admits(1, now: time, settings) else {
      nics[nic].counters.linkLocalExceeded &+= 1
      return false
    }
    nics[nic].linkLocal.charge(1, settings)
    return true
  }

  /// Counts a drop that the slow path decided.
  @_noLocks
  public mutating func countDrop(nic: TableIndex, _ reason: DropReason) {
    drops[Int(nic) &* 64 &+ Int(reason.rawValue)] &+= 1
  }

  /// Gives a packet its verdict "drop".
  @inline(__always)
  func drop(_ packet: inout Packet, _ reason: DropReason, nic: TableIndex, rule: UInt32 = 0) {
    packet.verdict = .drop
    packet.reason = reason
    packet.rule = rule
    packet.state = .none
    packet.output = .nowhere
    if nic != .none { drops[Int(nic) &* 64 &+ Int(reason.rawValue)] &+= 1 }
  }

  @inline(__always)
  mutating func note(_ step: TraceStep, _ a: UInt64 = 0, _ b: UInt64 = 0) {
    if isTracing { trace.record(step, a, b) }
  }
}
