import CDataplane
import Datapath
import Live
import Wire

/// What the thread that pushes and the worker's ports tell each other.
struct PushSignals: @unchecked Sendable {
  private let words: UnsafeMutablePointer<UInt64>

  init() {
    words = .allocate(capacity: 64)
    words.initialize(repeating: 0, count: 64)
  }

  func deallocate() { words.deallocate() }

  /// The destination port that only the generation under way allows.
  var awaited: UInt64 {
    get { apus_load_acquire(words) }
    nonmutating set { apus_store_release(words, newValue) }
  }

  /// The time stamp counter when a frame to that port left first; 0 before.
  var seen: UInt64 {
    get { apus_load_acquire(words + 8) }
    nonmutating set { apus_store_release(words + 8, newValue) }
  }

  /// Frames of established connections that came, and that left.
  var offered: UInt64 { apus_load_relaxed(words + 16) }
  var sent: UInt64 { apus_load_relaxed(words + 24) }

  func countOffered(_ number: Int) { apus_add_relaxed(words + 16, UInt64(number)) }
  func countSent() { apus_add_relaxed(words + 24, 1) }
}

/// Ports of a worker whose guest sends frames of established connections as fast as they are taken,
/// and with each burst one probe that only some generations let pass.
struct PushPorts: PacketIO, ~Copyable {
  private static let slots = 4096
  private static let slotLength = 256
  static let probePort = 60_000

  /// The port that probes of a push go to. So many, that connections of earlier probes to it have
  /// ended when it comes again.
  static func probePort(_ push: Int) -> Int { probePort + push % 5_000 }
  static let probeDestination = IPAddress(v4: 0x0A01_0001)

  private let memory: UnsafeMutableRawPointer
  private let flows: Int
  private let signals: PushSignals
  private var next = 0
  private var probes = 0
  private var random: UInt64 = 88_172_645_463_325_252

  init(flows: Int, signals: PushSignals) {
    self.flows = flows
    self.signals = signals
    memory = .allocate(byteCount: Self.slots * Self.slotLength, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.slots * Self.slotLength)
  }

  deinit { memory.deallocate() }

  var portCount: Int { 2 }

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    if port == 0 { return 0 }
    let count = min(burst.count, 32)
    for index in 0..<count {
      // One worker settles every frame before it takes the next burst.
      let base = memory + next * Self.slotLength + PipelineBenchmark.headroom
      next = (next + 1) & (Self.slots - 1)
      if index == 0 { writeProbe(base) } else { writeFlow(base) }
      burst[index] = Packet(
        base: base, length: UInt32(PipelineBenchmark.frameLength),
        headroom: UInt32(PipelineBenchmark.headroom))
    }
    signals.countOffered(count - 1)
    return count
  }

  private mutating func writeFlow(_ base: UnsafeMutableRawPointer) {
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    BenchmarkFrame.write(at: base, flow: Int(random >> 20) % flows)
  }

  private mutating func writeProbe(_ base: UnsafeMutableRawPointer) {
    probes += 1
    BenchmarkFrame.write(at: base, flow: 0)
    base.storeBig32(Self.probeDestination.v4Bits, at: 30)
    base.storeBig16(0, at: 24)
    let sum = InternetChecksum.sum(UnsafeRawPointer(base + 14), count: 20)
    base.storeBig16(InternetChecksum.finish(sum), at: 24)
    base.storeBig16(UInt16(1_024 + probes % 16), at: 34)
    base.storeBig16(UInt16(truncatingIfNeeded: signals.awaited), at: 36)
  }

  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    let destination = UnsafeRawPointer(packet.base).loadUnaligned(
      fromByteOffset: 50 + 36, as: UInt16.self
    ).bigEndian
    if destination < Self.probePort {
      signals.countSent()
    } else if UInt64(destination) == signals.awaited && signals.seen == 0 {
      signals.seen = apus_tsc()
    }
  }

  mutating func flush() {}
  mutating func release(_ packet: inout Packet) {}
  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool { false }

  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    target.copyMemory(from: packet.base + offset, byteCount: count)
  }

  func offloads(port: Int) -> PortOffloads { .isUp }
  mutating func wait(microseconds: Int) {}
}
