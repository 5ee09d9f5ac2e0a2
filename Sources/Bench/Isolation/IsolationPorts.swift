import CDataplane
import Datapath
import Live
import LockFree
import Wire

/// What one worker of the isolation benchmark saw of the victim's frames, in peace or under attack.
struct VictimRecord {
  /// Of frames that were due while it was measured.
  var offered = 0
  var delivered = 0
  /// Frames that the attacker had taken off its ring.
  var attacked = 0
  /// Ticks in which something else had the processor.
  var stolen: UInt64 = 0
  /// Of all frames, and of those that nobody held up but the workers.
  var latencies = LatencyHistogram()
  var undisturbed = LatencyHistogram()
}

/// Ports of one worker in memory: port 0 swallows what goes to the underlay, port 1 is a guest that
/// sends at its rate whatever happens, port 2 one that always has something to send.
struct IsolationPorts: PacketIO, ~Copyable {
  static let slots = 4096
  static let slotLength = 512
  static let headroom = 192
  /// Frames that wait in the victim's ring at most, as of a guest with 256 descriptors.
  static let ringCapacity = 256

  struct Load: Sendable {
    /// Ticks between two of the victim's frames at this worker.
    var interval: Double
    var flows: Int
    var attack: Attack
    /// Ticks: when measuring begins and ends.
    var from: UInt64
    var to: UInt64
    /// Ticks of a turn: peace and attack take turns. What is due in the first 20th part of one is
    /// not measured: the turn before may still be felt.
    var turn: UInt64

    /// Whether a time is of peace (0) or attack (1); nil before measuring begins, which is peace.
    func part(_ time: UInt64) -> Int? {
      time >= from && time < to ? Int((time - from) / turn & 1) : nil
    }

    /// The same for what is measured.
    func measuredPart(_ time: UInt64) -> Int? {
      time >= from && time < to && (time - from) % turn >= turn / 20 ? part(time) : nil
    }
    /// Ticks between two calls of the worker that nothing which it does between them takes, and
    /// what each frame adds that it took since it last sent or released one. The same in peace and
    /// under attack: an allowance for bursts would leave short disturbances in peace alone.
    var gap: (empty: UInt64, perFrame: UInt64)
    var workers: Int
  }

  private let load: Load
  private let index: Int
  /// All workers', and this one's part of it.
  private let everything: UnsafeMutableRawPointer
  private let memory: UnsafeMutableRawPointer
  /// In peace, and under attack.
  private let records: UnsafeMutablePointer<VictimRecord>
  /// The next slot of the victim, and of the attacker.
  private var next = (victim: 0, attacker: 0)
  private var due: Double
  private var random: UInt64
  private var now: UInt64 = 0
  /// Frames that were taken since one was last sent or released.
  private var taken: UInt64 = 0
  /// Frames that were due before this were held up by somebody else.
  private var disturbedUntil: UInt64 = 0
  /// Frames of the victim that left in this round: whether it was disturbed is known after it.
  private var pending = 0

  /// - Parameters:
  ///   - index: which worker this is.
  ///   - everything: `memoryLength` bytes for each worker, all zero. Others may have frames in it
  ///     after this worker's end, so it is the caller's.
  ///   - records: two; what happens is written there, to be read after the worker's end.
  init(
    _ load: Load, index: Int, everything: UnsafeMutableRawPointer,
    records: UnsafeMutablePointer<VictimRecord>
  ) {
    self.load = load
    self.index = index
    self.everything = everything
    self.records = records
    memory = everything + index * Self.memoryLength
    random = UInt64(index) &* 7_919 &+ 77 | 1
    due = Double(apus_tsc())
  }

  /// Slots, the victim's frames of a round with when they were due and left, and a line for others.
  static var memoryLength: Int { pendingOffset + 16 * slots + 128 }
  private static var pendingOffset: Int { 2 * slots * slotLength }

  /// Until when a worker was held up by somebody else, for all to read.
  private func disturbance(of worker: Int) -> UnsafeMutablePointer<UInt64> {
    (everything + worker * Self.memoryLength + Self.pendingOffset + 16 * Self.slots)
      .assumingMemoryBound(to: UInt64.self)
  }

