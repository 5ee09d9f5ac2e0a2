import CXDP
import Glibc
import HostPlan
import Live
import Wire

/// The ports of a host in the kernel runtime: AF_XDP to the underlay, packet sockets and taps to
/// the guests. No huge pages, and no driver is taken from the kernel.
///
/// Needs CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF, and CAP_SYS_RESOURCE or enough locked memory. A
/// process that ends in whatever way takes its program and sockets with it; what stays is the
/// filter that keeps guests from the host's own stack, on purpose.
public struct KernelRuntime: PortRuntime, ~Copyable {
  private let plan: HostPlan
  private var layout = BufferLayout.none
  private let buffersOfWorker: Int
  private var memory: SetupMemory
  private var uplink: Uplink?
  /// In memory of their own, so that `refresh` changes nothing that other threads' calls read.
  private let guests: UnsafeMutablePointer<GuestPort>
  private var guestCount = 0
  private var workers: [WorkerSetup] = []
  private let status: UnsafeMutablePointer<UInt8>
  /// By port, of packet sockets: the kernel forgets the number when it is asked.
  private let missed: UnsafeMutablePointer<UInt64>
  private var isOpen = true

  /// Opens all ports.
  ///
  /// - Parameter tunnelAddress: whose tunnel packets are taken off the uplink; none without it.
  /// - Throws: what is missing, and how to provide it. Nothing stays open.
  public init(_ plan: HostPlan, tunnelAddress: IPAddress?) throws(PortError) {
    self.plan = plan
    let count = plan.workers.cores.count
    precondition(count > 0 && plan.memory.buffersForUplink > 0 && plan.memory.buffersPerGuest > 0)
    buffersOfWorker =
      (0..<count).map { worker in
        plan.guests.reduce(0) {
          $0
            + WorkerSetup.share(
              of: $1, buffers: plan.memory.buffersPerGuest, worker: worker, workers: count)
        }
      }.max() ?? 0
    memory = SetupMemory()
    guests = .allocate(capacity: max(1, plan.guests.count))
    status = memory.filled(UInt8(0), plan.guests.count + 1)
    missed = memory.filled(UInt64(0), plan.guests.count + 1)
    do {
      try open(tunnelAddress)
    } catch {
      close()
      throw error
    }
    refresh()
  }

  deinit {
    precondition(!isOpen, "KernelRuntime.close() was not called")
    // Counters can be read until here.
    memory.free()
    guests.deinitialize(count: guestCount)
    guests.deallocate()
  }

  private mutating func open(_ tunnelAddress: IPAddress?) throws(PortError) {
    let count = plan.workers.cores.count
    layout = try BufferLayout.reserve(
      workers: count, frames: plan.memory.buffersForUplink, guestBuffers: buffersOfWorker)
    for index in 0..<count {
      workers.append(
        try WorkerSetup(
          index: index, plan: plan, layout: layout, buffersOfWorker: buffersOfWorker,
          memory: &memory))
    }
    connectWorkers()
    if let wanted = plan.uplink {
      uplink = try Uplink(wanted, workers: count, layout: layout, tunnelAddress: tunnelAddress)
    }
    serveUplink()
    for (slot, guest) in plan.guests.enumerated() {
      (guests + slot).initialize(to: try GuestPort(guest))
      guestCount += 1
      for worker in workers { worker.serve(guests[slot], port: slot + 1, workers: count) }
    }
  }

  /// Makes a return ring for each ordered pair of workers, large enough for all of the home's
  /// buffers.
  private mutating func connectWorkers() {
    var entries = 1
    while entries < layout.frames + buffersOfWorker { entries *= 2 }
    for from in workers {
      for home in workers where home.index != from.index {
        let ring = memory.zeroed(cxdp_return_ring.self, 1)
        ring.pointee.entries = memory.filled(UInt32(0), entries)
        ring.pointee.mask = UInt32(entries - 1)
        (from.leaving + home.index).initialize(to: ring)
        (home.returning + from.index).initialize(to: ring)
      }
    }
  }

  private func serveUplink() {
    for worker in workers {
      for slot in 0..<socketCount(worker.index) {
        worker.watch(socket(worker.index, slot), in: worker.waiting, tag: EventTag.uplink)
      }
      worker.framePorts[0].sending = packetSocket(worker.index)
    }
  }

  private func socketCount(_ worker: Int) -> Int {
    uplink?.sockets[worker].count ?? 0
  }

  private func socket(_ worker: Int, _ slot: Int) -> Int32 {
    uplink?.sockets[worker][slot].fd ?? -1
  }

  private func packetSocket(_ worker: Int) -> Int32 {
    uplink?.packetSockets[worker] ?? -1
  }

