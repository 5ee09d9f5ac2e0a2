import CDPDK
import Glibc
import HostPlan
import Live
import Synchronization
import Wire

/// The ports of a host, driven by DPDK: devices with a poll mode driver, and guests on vhost-user.
///
/// DPDK starts once a process, so a process can make one runtime and, when that is closed, no
/// other. Closing takes guests and devices out of use; DPDK itself ends with the process, and
/// leaves nothing in the file system.
public struct DPDKRuntime: PortRuntime, ~Copyable {
  /// Port 0 is the uplink. Workers keep the address, so it is never freed: a process has one
  /// runtime.
  let ports: UnsafeMutablePointer<Port>
  let portCount: Int
  /// Of worker w and port p at `w * portCount + p`; each is written by its worker only.
  let counters: UnsafeMutablePointer<PortCounters>
  /// A file to wake each worker by (eventfd).
  let wakers: [Int32]
  private let opener: PortOpener
  /// Of who asks for ports and who opens and closes them; workers have it never.
  private let asking = Mutex(())
  private var isOpen = true
  private var hasExclusive = true

  /// Starts DPDK and opens the ports.
  ///
  /// - Parameters:
  ///   - plan: the host; `memory.megabytes` must hold all pools of buffers.
  ///   - tunnelAddress: not needed here: a device takes all that comes, the engine sorts it.
  ///   - underlayMTU: bytes of an IP packet on the underlay. A buffer holds a frame of that size
  ///     or of the guest's MTU, whichever is larger.
  ///   - beforeExclusive: called before ports are opened that one process at a time can have, if
  ///     there are any; they are opened last.
  /// - Throws: the first port that cannot be opened; those before it are closed again.
  public init(
    _ plan: HostPlan, tunnelAddress: IPAddress?, underlayMTU: Int = 1500,
    beforeExclusive: () throws(PortError) -> Void = {}
  ) throws(PortError) {
    let opened = try Self.open(plan, underlayMTU, beforeExclusive)
    let workers = plan.workers.cores.count
    opener = PortOpener(plan: plan, underlayMTU: underlayMTU)
    portCount = opened.count
    ports = .allocate(capacity: opened.count)
    ports.initialize(from: opened, count: opened.count)
    counters = .allocate(capacity: workers * opened.count)
    counters.initialize(repeating: PortCounters(), count: workers * opened.count)
    wakers = (0..<workers).map { _ in apus_waker_open() }
  }

  private static func open(
    _ plan: HostPlan, _ underlayMTU: Int, _ beforeExclusive: () throws(PortError) -> Void
  ) throws(PortError) -> [Port] {
    guard (1...Int(APUS_VHOST_WORKERS)).contains(plan.workers.cores.count) else {
      throw PortError(
        .configuration, "workers", why: "there may be 1 to \(APUS_VHOST_WORKERS)",
        remedy: "name as many cores")
    }
    // DPDK takes devices of PCI when it starts.
    if plan.hasPCIDevices { try beforeExclusive() }
    try EnvironmentLayer.start(plan)
    let opener = PortOpener(plan: plan, underlayMTU: underlayMTU)
    var ports = Array(repeating: Port(), count: plan.portCapacity + 1)
    let numbers = 0...plan.guests.count + plan.devices.count
    do throws(PortError) {
      let exclusive = numbers.filter { !plan.isShareable(port: $0) }
      for number in numbers where plan.isShareable(port: number) {
        ports[number] = try opener.port(number)
        ports[number].isShareable = true
      }
      if !exclusive.isEmpty { try beforeExclusive() }
      for number in exclusive { ports[number] = try opener.port(number) }
    } catch {
      ports.withUnsafeMutableBufferPointer { release($0) }
      close(ports)
      throw error
    }
    return ports
  }

  /// The polling side of one worker, to be called once for each on its own thread.
  ///
  /// It must be gone, on that thread, before `close`.
  ///
  /// - Parameter index: less than the number of the plan's cores.
  public func makeIO(worker index: Int) -> DPDKIO {
    DPDKIO(
      worker: index, workers: wakers.count, ports: ports, portCount: portCount,
      counters: counters + index * portCount, waker: wakers[index])
  }

  public func counters(port: Int) -> PortCounters {
    var sum = PortCounters()
    for worker in wakers.indices {
      let part = counters[worker * portCount + port]
      sum.receivedPackets += part.receivedPackets
      sum.receivedBytes += part.receivedBytes
      sum.sentPackets += part.sentPackets
      sum.sentBytes += part.sentBytes
      sum.dropsFull += part.dropsFull
      sum.dropsDown += part.dropsDown
      sum.dropsOversize += part.dropsOversize
      sum.wedged += part.wedged
    }
    asking.withLock { _ in
      guard isOpen, let pool = ports[port].pool else { return }
      sum.buffers = UInt64(apus_pool_size(pool))
      sum.buffersInUse = UInt64(apus_pool_in_use(pool))
    }
    return sum
  }