  var portCount: Int { 3 }

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    watch()
    switch port {
    case 0:
      countPending()
      return 0
    case 1: return taking(receiveVictim(burst))
    default: return taking(receiveAttacker(burst))
    }
  }

  private mutating func taking(_ count: Int) -> Int {
    taken += UInt64(count)
    return count
  }

  /// With each call: the time, and whether something else had the processor since the last.
  private mutating func watch() {
    let last = now
    now = apus_tsc()
    if last == 0 || now - last <= load.gap.empty + taken * load.gap.perFrame { return }
    // As long again to work off what has piled up.
    disturbedUntil = now + (now - last)
    apus_store_relaxed(disturbance(of: index), disturbedUntil)
    if let part = load.part(now) { records[part].stolen += now - last }
    // What its ring could not hold meanwhile is not the worker's doing.
    while due < Double(now) - Double(Self.ringCapacity / 2) * load.interval {
      due += load.interval
    }
  }

  /// Counts the latencies of the last round's frames, once more for those of which somebody held up
  /// no worker that they came through.
  private mutating func countPending() {
    if pending == 0 { return }
    var disturbed: UInt64 = 0
    for worker in 0..<load.workers {
      disturbed = max(disturbed, apus_load_relaxed(disturbance(of: worker)))
    }
    for place in 0..<pending {
      let entry = memory + Self.pendingOffset + 16 * place
      let due = entry.load(as: UInt64.self)
      guard let part = load.measuredPart(due) else { continue }
      let delay = entry.load(fromByteOffset: 8, as: UInt64.self) &- due
      records[part].latencies.add(delay)
      if due > disturbed { records[part].undisturbed.add(delay) }
    }
    pending = 0
  }

  private mutating func receiveVictim(_ burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    while Double(now) - due > Double(Self.ringCapacity) * load.interval {
      if let part = load.measuredPart(UInt64(due)) { records[part].offered += 1 }
      due += load.interval
    }
    var count = 0
    while count < min(burst.count, 32), due <= Double(now),
      let slot = take(next.victim, from: 0)
    {
      next.victim = (next.victim + 1) & (Self.slots - 1)
      slot.storeBytes(of: UInt64(due), toByteOffset: 8, as: UInt64.self)
      if let part = load.measuredPart(UInt64(due)) { records[part].offered += 1 }
      due += load.interval
      BenchmarkFrame.write(at: slot + Self.headroom, flow: Int(step() >> 20) % load.flows)
      burst[count] = Self.packet(slot, length: PipelineBenchmark.frameLength)
      count += 1
    }
    return count
  }

  private mutating func receiveAttacker(_ burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    guard load.part(now) == 1 else { return 0 }
    var count = 0
    while count < burst.count, let slot = take(next.attacker, from: Self.slots) {
      next.attacker = (next.attacker + 1) & (Self.slots - 1)
      slot.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
      let length = load.attack.write(at: slot + Self.headroom, random: step())
      burst[count] = Self.packet(slot, length: length)
      count += 1
    }
    records[1].attacked += count
    return count
  }

  /// A slot whose buffer is free, which is taken then.
  private func take(_ index: Int, from first: Int) -> UnsafeMutableRawPointer? {
    let slot = memory + (first + index) * Self.slotLength
    let mark = slot.assumingMemoryBound(to: UInt64.self)
    if apus_load_acquire(mark) != 0 { return nil }
    apus_store_relaxed(mark, 1)
    return slot
  }

  private static func packet(_ slot: UnsafeMutableRawPointer, length: Int) -> Packet {
    Packet(base: slot + headroom, length: UInt32(length), headroom: UInt32(headroom))
  }

  private mutating func step() -> UInt64 {
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    return random
  }

  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    watch()
    taken = 0
    let slot = packet.base - Int(packet.headroom)
    let due = slot.load(fromByteOffset: 8, as: UInt64.self)
    if due != 0, port == 0 {
      if let part = load.measuredPart(due) {
        records[part].delivered += 1
        if pending < Self.slots {
          let entry = memory + Self.pendingOffset + 16 * pending
          entry.storeBytes(of: due, as: UInt64.self)
          entry.storeBytes(of: now, toByteOffset: 8, as: UInt64.self)
          pending += 1
        }
      }
    }
    free(packet)
  }

  mutating func flush() {}

  mutating func release(_ packet: inout Packet) {
    watch()
    taken = 0
    free(packet)
  }

  private func free(_ packet: borrowing Packet) {
    let slot = packet.base - Int(packet.headroom)
    apus_store_release(slot.assumingMemoryBound(to: UInt64.self), 0)
  }

  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool { false }

  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    target.copyMemory(from: packet.base + offset, byteCount: count)
  }

  func offloads(port: Int) -> PortOffloads { .isUp }

  mutating func wait(microseconds: Int) {}
}

/// How often each delay came, to one part in 16.
struct LatencyHistogram {
  private var counts = [Int](repeating: 0, count: 64 * 16)
  private(set) var total = 0

  mutating func add(_ ticks: UInt64) {
    let value = max(ticks, 16)
    let power = 63 - value.leadingZeroBitCount
    counts[power * 16 + Int(value >> UInt64(power - 4) & 15)] += 1
    total += 1
  }

  mutating func add(_ other: LatencyHistogram) {
    for index in counts.indices { counts[index] += other.counts[index] }
    total += other.total
  }

  /// The ticks that this part of all does not exceed.
  func percentile(_ part: Double) -> Double {
    let wanted = Int((part * Double(total)).rounded(.up))
    var sum = 0
    for index in counts.indices {
      sum += counts[index]
      if sum >= wanted && sum > 0 {
        return Double(UInt64(16 + index % 16 + 1) << UInt64(max(0, index / 16 - 4)))
      }
    }
    return 0
  }
}
