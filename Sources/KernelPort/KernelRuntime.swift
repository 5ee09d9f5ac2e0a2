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
  private let memory: SetupMemory
  private var uplink: Uplink?
  private var guests: GuestTable?
  private var workers: [WorkerSetup] = []
  private let status: UnsafeMutablePointer<UInt8>
  private var isOpen = true

  /// Opens all ports.
  ///
  /// - Parameters:
  ///   - tunnelAddress: whose tunnel packets are taken off the uplink; none without it.
  ///   - opener: opens guests' ports, those that come later too.
  /// - Throws: what is missing, and how to provide it. Nothing stays open.
  public init(
    _ plan: HostPlan, tunnelAddress: IPAddress?, opener: GuestOpener = .local
  ) throws(PortError) {
    self.plan = plan
    let count = plan.workers.cores.count
    precondition(count > 0 && plan.memory.buffersForUplink > 0 && plan.memory.buffersPerGuest > 0)
    memory = SetupMemory()
    status = memory.filled(UInt8(0), plan.portCapacity + 1)
    do {
      try open(tunnelAddress, opener)
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
  }

  private mutating func open(
    _ tunnelAddress: IPAddress?, _ opener: GuestOpener
  ) throws(PortError) {
    let count = plan.workers.cores.count
    layout = try BufferLayout.reserve(
      workers: count, frames: plan.memory.buffersForUplink, guestPorts: plan.portCapacity,
      buffersPerGuest: plan.memory.buffersPerGuest)
    for index in 0..<count {
      workers.append(try WorkerSetup(index: index, plan: plan, layout: layout, memory: memory))
    }
    try connectWorkers()
    let guests = GuestTable(
      plan: plan, layout: layout, workers: workers, memory: memory, status: status, opener: opener)
    self.guests = guests
    if let wanted = plan.uplink {
      uplink = try Uplink(wanted, workers: count, layout: layout, tunnelAddress: tunnelAddress)
    }
    serveUplink()
    for (slot, guest) in plan.guests.enumerated() { try guests.attach(guest, port: slot + 1) }
  }

  /// Makes a return ring for each ordered pair of workers, large enough for all of the home's
  /// buffers.
  private func connectWorkers() throws(PortError) {
    var entries = 1
    while entries < layout.numbers { entries *= 2 }
    for from in workers {
      for home in workers where home.index != from.index {
        let ring = memory.zeroed(cxdp_return_ring.self, 1)
        guard let places = memory.reserved(UInt32.self, entries) else {
          throw .system(
            "packet buffers", "mmap", -ENOMEM, remedy: "lower memory.nics or memory.buffersPerGuest"
          )
        }
        ring.pointee.entries = places
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
      index: index, workerCount: workers.count, portCount: plan.portCapacity + 1, layout: layout,
      pools: worker.pools, framePorts: worker.framePorts, counters: worker.counters,
      status: status, leaving: worker.leaving,
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
    total.missed = port == 0 ? missedByUplink() : guests?.missed(port: port) ?? 0
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

  // MARK: Guests that come and go

  /// Opens the port of a guest while workers poll others; one thread at a time. Workers poll it
  /// from the tables on that have it.
  ///
  /// - Parameter port: 1 to `HostPlan.portCapacity`, with no port there, and `reclaim` was true.
  /// - Throws: why it cannot be opened; nothing stays open.
  public func attach(_ guest: GuestPlan, port: Int) throws(PortError) {
    try guests?.attach(guest, port: port)
  }

  /// Closes the port of a guest, after every worker uses tables without it.
  public func detach(port: Int) { guests?.detach(port: port) }

  /// Whether all packets that came by a port which was closed are gone: then another one may be
  /// opened in its place.
  public func reclaim(port: Int) -> Bool { guests?.reclaim(port: port) ?? false }

  // MARK: Upkeep

  /// Looks again which ports are up and what guests' drivers have agreed to, and opens sockets anew
  /// where an interface went and came back. One thread calls it, about twice a second.
  public func refresh() {
    cxdp_store(status, uplinkOffloads().rawValue)
    guests?.refresh()
  }

  private func uplinkOffloads() -> PortOffloads {
    guard let uplink else { return [] }
    return NetworkInterface.find(uplink.interface.name)?.isRunning == true ? .isUp : []
  }

  public mutating func close() {
    guard isOpen else { return }
    isOpen = false
    guests?.shutDown()
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