  public func offloads(port: Int) -> PortOffloads {
    asking.withLock { _ in isOpen ? ports[port].offloads : PortOffloads(rawValue: 0) }
  }

  public var uplinkMAC: UInt64 { ports[0].mac }

  /// Drops what devices have received so far; before any worker polls.
  public func discardWaiting() {
    for number in 0..<portCount where ports[number].kind == .ethernet {
      for queue in 0..<ports[number].queues {
        apus_ethdev_discard(ports[number].device, UInt16(queue))
      }
    }
  }

  // MARK: Guests that come and go

  /// Opens the port of a guest on vhost-user while workers poll others; one thread at a time.
  /// Workers poll it from the tables on that have it.
  ///
  /// - Parameter port: 1 to `HostPlan.portCapacity`, with no port there, and `reclaim` was true.
  /// - Throws: why it cannot be opened; nothing stays open.
  public func attach(_ guest: GuestPlan, port: Int) throws(PortError) {
    if case .ethdev(let name) = guest.device {
      throw PortError(
        .configuration, "guest \(guest.networkInterface)",
        why: "\(name) is a device of DPDK that was not opened at start, and cannot be later",
        remedy: "add it to `devices` of the host file, 'apus run --takeover', and apply again")
    }
    let opened = try opener.guest(guest, number: port)
    asking.withLock { _ in
      precondition(ports[port].kind == .absent && ports[port].pool == nil)
      for worker in wakers.indices { counters[worker * portCount + port] = PortCounters() }
      ports[port] = opened
    }
  }

  /// Closes the port of a guest, after every worker uses tables without it. Takes up to a second.
  public func detach(port: Int) {
    // One thread at a time opens and closes, so that this one may look without the lock.
    let closed = ports[port]
    asking.withLock { _ in
      ports[port].kind = .absent
      ports[port].guest = nil
    }
    if let guest = closed.guest { apus_vhost_close(guest) }
    if closed.kind == .ethernet { apus_ethdev_close(closed.device) }
  }

  /// A device that stays open has lost its guest: no worker polls it or sends to it any more. One
  /// thread at a time, as all of these.
  public func park(port: Int) {
    guard ports[port].kind == .ethernet else { return }
    ports[port].isParked = true
    collect(port)
  }

  /// A device gets a guest: what came while it had none is dropped, and its counters begin at zero.
  /// Before tables have it.
  public func resume(port: Int) {
    guard ports[port].kind == .ethernet else { return }
    for queue in 0..<ports[port].queues {
      apus_ethdev_discard(ports[port].device, UInt16(queue))
    }
    asking.withLock { _ in
      ports[port].isParked = false
      for worker in wakers.indices { counters[worker * portCount + port] = PortCounters() }
    }
  }

  /// Takes buffers back that a device has sent, and would keep until it sends others.
  private func collect(_ port: Int) {
    for queue in 0..<ports[port].transmitQueues {
      apus_ethdev_collect(ports[port].device, UInt16(queue))
    }
  }

  /// Whether all packets that came by a port which was closed are gone: then its buffers are given
  /// back, and another one may be opened in its place.
  public func reclaim(port: Int) -> Bool {
    asking.withLock { _ in
      guard ports[port].kind == .absent else { return false }
      guard let pool = ports[port].pool else { return true }
      if apus_pool_in_use(pool) > 0 {
        for other in 0..<portCount where ports[other].isParked { collect(other) }
      }
      guard apus_pool_in_use(pool) == 0 else { return false }
      apus_pool_free(pool)
      ports[port].locks?.deallocate()
      ports[port] = Port()
      return true
    }
  }

  public func wake(worker index: Int) {
    apus_waker_call(wakers[index])
  }

  /// Takes those ports out of use that a successor waits for, and guests, whose sessions it goes on
  /// with; after every worker has ended. `close` does the rest, which takes longer.
  public mutating func release() {
    guard hasExclusive else { return }
    hasExclusive = false
    Self.release(UnsafeMutableBufferPointer(start: ports, count: portCount))
  }

  public mutating func close() {
    guard isOpen else { return }
    release()
    isOpen = false
    Self.close(Array(UnsafeBufferPointer(start: ports, count: portCount)))
    for waker in wakers where waker >= 0 { _ = Glibc.close(waker) }
  }

  private static func release(_ ports: UnsafeMutableBufferPointer<Port>) {
    for index in ports.indices {
      if let guest = ports[index].guest { apus_vhost_close(guest) }
      if ports[index].kind == .ethernet {
        if ports[index].isShareable { continue }
        apus_ethdev_close(ports[index].device)
      }
      ports[index].guest = nil
      ports[index].kind = .absent
    }
  }

  /// The rest of the ports, and all pools.
  private static func close(_ ports: [Port]) {
    for port in ports where port.kind == .ethernet { apus_ethdev_close(port.device) }
    // Only now: a device's rings may hold buffers of any pool.
    for port in ports {
      if let pool = port.pool { apus_pool_free(pool) }
      port.locks?.deallocate()
    }
  }
}
