import CXDP
import Glibc
import HostPlan
import Live

/// What a worker's `KernelIO` points to.
struct WorkerSetup {
  let index: Int
  let pools: UnsafeMutablePointer<BufferPool>
  let framePorts: UnsafeMutablePointer<FramePort>
  let counters: UnsafeMutablePointer<PortCounters>
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

  /// Buffers of a guest's pool that a worker has, at most `buffers`. Each has some, for answers and
  /// segments; most are where the guest's queues are read.
  static func share(
    of guest: GuestPlan, buffers: Int, worker: Int, workers: Int
  ) -> Int {
    if workers == 1 { return buffers }
    let base = buffers / (4 * workers)
    return base + (buffers - base * workers) * queues(of: guest, worker, workers) / guest.queues
  }

  init(
    index: Int, plan: HostPlan, layout: BufferLayout, memory: SetupMemory
  ) throws(PortError) {
    self.index = index
    let workers = plan.workers.cores.count
    let ports = plan.portCapacity + 1
    pools = memory.zeroed(BufferPool.self, ports)
    framePorts = memory.zeroed(FramePort.self, ports)
    counters = memory.filled(PortCounters(), ports)
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
    preparePorts(ports, layout, memory)
  }

  /// The uplink's buffers, and places of guests' ports that have none yet.
  private func preparePorts(_ ports: Int, _ layout: BufferLayout, _ memory: SetupMemory) {
    let none = memory.zeroed(UInt32.self, 1)
    let noQueues = memory.filled(FrameQueue(descriptor: -1), 1)
    let noFrames = memory.zeroed(cxdp_frame.self, 1)
    for port in 0..<ports {
      (pools + port).initialize(to: BufferPool(free: none))
      (framePorts + port).initialize(to: FramePort(queues: noQueues, frames: noFrames))
    }
    pools[0].free = memory.zeroed(UInt32.self, layout.frames)
    framePorts[0].frames = memory.zeroed(cxdp_frame.self, Int(CXDP_BURST))
    fill(port: 0, first: 0, count: layout.frames)
  }

  /// Makes what a guest's place needs; it stays for the ports that come there later.
  func prepare(port: Int, queues: Int, buffers: Int, _ memory: SetupMemory) {
    pools[port].free = memory.zeroed(UInt32.self, buffers)
    framePorts[port].queues = memory.filled(FrameQueue(descriptor: -1), queues)
    framePorts[port].frames = memory.zeroed(cxdp_frame.self, Int(CXDP_BURST))
  }

  /// Gives a port its buffers, and lets it count from zero; while no worker has it.
  ///
  /// - Parameters:
  ///   - first: the lowest of the buffers' numbers.
  ///   - count: of the buffers.
  func fill(port: Int, first: Int, count: Int) {
    // The lowest number is on top.
    for slot in 0..<count { pools[port].free[slot] = UInt32(first + count - 1 - slot) }
    pools[port].count = count
    pools[port].capacity = count
    counters[port] = PortCounters()
    counters[port].buffers = UInt64(count)
  }

  private static func queues(of guest: GuestPlan, _ worker: Int, _ workers: Int) -> Int {
    worker < guest.queues ? (guest.queues - 1 - worker) / workers + 1 : 0
  }

  /// Adds a guest's queues to those that this worker reads, and chooses one to send through.
  func serve(_ guest: GuestPort, port: Int, workers: Int) {
    framePorts[port].queueCount = 0
    framePorts[port].next = 0
    framePorts[port].isTap = guest.isTap
    framePorts[port].sending = guest.descriptors[index % guest.descriptors.count]
    for queue in stride(from: index, to: guest.descriptors.count, by: workers) {
      let slot = framePorts[port].queueCount
      framePorts[port].queues[slot] = FrameQueue(descriptor: guest.descriptors[queue])
      framePorts[port].queueCount += 1
      watchQueue(guest.descriptors[queue], port: port, slot: slot)
    }
  }

  /// Forgets a guest's queues, which no worker reads any more.
  func leave(port: Int) {
    for slot in 0..<framePorts[port].queueCount {
      cxdp_unwatch(readiness, framePorts[port].queues[slot].descriptor)
    }
    framePorts[port].queueCount = 0
    framePorts[port].sending = -1
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
