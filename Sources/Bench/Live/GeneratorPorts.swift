import CDataplane
import Datapath
import Glibc
import Live
import LockFree
import Wire

/// What `GeneratorPorts` share with whoever measures. It outlives all workers, as buffers of one
/// are under way at others until all have ended.
struct GeneratorMemory: @unchecked Sendable {
  static let buffers = 4096

  let buffers: UnsafeMutableRawPointer
  /// Frames that left by the uplink; and whether frames are made: words on lines of their own.
  let sent: UnsafeMutablePointer<UInt64>
  let gate: UnsafeMutablePointer<UInt64>

  init() {
    let length = Self.buffers * GeneratorPorts.slotLength
    buffers = .allocate(byteCount: length + 128, alignment: 64)
    buffers.initializeMemory(as: UInt8.self, repeating: 0, count: length + 128)
    sent = (buffers + length).assumingMemoryBound(to: UInt64.self)
    gate = (buffers + length + 64).assumingMemoryBound(to: UInt64.self)
  }

  func deallocate() { buffers.deallocate() }
}

/// Ports of one worker that make established UDP frames themselves and take what is sent: what the
/// workers benchmark polls in place of devices.
///
/// Port 1 is a guest that has always something to send; the uplink, port 0, counts what leaves. A
/// buffer is free again when its frame was sent or dropped, at whatever worker that happened.
struct GeneratorPorts: PacketIO, ~Copyable {
  static let slotLength = 256
  /// Where a slot keeps whether its buffer is under way; the frame is behind it.
  static let markLength = 64

  let memory: GeneratorMemory
  let flows: [UInt32]
  private var next = 0
  private var random: UInt64

  /// - Parameters:
  ///   - flows: of which every frame takes one at random.
  ///   - memory: of these ports alone, until every worker has ended.
  init(flows: [UInt32], seed: UInt64, memory: GeneratorMemory) {
    self.flows = flows
    self.memory = memory
    random = seed | 1
  }

  var portCount: Int { 2 }

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    if port == 0 { return 0 }
    if apus_load_relaxed(memory.gate) == 0 {
      // Somebody else's turn, on this processor.
      usleep(100)
      return 0
    }
    var count = 0
    while count < min(burst.count, 32) {
      let slot = memory.buffers + next * Self.slotLength
      let mark = slot.assumingMemoryBound(to: UInt64.self)
      if apus_load_acquire(mark) != 0 { break }
      apus_store_relaxed(mark, 1)
      next = (next + 1) & (GeneratorMemory.buffers - 1)
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      let base = slot + Self.markLength + PipelineBenchmark.headroom - 64
      BenchmarkFrame.write(at: base, flow: Int(flows[Int(random >> 20) % flows.count]))
      burst[count] = Packet(
        base: base, length: UInt32(PipelineBenchmark.frameLength),
        headroom: UInt32(base - slot))
      count += 1
    }
    return count
  }

  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    if port == 0 { apus_add_relaxed(memory.sent, 1) }
    release(&packet)
  }

  mutating func flush() {}

  mutating func release(_ packet: inout Packet) {
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