  private func socketBase(_ worker: Int) -> UnsafeMutablePointer<cxdp_socket>? {
    uplink?.sockets[worker].baseAddress
  }

  // MARK: Workers

  /// The ports of a worker; once for each, on its own thread. Must not be used after `close`.
  public func makeIO(worker index: Int) -> KernelIO {
    let worker = workers[index]
    return KernelIO(
      index: index, workerCount: workers.count, portCount: plan.guests.count + 1, layout: layout,
      pools: worker.pools, framePorts: worker.framePorts, counters: worker.counters,
      status: status, portOfBuffer: worker.portOfBuffer, leaving: worker.leaving,
      returning: worker.returning, sockets: socketBase(index) ?? worker.noSocket,
      socketCount: socketCount(index), umem: layout.region(of: index),
      uplinkFrameBytesMax: uplinkFrameBytesMax,
      descriptors: worker.descriptors, addresses: worker.addresses,
      transmitting: worker.transmitting, received: worker.received, dirty: worker.dirty,
      events: worker.events, readiness: worker.readiness, waiting: worker.waiting,
      wakeup: worker.wakeup)
  }

  private var uplinkFrameBytesMax: UInt32 {
    uplink.map { UInt32($0.interface.mtu + 14) } ?? 0
  }

  public func wake(worker index: Int) {
    guard isOpen else { return }
    cxdp_wakeup_set(workers[index].wakeup)
  }

  // MARK: Facts

  /// The uplink's program runs in the driver (native mode), not after it (generic mode).
  public var isNative: Bool {
    uplink?.program.isNative ?? false
  }

  /// The uplink's frames are not copied between driver and worker.
  public var isZeroCopy: Bool {
    uplink?.isZeroCopy ?? false
  }

  public var uplinkMAC: UInt64 {
    uplink?.interface.mac ?? 0
  }

  /// The uplink's interface index for `KernelNeighbors`, and its MTU.
  public var uplinkInterface: (index: Int32, mtu: Int)? {
    uplink.map { ($0.interface.index, $0.interface.mtu) }
  }

  public func offloads(port: Int) -> PortOffloads {
    PortOffloads(rawValue: cxdp_load(status + port))
  }

  public func counters(port: Int) -> PortCounters {
    var total = PortCounters()
    for worker in workers { total.add(worker.counters + port) }
    total.missed = port == 0 ? missedByUplink() : missed[port]
    return total
  }

  private func missedByUplink() -> UInt64 {
    var total: UInt64 = 0
    for worker in workers {
      for slot in 0..<socketCount(worker.index) {
        total += cxdp_socket_missed(socket(worker.index, slot))
      }
    }
    return total
  }

  // MARK: Upkeep

  /// Looks again which ports are up and what guests' drivers have agreed to, and opens sockets anew
  /// where an interface went and came back. One thread calls it, about twice a second.
  public func refresh() {
    cxdp_store(status, uplinkOffloads().rawValue)
    for slot in 0..<guestCount {
      let port = slot + 1
      if guests[slot].reopenIfReplaced() {
        for worker in workers { worker.watchAgain(port: port) }
      }
      cxdp_store(status + port, guests[slot].offloads().rawValue)
      if guests[slot].isTap { continue }
      for descriptor in guests[slot].descriptors {
        missed[port] += UInt64(cxdp_packet_missed(descriptor))
      }
    }
  }

  private func uplinkOffloads() -> PortOffloads {
    guard let uplink else { return [] }
    return NetworkInterface.find(uplink.interface.name)?.isRunning == true ? .isUp : []
  }

  public mutating func close() {
    guard isOpen else { return }
    isOpen = false
    for slot in 0..<guestCount { guests[slot].shutDown() }
    uplink?.shutDown()
    for worker in workers { worker.shutDown() }
    layout.unmap(workers: plan.workers.cores.count)
  }
}

extension PortCounters {
  /// Adds the counters of a worker, which counts on meanwhile.
  mutating func add(_ other: UnsafeMutablePointer<PortCounters>) {
    func load(_ field: UnsafeMutablePointer<UInt64>) -> UInt64 { cxdp_load_counter(field) }
    receivedPackets += load(&other.pointee.receivedPackets)
    receivedBytes += load(&other.pointee.receivedBytes)
    sentPackets += load(&other.pointee.sentPackets)
    sentBytes += load(&other.pointee.sentBytes)
    dropsFull += load(&other.pointee.dropsFull)
    dropsDown += load(&other.pointee.dropsDown)
    dropsOversize += load(&other.pointee.dropsOversize)
    buffersInUse += load(&other.pointee.buffersInUse)
    buffers += load(&other.pointee.buffers)
  }
}
