import Datapath
import Glibc
import HostPlan
import Live
import LockFree
import Synchronization
import Tables
import Wire

@testable import Daemon

/// Ports without devices: the first guest sends a datagram to the second one as often as it is told.
final class QuietTraffic: @unchecked Sendable {
  private let memory = SharedMemory(lines: 2)
  let devices = QuietDevices()

  deinit { memory.deallocate() }

  /// Lets the guest send some more; one thread.
  func offer(_ count: Int) { memory.line(0).add(UInt64(count)) }

  /// Whether there is one to be sent; on the first worker's thread.
  func take() -> Bool {
    guard memory.line(1).load() < memory.line(0).load() else { return false }
    memory.line(1).add(1)
    return true
  }

  var ports: PortHandle {
    var handle = PortHandle(
      uplinkMAC: MACAddress(0), counters: { _ in PortCounters() }, offloads: { _ in .isUp },
      runWorker: { index, shared, engine, gate in
        var worker = LiveWorker<QuietIO>(
          index: index, io: QuietIO(traffic: self, worker: index),
          engine: engine.makeEngine(worker: index), shared: shared)
        gate.pass(worker: index)
        worker.run()
      }, release: {}, close: {})
    let devices = devices
    handle.attach = { guest, port throws(PortError) in try devices.open(guest, port) }
    handle.detach = { devices.close($0) }
    handle.reclaim = { devices.isHome($0) }
    return handle
  }
}

/// Devices that can be opened, or not.
final class QuietDevices: Sendable {
  struct State {
    var open: [Int: GuestPlan] = [:]
    /// Network interfaces whose devices cannot be opened.
    var broken: Set<String> = []
    /// Packets of closed ports are still on their way.
    var areBuffersAway = false
    var openings = 0
  }

  let state = Mutex(State())

  var open: [Int: GuestPlan] { state.withLock { $0.open } }
  func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  func open(_ guest: GuestPlan, _ port: Int) throws(PortError) {
    let isOpened = state.withLock { state in
      if state.broken.contains(guest.networkInterface) { return false }
      precondition(state.open[port] == nil)
      state.open[port] = guest
      state.openings += 1
      return true
    }
    if !isOpened { throw PortError(.machine, "guest", why: "it is broken", remedy: "mend it") }
  }

  func close(_ port: Int) { state.withLock { $0.open[port] = nil } }
  func isHome(_ port: Int) -> Bool { state.withLock { !$0.areBuffersAway && $0.open[port] == nil } }
}

struct QuietIO: PacketIO, ~Copyable {
  let traffic: QuietTraffic
  let worker: Int

  var portCount: Int { 5 }

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    guard worker == 0, port == 1, traffic.take(), let memory = malloc(512) else { return 0 }
    let base = memory + 128
    base.storeMAC(.router, at: 0)
    base.storeMAC(MACAddress(0x0200_0000_000A), at: 6)
    base.storeBig16(0x0800, at: 12)
    base.storeBig32(0x4500_0020, at: 14)
    base.storeBig32(0, at: 18)
    base.storeBig32(0x4011_0000, at: 22)
    base.storeBig32(0x0A00_000A, at: 26)
    base.storeBig32(0x0A00_000B, at: 30)
    let sum = InternetChecksum.sum(UnsafeRawPointer(base + 14), count: 20)
    base.storeBig16(InternetChecksum.finish(sum), at: 24)
    base.storeBig16(4_000, at: 34)
    base.storeBig16(7, at: 36)
    base.storeBig32(0x000C_0000, at: 38)
    base.storeBig32(0, at: 42)
    burst[0].base = base
    burst[0].length = 46
    burst[0].originalLength = 46
    burst[0].headroom = 128
    return 1
  }

  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    release(&packet)
  }

  mutating func release(_ packet: inout Packet) { free(packet.base - Int(packet.headroom)) }
  mutating func flush() {}
  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool { false }
  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    target.copyMemory(from: packet.base + offset, byteCount: count)
  }
  func offloads(port: Int) -> PortOffloads { .isUp }
  mutating func wait(microseconds: Int) { usleep(200) }
}
