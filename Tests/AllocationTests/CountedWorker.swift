import CMallocCounter
import Datapath
import TableCompiler
import Tables
import VPCModel
import Wire

/// What became of the packets, and what the heap was asked for while they were judged.
struct Tally {
  var packets = 0
  var allocations: UInt64 = 0
  var frees: UInt64 = 0
  var forwarded = 0
  var punted = 0
  /// Punts over the link-local allowance.
  var refusedServices = 0
  var local = 0
  var tunnelsIn = 0
  var tunnelsOut = 0
  var fragments = 0
  /// Packets by raw value of `DropReason` and of `FlowState`.
  var reasons = [Int](repeating: 0, count: 64)
  var states = [Int](repeating: 0, count: 8)

  mutating func add(_ packet: borrowing Packet) {
    packets += 1
    reasons[Int(packet.reason.rawValue)] += 1
    if packet.origin == .underlay && packet.verdict == .forward { tunnelsIn += 1 }
    if packet.verdict == .punt { punted += 1 }
    if packet.flags.contains(.needsFragmentation) { fragments += 1 }
    guard packet.verdict == .forward else { return }
    forwarded += 1
    states[Int(packet.state.rawValue)] += 1
    if packet.direction == .local { local += 1 }
    if packet.output == .underlay { tunnelsOut += 1 }
  }

  static func += (total: inout Tally, part: Tally) {
    total.packets += part.packets
    total.allocations += part.allocations
    total.frees += part.frees
    total.forwarded += part.forwarded
    total.punted += part.punted
    total.refusedServices += part.refusedServices
    total.local += part.local
    total.tunnelsIn += part.tunnelsIn
    total.tunnelsOut += part.tunnelsOut
    total.fragments += part.fragments
    for index in total.reasons.indices { total.reasons[index] += part.reasons[index] }
    for index in total.states.indices { total.states[index] += part.states[index] }
  }

  /// Reasons that occurred, for messages.
  var seen: Set<DropReason> {
    Set(DropReason.allCases.filter { $0 != .none && reasons[Int($0.rawValue)] > 0 })
  }
}

/// A worker with room for bursts, which counts what the heap is asked for while it works.
struct CountedWorker: ~Copyable {
  static let burst = 32
  static let headroom = 128
  static let slotLength = 12_288

  let compiled: CompiledTables
  var worker: Worker
  private let memory: UnsafeMutableRawPointer
  private let packets: UnsafeMutablePointer<Packet>
  private var count = 0
  private(set) var tally = Tally()

  init(_ model: VPCModel, flowCapacity: Int = 1 << 14) throws {
    compiled = try TableCompiler.compile(model)
    worker = Worker(
      configuration: WorkerConfiguration(flowCapacity: flowCapacity, fragmentCapacity: 1 << 10),
      nicCapacity: compiled.tables.nics.count, ruleCapacity: compiled.tables.ruleCount)
    memory = .allocate(byteCount: Self.burst * Self.slotLength, alignment: 64)
    packets = .allocate(capacity: Self.burst)
  }

  deinit {
    memory.deallocate()
    packets.deallocate()
  }

  /// Forgets what was counted so far.
  mutating func startCounting() { tally = Tally() }

  /// Adds a frame to the burst; a full burst is judged.
  mutating func add(
    _ frame: UnsafeRawBufferPointer, originalLength: Int, origin: Origin, nic: TableIndex,
    flags: PacketFlags, time: UInt64
  ) {
    guard let start = frame.baseAddress, frame.count <= Self.slotLength - Self.headroom else {
      return
    }
    let base = memory + count * Self.slotLength + Self.headroom
    base.copyMemory(from: start, byteCount: frame.count)
    var packet = Packet(
      base: base, length: UInt32(frame.count), headroom: UInt32(Self.headroom))
    packet.originalLength = UInt32(originalLength)
    packet.origin = origin
    packet.nic = nic
    packet.flags = flags
    packet.time = time
    (packets + count).initialize(to: packet)
    count += 1
    if count == Self.burst { judge() }
  }

  /// Judges what was added. Only the engine, and `disturbance`, are counted.
  mutating func judge(disturbance: () -> Void = {}) {
    let burst = UnsafeMutableBufferPointer(start: packets, count: count)
    let allocations = apus_allocations()
    let frees = apus_frees()
    worker.process(burst, compiled.tables)
    // As the owner does once a service has answered.
    for index in 0..<count where burst[index].verdict == .punt {
      let nic = burst[index].nic
      if !worker.chargeLinkLocal(nic: nic, time: burst[index].time, compiled.tables) {
        worker.countDrop(nic: nic, .limitLinkLocal)
        tally.refusedServices += 1
      }
    }
    disturbance()
    tally.allocations += apus_allocations() - allocations
    tally.frees += apus_frees() - frees
    for index in 0..<count { tally.add(burst[index]) }
    count = 0
  }
}
