import CXDP
import Glibc
import HostPlan
import Live

/// What a worker's `KernelIO` points to, made at start.
struct WorkerSetup {
  let index: Int
  let pools: UnsafeMutablePointer<BufferPool>
  let framePorts: UnsafeMutablePointer<FramePort>
  let counters: UnsafeMutablePointer<PortCounters>
  let portOfBuffer: UnsafeMutablePointer<UInt16>
  let leaving: UnsafeMutablePointer<UnsafeMutablePointer<cxdp_return_ring>>
  let returning: UnsafeMutablePointer<UnsafeMutablePointer<cxdp_return_ring>>
  let noSocket: UnsafeMutablePointer<cxdp_socket>
  let descriptors: UnsafeMutablePointer<xdp_desc>
  let addresses: UnsafeMutablePointer<UInt64>
  let transmitting: UnsafeMutablePointer<xdp_desc>
  let received: UnsafeMutablePointer<cxdp_frame>
  let dirty: UnsafeMutablePointer<UInt16>
  let events: UnsafeMutablePointer<UInt64>
  let readiness: Int32
  let waiting: Int32
  let wakeup: Int32

  /// Buffers of a guest's pool that a worker has. Each has some, for answers and segments; most are
  /// where the guest's queues are read.
  static func share(
    of guest: GuestPlan, buffers: Int, worker: Int, workers: Int
  ) -> Int {
    if workers == 1 { return buffers }
    let base = buffers / (4 * workers)
    return base + (buffers - base * workers) * queues(of: guest, worker, workers) / guest.queues
  }

  init(
    index: Int, plan: HostPlan, layout: BufferLayout, buffersOfWorker: Int,
    memory: inout SetupMemory
  ) throws(PortError) {
    self.index = index
    let workers = plan.workers.cores.count
    let ports = plan.guests.count + 1
    pools = memory.zeroed(BufferPool.self, ports)
    framePorts = memory.zeroed(FramePort.self, ports)
    counters = memory.filled(PortCounters(), ports)
    portOfBuffer = memory.filled(UInt16(0), layout.frames + buffersOfWorker)
    leaving = memory.zeroed(UnsafeMutablePointer<cxdp_return_ring>.self, workers)
    returning = memory.zeroed(UnsafeMutablePointer<cxdp_return_ring>.self, workers)
    noSocket = memory.zeroed(cxdp_socket.self, 1)
    descriptors = memory.zeroed(xdp_desc.self, KernelIO.burst)
    addresses = memory.zeroed(UInt64.self, KernelIO.burst)
    transmitting = memory.zeroed(xdp_desc.self, KernelIO.burst)
    received = memory.zeroed(cxdp_frame.self, KernelIO.burst)
    dirty = memory.zeroed(UInt16.self, ports)
    events = memory.zeroed(UInt64.self, KernelIO.burst)
    readiness = cxdp_watcher_open()
    waiting = cxdp_watcher_open()
    wakeup = cxdp_wakeup_open()
    guard readiness >= 0, waiting >= 0, wakeup >= 0 else {
      throw .system(
        "workers", "epoll", min(readiness, waiting, wakeup),
        remedy: "raise the limit: ulimit -n 65536")
    }
    watch(wakeup, in: waiting, tag: EventTag.wakeup)
    watch(readiness, in: waiting, tag: EventTag.guests)
    fillPools(plan, layout, workers, &memory)
  }

  private func fillPools(
    _ plan: HostPlan, _ layout: BufferLayout, _ workers: Int, _ memory: inout SetupMemory
  ) {
    var number = 0
    for port in 0...plan.guests.count {
      let count =
        port == 0
        ? layout.frames
        : Self.share(
          of: plan.guests[port - 1], buffers: plan.memory.buffersPerGuest, worker: index,
          workers: workers)
      let free = memory.filled(UInt32(0), count)
      // The lowest number is on top.
      for slot in 0..<count {
        free[slot] = UInt32(number + count - 1 - slot)
        portOfBuffer[number + slot] = UInt16(port)
      }
      (pools + port).initialize(to: BufferPool(free: free, count: count, capacity: count))
      counters[port].buffers = UInt64(count)
      let queues = port == 0 ? 0 : Self.queues(of: plan.guests[port - 1], index, workers)
      (framePorts + port).initialize(
        to: FramePort(
          queues: memory.filled(FrameQueue(descriptor: -1), queues),
          frames: memory.zeroed(cxdp_frame.self, Int(CXDP_BURST))))
      number += count
    }
  }

  private static func queues(of guest: GuestPlan, _ worker: Int, _ workers: Int) -> Int {
    worker < guest.queues ? (guest.queues - 1 - worker) / workers + 1 : 0
  }

  /// Adds a guest's queues to those that this worker reads, and chooses one to send through.
  func serve(_ guest: GuestPort, port: Int, workers: Int) {
    framePorts[port].isTap = guest.isTap
    framePorts[port].sending = guest.descriptors[index % guest.descriptors.count]
    for queue in stride(from: index, to: guest.descriptors.count, by: workers) {
      let slot = framePorts[port].queueCount
      framePorts[port].queues[slot].descriptor = guest.descriptors[queue]
      framePorts[port].queueCount += 1
      watchQueue(guest.descriptors[queue], port: port, slot: slot)
    }
  }

  /// Watches the queues of a guest anew, after other sockets got their numbers.
  func watchAgain(port: Int) {
    for slot in 0..<framePorts[port].queueCount {
      watchQueue(framePorts[port].queues[slot].descriptor, port: port, slot: slot)
    }
  }

  private func watchQueue(_ descriptor: Int32, port: Int, slot: Int) {
    watch(descriptor, in: readiness, tag: UInt64(port << 16 | slot))
  }

  func watch(_ descriptor: Int32, in watcher: Int32, tag: UInt64) {
    _ = cxdp_watch(watcher, descriptor, tag)
  }

  func shutDown() {
    for descriptor in [readiness, waiting, wakeup] { close(descriptor) }
  }
}
