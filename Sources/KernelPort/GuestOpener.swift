import CXDP
import Glibc
import HostPlan

/// What a guest's port is made of when it is opened.
public struct OpenedGuest: Sendable {
  /// A packet socket for each queue, or the queues of a tap.
  public var descriptors: [Int32]
  /// The kernel's number of the interface; -1 for a tap that is in another network namespace.
  public var interfaceIndex: Int32

  public init(descriptors: [Int32], interfaceIndex: Int32) {
    self.descriptors = descriptors
    self.interfaceIndex = interfaceIndex
  }
}

/// How the ports of guests are opened: by this process, or by one that may do more.
public struct GuestOpener: Sendable {
  /// Opens a guest's port; the descriptors are the caller's.
  public let open: @Sendable (GuestPlan) throws(PortError) -> OpenedGuest

  public init(_ open: @escaping @Sendable (GuestPlan) throws(PortError) -> OpenedGuest) {
    self.open = open
  }

  /// By this process: needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF.
  public static var local: GuestOpener {
    GuestOpener { plan throws(PortError) in
      var opening = GuestOpening(plan)
      return try opening.open()
    }
  }
}

/// Opens one guest's port.
private struct GuestOpening {
  let plan: GuestPlan
  let name: String
  private(set) var descriptors: [Int32] = []

  /// Bytes that may wait in the kernel for a worker, of each queue.
  private static let receiveBufferBytes: Int32 = 4 << 20

  private var what: String { "guest \(plan.networkInterface) on \(name)" }

  init(_ plan: GuestPlan) {
    self.plan = plan
    name =
      switch plan.device {
      case .interface(let name), .tap(let name), .ethdev(let name): name
      case .vhostUser(let socket): socket.socket
      }
  }

  /// - Throws: why it cannot be; nothing stays open.
  mutating func open() throws(PortError) -> OpenedGuest {
    do throws(PortError) {
      if case .tap = plan.device { return try openTap() }
      let interface = try NetworkInterface(
        name, what: what,
        remedy: "make it: ip tuntap add dev \(name) mode tap"
          + (plan.queues > 1 ? " multi_queue" : ""))
      return try openPacketSockets(interface)
    } catch {
      for descriptor in descriptors { close(descriptor) }
      throw error
    }
  }

  // MARK: Packet sockets

  private mutating func openPacketSockets(
    _ interface: NetworkInterface
  ) throws(PortError) -> OpenedGuest {
    try isolate(interface)
    var group: UInt16 = 0
    for _ in 0..<plan.queues {
      let descriptor =
        plan.queues == 1
        ? cxdp_packet_open(interface.index, true, Self.receiveBufferBytes, nil)
        : cxdp_packet_open(interface.index, true, Self.receiveBufferBytes, &group)
      guard descriptor >= 0 else {
        throw .system(what, "packet socket", descriptor, remedy: "Apus needs CONFIG_PACKET")
      }
      descriptors.append(descriptor)
    }
    // Before they were a group, each socket got all.
    if plan.queues > 1 { descriptors.forEach(Self.drain) }
    return OpenedGuest(descriptors: descriptors, interfaceIndex: interface.index)
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
    let file = Glibc.open("/proc/sys/net/ipv6/conf/\(name)/disable_ipv6", O_WRONLY | O_CLOEXEC)
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

  private mutating func openTap() throws(PortError) -> OpenedGuest {
    guard (1..<Int(IFNAMSIZ)).contains(name.utf8.count), !name.contains("/") else {
      throw PortError(
        .configuration, what, why: "an interface name has 1 to \(IFNAMSIZ - 1) characters",
        remedy: "shorten the guest's tap")
    }
    for _ in 0..<plan.queues {
      let descriptor = cxdp_tap_open(name, plan.queues > 1)
      guard descriptor >= 0 else {
        throw tapError(descriptor)
      }
      descriptors.append(descriptor)
    }
    return OpenedGuest(
      descriptors: descriptors, interfaceIndex: NetworkInterface.find(name)?.index ?? -1)
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
}
