import CDataplane
import Datapath
import Live
import LockFree
import Wire

/// What one worker of the isolation benchmark saw of the victim's frames.
struct VictimRecord {
  /// Of frames that were due while it was measured.
  var offered = 0
  var delivered = 0
  /// For which there was no room in the victim's ring, or that the worker dropped.
  var overflowed = 0
  var dropped = 0
  /// Frames that the attacker had taken off its ring.
  var attacked = 0
  /// Ticks in which something else had the processor.
  var stolen: UInt64 = 0
  var latencies = LatencyHistogram()
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
    var attack: Attack?
    /// Ticks: when measuring begins and ends.
    var from: UInt64
    var to: UInt64
    /// Ticks between two polls without a frame that no round takes, and what each frame adds.
    var gap: UInt64
    var gapPerFrame: UInt64
  }

  private let load: Load
  private let memory: UnsafeMutableRawPointer
  private let record: UnsafeMutablePointer<VictimRecord>
  /// The next slot of the victim, and of the attacker.
  private var next = (victim: 0, attacker: 0)
  private var due: Double
  private var random: UInt64
  private var now: UInt64 = 0
  private var frames = 0
  /// Frames that were due before this were held up by somebody else.
  private var disturbedUntil: UInt64 = 0

  /// - Parameters:
  ///   - memory: of `memoryLength` bytes, all zero. Others may have frames in it after this
  ///     worker's end, so it is the caller's.
  ///   - record: what happens is written there; read after the worker's end.
  init(
    _ load: Load, seed: UInt64, memory: UnsafeMutableRawPointer,
    record: UnsafeMutablePointer<VictimRecord>
  ) {
    self.load = load
    self.memory = memory
    self.record = record
    random = seed | 1
    due = Double(apus_tsc())
  }

  static var memoryLength: Int { 2 * slots * slotLength }

  var portCount: Int { 3 }

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    switch port {
    case 0:
      poll()
      return 0
    case 1: return receiveVictim(burst)
    default: return receiveAttacker(burst)
    }
  }

  /// Once a round: the time, and whether something else had the processor since the last.
  private mutating func poll() {
    let last = now
    now = apus_tsc()
    let most = load.gap + load.gapPerFrame * UInt64(frames)
    if last > 0 && now - last > most {
      // As long again to work off what has piled up.
      disturbedUntil = now + (now - last)
      if now > load.from && now < load.to { record.pointee.stolen += now - last }
      // What its ring could not hold meanwhile is not the worker's doing.
      while due < Double(now) - Double(Self.ringCapacity / 2) * load.interval {
        due += load.interval
      }
    }
    frames = 0
  }

  private mutating func receiveVictim(_ burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    while Double(now) - due > Double(Self.ringCapacity) * load.interval {
      if isMeasured(UInt64(due)) {
        record.pointee.offered += 1
        record.pointee.overflowed += 1
      }
      due += load.interval
    }
    var count = 0
    while count < min(burst.count, 32), due <= Double(now),
      let slot = take(next.victim, from: 0)
    {
      next.victim = (next.victim + 1) & (Self.slots - 1)
      slot.storeBytes(of: UInt64(due), toByteOffset: 8, as: UInt64.self)
      slot.storeBytes(of: disturbedUntil, toByteOffset: 16, as: UInt64.self)
      if isMeasured(UInt64(due)) { record.pointee.offered += 1 }
      due += load.interval
      BenchmarkFrame.write(at: slot + Self.headroom, flow: Int(step() >> 20) % load.flows)
      burst[count] = Self.packet(slot, length: PipelineBenchmark.frameLength)
      count += 1
    }
    frames += count
    return count
  }

  private mutating func receiveAttacker(_ burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    guard let attack = load.attack else { return 0 }
    var count = 0
    while count < min(burst.count, 32), let slot = take(next.attacker, from: Self.slots) {
      next.attacker = (next.attacker + 1) & (Self.slots - 1)
      slot.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
      let length = attack.write(at: slot + Self.headroom, random: step())
      burst[count] = Self.packet(slot, length: length)
      count += 1
    }
    if isMeasured(now) { record.pointee.attacked += count }
    frames += count
    return count
  }

  private func isMeasured(_ time: UInt64) -> Bool { time >= load.from && time < load.to }

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
    let slot = packet.base - Int(packet.headroom)
    let due = slot.load(fromByteOffset: 8, as: UInt64.self)
    if due != 0, port == 0 {
      if isMeasured(due) {
        record.pointee.delivered += 1
        let disturbed = max(disturbedUntil, slot.load(fromByteOffset: 16, as: UInt64.self))
        if due > disturbed { record.pointee.latencies.add(apus_tsc() &- due) }
      }
      slot.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    }
    release(&packet)
  }

  mutating func flush() {}

  mutating func release(_ packet: inout Packet) {
    let slot = packet.base - Int(packet.headroom)
    let due = slot.load(fromByteOffset: 8, as: UInt64.self)
    if due != 0 && isMeasured(due) { record.pointee.dropped += 1 }
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
