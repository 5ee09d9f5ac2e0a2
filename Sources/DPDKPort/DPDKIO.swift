import CDPDK
import Datapath
import Live

/// What one worker polls of a `DPDKRuntime`, on the thread that made it and no other.
///
/// Frames to send are kept for each port until `flush`, or until there is a burst of them.
public struct DPDKIO: PacketIO, ~Copyable {
  let worker: Int
  let workers: Int
  let ports: UnsafeMutablePointer<Port>
  public let portCount: Int
  let counters: UnsafeMutablePointer<PortCounters>
  let waker: Int32
  /// DPDK knew this thread before: its main one.
  private let wasRegistered: Bool

  static var burst: Int { Int(APUS_BURST) }
  /// Of port p from `p * burst`: mbufs of frames to send.
  let staged: UnsafeMutablePointer<UnsafeMutablePointer<apus_mbuf>?>
  let stagings: UnsafeMutablePointer<Staging>
  /// The ports that have staged frames, in the order of their first.
  let stagedPorts: UnsafeMutablePointer<Int>
  var stagedPortCount = 0

  /// Of port p and its own queue k at `p * ownQueues + k`.
  let watches: UnsafeMutablePointer<RingWatch>
  let ownQueues: Int
  /// Of each port: where its next poll begins, and the device that its watches belong to.
  let turns: UnsafeMutablePointer<Int>
  let generations: UnsafeMutablePointer<UInt32>
  let millisecond: UInt64

  init(
    worker: Int, workers: Int, ports: UnsafeMutablePointer<Port>, portCount: Int,
    counters: UnsafeMutablePointer<PortCounters>, waker: Int32
  ) {
    self.worker = worker
    self.workers = workers
    self.ports = ports
    self.portCount = portCount
    self.counters = counters
    self.waker = waker
    wasRegistered = apus_thread_register() != 1
    precondition(Self.layoutsAgree)
    staged = .allocate(capacity: portCount * Self.burst)
    staged.initialize(repeating: nil, count: portCount * Self.burst)
    stagings = .allocate(capacity: portCount)
    stagings.initialize(repeating: Staging(), count: portCount)
    stagedPorts = .allocate(capacity: portCount)
    stagedPorts.initialize(repeating: 0, count: portCount)
    ownQueues = (Int(APUS_VHOST_PAIRS) + workers - 1) / workers
    watches = .allocate(capacity: portCount * ownQueues)
    watches.initialize(repeating: RingWatch(), count: portCount * ownQueues)
    turns = .allocate(capacity: portCount)
    turns.initialize(repeating: 0, count: portCount)
    generations = .allocate(capacity: portCount)
    generations.initialize(repeating: 0, count: portCount)
    millisecond = apus_cycles_per_second() / 1000
  }

  deinit {
    for index in 0..<stagedPortCount {
      let port = stagedPorts[index]
      apus_mbufs_free(staged + port * Self.burst, UInt32(stagings[port].count))
    }
    staged.deallocate()
    stagings.deallocate()
    stagedPorts.deallocate()
    watches.deallocate()
    turns.deallocate()
    generations.deallocate()
    if !wasRegistered { apus_thread_unregister() }
  }

  public func offloads(port: Int) -> PortOffloads { ports[port].offloads }

  // MARK: Buffers

  /// Whether DPDK's side may fill in the engine's descriptors: what it writes is read here.
  static var layoutsAgree: Bool {
    guard MemoryLayout<Packet>.size == MemoryLayout<apus_packet>.size else { return false }
    var byte: UInt8 = 0
    var written = apus_packet()
    withUnsafeMutablePointer(to: &byte) { written.base = UnsafeMutableRawPointer($0) }
    written.length = 1
    written.total = 2
    written.headroom = 3
    written.flags = UInt16(APUS_PACKET_PARTIAL_CHECKSUM)
    written.segment_size = 4
    return withUnsafeMutablePointer(to: &written) { written in
      let read = UnsafeMutableRawPointer(written).assumingMemoryBound(to: Packet.self)
      return read.pointee.base == written.pointee.base && read.pointee.length == 1
        && read.pointee.originalLength == 2 && read.pointee.headroom == 3
        && read.pointee.flags == .partialChecksum && read.pointee.segmentSize == 4
    }
  }

  public mutating func release(_ packet: inout Packet) {
    apus_buffer_free(packet.base - Int(packet.headroom))
  }

  public mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool {
    // Without an uplink nothing comes from there that could be answered.
    guard capacity <= ports[port].dataRoom, let pool = ports[port].pool,
      let base = apus_buffer_allocate(pool)
    else { return false }
    packet = Packet(base: base, length: 0, headroom: apus_buffer_headroom())
    return true
  }

  public mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    if offset + count <= Int(packet.length) {
      target.copyMemory(from: packet.base + offset, byteCount: count)
    } else {
      apus_buffer_copy(
        packet.base, packet.headroom, packet.length, UInt32(offset), UInt32(count), target)
    }
  }

  // MARK: Sleep

  /// Devices and guests have no file in common to wait for, so this is a nap of at most 100 µs.
  public mutating func wait(microseconds: Int) {
    apus_nap(waker, UInt32(max(0, min(microseconds, 100)) * 1000))
  }
}
