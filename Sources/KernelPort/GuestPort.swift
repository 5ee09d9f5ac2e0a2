import CXDP
import Glibc
import HostPlan
import Live

/// The opened port of a guest: a packet socket for each queue, or the queues of a tap.
struct GuestPort {
  let plan: GuestPlan
  let name: String
  let isTap: Bool
  /// By queue. Numbers stay when sockets are opened anew.
  private(set) var descriptors: [Int32] = []
  private var interfaceIndex: Int32 = -1
  private var features: SegmentationFeatures?

  /// Bytes that may wait in the kernel for a worker, of each queue.
  private static let receiveBufferBytes: Int32 = 4 << 20

  private var what: String { "guest \(plan.networkInterface) on \(name)" }

  init(_ plan: GuestPlan) throws(PortError) {
    self.plan = plan
    switch plan.device {
    case .interface(let name):
      self.name = name
      isTap = false
      let interface = try NetworkInterface(
        name, what: what,
        remedy: "make it: ip tuntap add dev \(name) mode tap"
          + (plan.queues > 1 ? " multi_queue" : ""))
      try openPacketSockets(interface)
    case .tap(let name):
      self.name = name
      isTap = true
      try openTap()
    case .vhostUser, .ethdev:
      throw PortError(
        .configuration, "guest \(plan.networkInterface)",
        why: "the kernel runtime serves network interfaces and taps only",
        remedy: "set the guest's interface or tap, or runtime: dpdk")
    }
  }

  // MARK: Packet sockets

  private mutating func openPacketSockets(
    _ interface: NetworkInterface
  ) throws(PortError) {
    try isolate(interface)
    var group: UInt16 = 0
    for _ in 0..<plan.queues {
      let descriptor =
        plan.queues == 1
        ? cxdp_packet_open(interface.index, true, Self.receiveBufferBytes, nil)
        : cxdp_packet_open(interface.index, true, Self.receiveBufferBytes, &group)
      guard descriptor >= 0 else {
        shutDown()
        throw .system(what, "packet socket", descriptor, remedy: "Apus needs CONFIG_PACKET")
      }
      descriptors.append(descriptor)
    }
    // Before they were a group, each socket got all.
    if plan.queues > 1 { descriptors.forEach(Self.drain) }
    interfaceIndex = interface.index
    features = SegmentationFeatures(interface: interface.name)
  }

  /// Keeps the guest from the host's own stack, and the host from talking to the guest.
  private func isolate(_ interface: NetworkInterface) throws(PortError) {
    let dropped = cxdp_ingress_drop(interface.index)
    guard dropped == 0 else {
      throw .system(
        what, "the filter that keeps the guest from the host", dropped,
        remedy: "Apus needs CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF; "
          + "an ingress qdisc there must go: tc qdisc del dev \(name) ingress")
    }
    // Without IPv6 the file is not there, and there is nothing to switch off.
    let file = open("/proc/sys/net/ipv6/conf/\(name)/disable_ipv6", O_WRONLY | O_CLOEXEC)
    if file >= 0 {
      write(file, "1", 1)
      close(file)
    }
    let up = cxdp_interface_set_flags(
      name, UInt32(IFF_UP | IFF_NOARP), 0)
    guard up == 0 else {
      throw .system(what, "setting it up", up, remedy: "ip link set dev \(name) up")
    }
  }

  private static func drain(_ descriptor: Int32) {
    var byte: UInt8 = 0
    for _ in 0..<10_000 where recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) < 0 {
      return
    }
  }

  // MARK: Taps

  private mutating func openTap() throws(PortError) {
    guard (1..<Int(IFNAMSIZ)).contains(name.utf8.count), !name.contains("/") else {
      throw PortError(
        .configuration, what, why: "an interface name has 1 to \(IFNAMSIZ - 1) characters",
        remedy: "shorten the guest's tap")
    }
    for _ in 0..<plan.queues {
      let descriptor = cxdp_tap_open(name, plan.queues > 1)
      guard descriptor >= 0 else {
        shutDown()
        throw tapError(descriptor)
      }
      descriptors.append(descriptor)
    }
    interfaceIndex = NetworkInterface.find(name)?.index ?? -1
  }

  private func tapError(_ result: Int32) -> PortError {
    switch -result {
    case EBUSY:
      return PortError(
        .machine, what, why: "another program has the tap open",
        remedy: "end it; for a hypervisor's tap say interface: \(name) in place of tap: \(name)")
    case EINVAL:
      return PortError(
        .machine, what, why: "an interface of that name is of another kind or number of queues",
        remedy: "ip link del \(name), and let Apus make it, or: ip tuntap add dev \(name) "
          + "mode tap vnet_hdr" + (plan.queues > 1 ? " multi_queue" : ""))
    case ENOENT:
      return PortError(
        .machine, what, why: "there is no /dev/net/tun", remedy: "modprobe tun")
    default:
      return .system(what, "opening the tap", result, remedy: "modprobe tun")
    }
  }

  // MARK: Afterwards

  /// What the guest's side does by itself, as of now, and whether it is there.
  func offloads() -> PortOffloads {
    if isTap { return [.checksum, .segmentation4, .segmentation6, .isUp] }
    guard let interface = NetworkInterface.find(name), interface.index == interfaceIndex,
      interface.isRunning
    else { return [] }
    // The kernel completes a checksum that the device does not, but does not segment past the
    // queueing discipline.
    var result: PortOffloads = [.checksum, .isUp]
    let active = features?.active(interface: name) ?? (four: false, six: false)
    if active.four { result.insert(.segmentation4) }
    if active.six { result.insert(.segmentation6) }
    return result
  }

  /// Opens the sockets anew when the interface is another one of the same name, or came back.
  ///
  /// - Returns: whether the descriptors, whose numbers stay, must be watched anew.
  mutating func reopenIfReplaced() -> Bool {
    guard !isTap, let interface = NetworkInterface.find(name), interface.index != interfaceIndex
    else { return false }
    let old = descriptors
    descriptors = []
    do {
      try openPacketSockets(interface)
    } catch {
      descriptors = old
      return false
    }
    for (number, fresh) in zip(old, descriptors) {
      _ = cxdp_replace(fresh, number)
    }
    descriptors = old
    return true
  }

  mutating func shutDown() {
    for descriptor in descriptors { close(descriptor) }
    descriptors = []
  }
}
