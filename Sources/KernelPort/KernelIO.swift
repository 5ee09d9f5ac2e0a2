import CXDP
import Datapath
import Glibc
import Live

/// A queue of a packet socket or tap that a worker receives from.
struct FrameQueue {
  var descriptor: Int32
  /// The kernel has said that something is there.
  var isReady = true
}

/// What a worker has of a port whose frames go through a packet socket or tap.
struct FramePort {
  var queues: UnsafeMutablePointer<FrameQueue>
  var queueCount = 0
  /// The queue to begin with, so that each gets its turn.
  var next = 0
  /// Where to send; -1 for nowhere.
  var sending: Int32 = -1
  var isTap = false
  /// Frames to be sent when flushed, `CXDP_BURST` at most.
  var frames: UnsafeMutablePointer<cxdp_frame>
  var frameCount = 0
}

/// The ports of one worker in the kernel runtime: AF_XDP sockets to the underlay, packet sockets
/// and taps to the guests.
///
/// Everything is in memory that `KernelRuntime` owns; it must outlive this. All calls come from one
/// thread. A burst costs one system call of a guest's port, and of the uplink one to send; the
/// uplink receives without.
public struct KernelIO: PacketIO, ~Copyable {
  static let burst = 64

  let index: Int
  let workerCount: Int
  public let portCount: Int
  let layout: BufferLayout

  // By port.
  let pools: UnsafeMutablePointer<BufferPool>
  let framePorts: UnsafeMutablePointer<FramePort>
  let counters: UnsafeMutablePointer<PortCounters>
  /// `PortOffloads` of each port, kept up to date by the runtime's `refresh`.
  let status: UnsafeMutablePointer<UInt8>
  /// By worker: buffers that go home from here, and those that come home.
  let leaving: UnsafeMutablePointer<UnsafeMutablePointer<cxdp_return_ring>>
  let returning: UnsafeMutablePointer<UnsafeMutablePointer<cxdp_return_ring>>

  // The uplink's sockets; the first one sends.
  let sockets: UnsafeMutablePointer<cxdp_socket>
  let socketCount: Int
  var nextSocket = 0
  let umem: UnsafeMutableRawPointer
  /// What the uplink's MTU allows, with the Ethernet header.
  let uplinkFrameBytesMax: UInt32
  let descriptors: UnsafeMutablePointer<xdp_desc>
  let addresses: UnsafeMutablePointer<UInt64>
  let transmitting: UnsafeMutablePointer<xdp_desc>
  var transmitCount = 0
  /// Frames that the kernel has and will give back when they are sent.
  var unfinished = 0

  // Scratch and readiness.
  let received: UnsafeMutablePointer<cxdp_frame>
  let dirty: UnsafeMutablePointer<UInt16>
  var dirtyCount = 0
  let events: UnsafeMutablePointer<UInt64>
  /// Watches the guests' queues; `waiting` watches it, the uplink's sockets and `wakeup`.
  let readiness: Int32
  let waiting: Int32
  let wakeup: Int32

  // MARK: Buffers

  public mutating func release(_ packet: inout Packet) {
    release(buffer: packet.base - Int(packet.headroom))
  }

  @inline(__always)
  func release(buffer: UnsafeMutableRawPointer) {
    let (worker, number) = layout.place(of: buffer)
    if worker == index { return giveBack(number) }
    cxdp_return_ring_push(leaving[worker], number)
  }

  @inline(__always)
  func giveBack(_ number: UInt32) {
    let port = layout.port(of: number)
    pools[port].put(number)
    counters[port].buffersInUse &-= 1
  }

  @inline(__always)
  func take(port: Int) -> UnsafeMutableRawPointer {
    counters[port].buffersInUse &+= 1
    return layout.buffer(pools[port].take(), worker: index)
  }

  public mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool {
    let room = port == 0 ? BufferLayout.frameBytes : BufferLayout.guestBufferBytes
    guard capacity <= room &- PacketIOLimits.headroom, pools[port].count > 0 else { return false }
    let buffer = take(port: port)
    packet = Packet(
      base: buffer + PacketIOLimits.headroom, length: 0,
      headroom: UInt32(PacketIOLimits.headroom))
    return true
  }

  /// Takes home what other workers have released.
  mutating func collectReturned() {
    for worker in 0..<workerCount where worker != index {
      var number: UInt32 = 0
      while cxdp_return_ring_pop(returning[worker], &number) { giveBack(number) }
    }
  }

  public mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    // Frames of this runtime are always in one buffer.
    precondition(offset >= 0 && count >= 0 && offset + count <= Int(packet.length))
    memcpy(target, packet.base + offset, count)
  }

  // MARK: Ports

  public func offloads(port: Int) -> PortOffloads {
    PortOffloads(rawValue: cxdp_load(status + port))
  }

  public mutating func receive(
    port: Int, into burst: UnsafeMutableBufferPointer<Packet>
  ) -> Int {
    port == 0 ? receiveUplink(into: burst) : receiveFrames(port: port, into: burst)
  }

  public mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    if port == 0 && socketCount > 0 {
      sendUplink(&packet)
    } else {
      sendFrame(&packet, port: port, headers: headers)
    }
  }

  public mutating func flush() {
    if socketCount > 0 { flushUplink() }
    for slot in 0..<dirtyCount { sendQueued(port: Int(dirty[slot])) }
    dirtyCount = 0
    if workerCount > 1 { collectReturned() }
    findReady()
  }

  // MARK: Waiting

  /// Asks the kernel once for all guests which of their queues have something, so that an idle
  /// guest costs no system call of its own.
  mutating func findReady() {
    let count = cxdp_wait(readiness, events, Int32(Self.burst), 0)
    guard count > 0 else { return }
    for slot in 0..<Int(count) {
      let tag = Int(events[slot])
      framePorts[tag >> 16].queues[tag & 0xFFFF].isReady = true
    }
  }

  public mutating func wait(microseconds: Int) {
    let count = cxdp_wait(waiting, events, Int32(Self.burst), Int64(max(1, microseconds)))
    guard count > 0 else { return }
    for slot in 0..<Int(count) where events[slot] == EventTag.wakeup { cxdp_wakeup_clear(wakeup) }
    findReady()
  }
}

/// What an event of `KernelIO.waiting` is about.
enum EventTag {
  static let wakeup: UInt64 = 1
  static let uplink: UInt64 = 2
  static let guests: UInt64 = 3
}
