import CXDP
import Glibc
import HostPlan
import Wire

/// The opened uplink: the program, and the AF_XDP sockets of all workers.
///
/// Worker w has the sockets of the queues whose number modulo the workers is w, over one memory of
/// frames (XDP_SHARED_UMEM), and sends through the first. A worker without a queue sends through a
/// packet socket: two AF_XDP sockets on one queue would share its completion ring, and a lock.
struct Uplink {
  let interface: NetworkInterface
  let program: UplinkProgram
  /// By worker.
  var sockets: [UnsafeMutableBufferPointer<cxdp_socket>] = []
  /// By worker; -1 for one that has an AF_XDP socket.
  var packetSockets: [Int32] = []
  /// Frames go between driver and worker without a copy.
  private(set) var isZeroCopy = false

  init(
    _ plan: UplinkPlan, workers: Int, layout: BufferLayout, tunnelAddress: IPAddress?
  ) throws(PortError) {
    guard case .interface(let name) = plan.device else {
      throw PortError(
        .configuration, "uplink", why: "the kernel runtime needs a network interface",
        remedy: "set uplink.interface, or runtime: dpdk")
    }
    let what = "uplink \(name)"
    let interface = try NetworkInterface(
      name, what: what, remedy: "correct uplink.interface; ip link show lists those there are")
    try Self.checkSize(interface, what)
    try Self.checkQueues(interface, plan.queues, what)
    // The frames are locked memory, which is counted against a limit without CAP_IPC_LOCK.
    cxdp_raise_memory_limit()
    if interface.flags & UInt32(IFF_UP) == 0 {
      throw PortError(
        .machine, what, why: "the interface is down", remedy: "ip link set dev \(name) up")
    }
    self.interface = interface
    program = try UplinkProgram(on: interface, tunnelAddress: tunnelAddress)
    var failure = openSockets(
      plan, workers, layout, flags: plan.zeroCopy == false ? XDP_COPY : XDP_ZEROCOPY)
    if plan.zeroCopy == nil, let found = failure, found.result != -EPERM {
      failure = openSockets(plan, workers, layout, flags: XDP_COPY)
    } else {
      isZeroCopy = failure == nil && plan.zeroCopy != false
    }
    if let failure {
      shutDown()
      throw Self.socketError(failure, what, plan)
    }
    try openPacketSockets(workers, what)
  }

  // MARK: Checks

  private static func checkSize(
    _ interface: NetworkInterface, _ what: String
  ) throws(PortError) {
    let most = BufferLayout.frameBytes - BufferLayout.receiveHeadroom - 18
    if interface.mtu <= most { return }
    throw PortError(
      .machine, what, why: "its MTU is \(interface.mtu), and AF_XDP takes \(most) at most",
      remedy: "ip link set dev \(interface.name) mtu \(min(most, 3498))")
  }

  /// A queue without a socket would lose tunnel packets to the kernel, so all must be used.
  private static func checkQueues(
    _ interface: NetworkInterface, _ wanted: Int, _ what: String
  ) throws(PortError) {
    guard let queues = interface.receiveQueues, queues != wanted else { return }
    throw PortError(
      .configuration, what,
      why: "it has \(queues) receive queues, and uplink.queues is \(wanted)",
      remedy: "set uplink.queues to \(queues), or: ethtool -L \(interface.name) combined \(wanted)")
  }

  // MARK: Sockets

  private struct SocketFailure {
    var queue: Int
    var stage: String
    var result: Int32
  }

  /// Opens the sockets of all queues; on failure closes those that were opened.
  private mutating func openSockets(
    _ plan: UplinkPlan, _ workers: Int, _ layout: BufferLayout, flags: Int32
  ) -> SocketFailure? {
    for worker in 0..<workers {
      let queues = Array(stride(from: worker, to: plan.queues, by: workers))
      let opened = UnsafeMutableBufferPointer<cxdp_socket>.allocate(capacity: queues.count)
      opened.initialize(repeating: cxdp_socket())
      for slot in opened.indices { opened[slot].fd = -1 }
      sockets.append(opened)
      let entries = Self.ringEntries(frames: layout.frames, queues: queues.count)
      for (slot, queue) in queues.enumerated() {
        var settings = cxdp_socket_settings(
          interface_index: UInt32(interface.index), queue: UInt32(queue),
          umem: layout.region(of: worker), umem_bytes: UInt64(layout.frameRegionBytes),
          frame_bytes: UInt32(BufferLayout.frameBytes), shared_fd: slot == 0 ? -1 : opened[0].fd,
          bind_flags: UInt16(flags), fill_entries: entries, completion_entries: 2048,
          receive_entries: 2048, transmit_entries: 2048)
        var stage: UnsafePointer<CChar>?
        var result = cxdp_socket_open(&opened[slot], &settings, &stage)
        var name = stage.map { String(cString: $0) } ?? ""
        if result == 0 {
          result = program.add(socket: opened[slot].fd, queue: queue)
          name = "XSKMAP"
        }
        guard result == 0 else {
          closeSockets()
          return SocketFailure(queue: queue, stage: name, result: result)
        }
      }
    }
    return nil
  }

  /// The fill rings of a worker's queues take half of its frames, the rest is for packets on their
  /// way.
  private static func ringEntries(frames: Int, queues: Int) -> UInt32 {
    var entries = 64
    while entries < 4096 && entries * 2 * max(queues, 1) <= frames / 2 { entries *= 2 }
    return UInt32(entries)
  }

  private static func socketError(
    _ failure: SocketFailure, _ what: String, _ plan: UplinkPlan
  ) -> PortError {
    let call = "AF_XDP socket of queue \(failure.queue), \(failure.stage)"
    switch -failure.result {
    case EINVAL where failure.stage == "bind":
      return PortError(
        .configuration, what, why: "\(call): the device has no such queue",
        remedy: "lower uplink.queues, or give the device more: ethtool -L")
    case EBUSY:
      return .system(what, call, failure.result, remedy: "end the program that uses that queue")
    case EOPNOTSUPP where plan.zeroCopy == true:
      return PortError(
        .machine, what, why: "\(call): the driver cannot do it without copies",
        remedy: "leave uplink.zero_copy out, or set it to false")
    default:
      return .system(
        what, call, failure.result, remedy: "Apus needs Linux 5.11 or later with AF_XDP")
    }
  }

  private mutating func openPacketSockets(_ workers: Int, _ what: String) throws(PortError) {
    for worker in 0..<workers {
      guard sockets[worker].isEmpty else {
        packetSockets.append(-1)
        continue
      }
      let descriptor = cxdp_packet_open(interface.index, false, 0, nil)
      guard descriptor >= 0 else {
        shutDown()
        throw .system(what, "packet socket", descriptor, remedy: "use as many queues as workers")
      }
      packetSockets.append(descriptor)
    }
  }

  private mutating func closeSockets() {
    for worker in sockets {
      for slot in worker.indices where worker[slot].fd >= 0 { cxdp_socket_close(&worker[slot]) }
      worker.deallocate()
    }
    sockets = []
    for descriptor in packetSockets where descriptor >= 0 { close(descriptor) }
    packetSockets = []
  }

  mutating func shutDown() {
    closeSockets()
    program.shutDown()
  }
}
