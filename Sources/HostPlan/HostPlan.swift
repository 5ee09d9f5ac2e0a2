import Wire

/// What `apus run` is to do on this host: the checked form of HOST.yaml.
public struct HostPlan: Sendable, Equatable {
  public enum Runtime: String, Sendable, CaseIterable { case kernel, dpdk }

  public var runtime: Runtime
  public var workers: WorkerPlan
  /// nil on a host without an underlay: NICs reach each other only.
  public var uplink: UplinkPlan?
  /// Open from start, in the order of their port numbers: the first is port 1, the uplink is 0.
  public var guests: [GuestPlan]
  /// DPDK runtime: open from start too, at the numbers after the guests', and polled when a guest
  /// is attached to them.
  public var devices: [DevicePlan]
  public var memory: MemoryPlan

  public init(
    runtime: Runtime, workers: WorkerPlan = WorkerPlan(), uplink: UplinkPlan? = nil,
    guests: [GuestPlan] = [], devices: [DevicePlan] = [], memory: MemoryPlan = MemoryPlan()
  ) {
    self.runtime = runtime
    self.workers = workers
    self.uplink = uplink
    self.guests = guests
    self.devices = devices
    self.memory = memory
  }

  /// Guests' ports that there may be at a time, so that ports' numbers are 1 to this. A device
  /// keeps its number, with a guest or without.
  public var portCapacity: Int {
    min(max(guests.count, memory.ports ?? 0) + devices.count, HostPlan.mostPorts)
  }

  /// Port numbers have 16 bits; the last of them names none.
  public static let mostPorts = 65_534
}

/// The threads that poll.
public struct WorkerPlan: Sendable, Equatable {
  public enum Polling: String, Sendable, CaseIterable {
    /// Sleeps when nothing comes for a while, and wakes when something does.
    case adaptive
    /// Never sleeps: lowest latency, a whole core each.
    case busy
  }

  /// The processor of each worker; as many workers as processors. nil leaves a worker unpinned.
  public var cores: [Int?]
  public var polling: Polling

  public init(cores: [Int?] = [nil], polling: Polling = .adaptive) {
    self.cores = cores
    self.polling = polling
  }
}

/// The port to the underlay.
public struct UplinkPlan: Sendable, Equatable {
  public enum Device: Sendable, Equatable {
    /// Kernel runtime: a network interface, such as `eth1`.
    case interface(String)
    /// DPDK runtime: a PCI address, or a virtual device such as `net_af_xdp0,iface=eth1`.
    case ethdev(String)
  }

  public var device: Device
  /// Receive queues to use; each worker polls those whose number modulo the workers is its own.
  public var queues: Int
  /// DPDK runtime: the prefix of the link around `host.address`, and the router behind it. The
  /// kernel runtime asks the kernel.
  public var prefixLength: Int?
  public var gateway: IPAddress?
  /// Kernel runtime: insist on zero copy (true), forbid it (false), or take what there is (nil).
  public var zeroCopy: Bool?

  public init(
    device: Device, queues: Int = 1, prefixLength: Int? = nil, gateway: IPAddress? = nil,
    zeroCopy: Bool? = nil
  ) {
    self.device = device
    self.queues = queues
    self.prefixLength = prefixLength
    self.gateway = gateway
    self.zeroCopy = zeroCopy
  }
}

/// The port of a guest's network interface.
public struct GuestPlan: Sendable, Equatable {
  public enum Device: Sendable, Equatable {
    /// Kernel runtime: a network interface whose other side is the guest, such as `tap0` that a
    /// hypervisor opens, or one end of a veth pair.
    case interface(String)
    /// Kernel runtime: a tap that Apus itself opens, made when it is not there; the guest is the
    /// kernel's side of it, such as a network namespace.
    case tap(String)
    /// DPDK runtime: the vhost-user socket that the data plane serves: the path that `apus-vhostd`
    /// connects to, or without the broker the hypervisor.
    case vhostUser(VhostUserPlan)
    /// DPDK runtime: any ethdev as a guest's port, such as `net_tap0,iface=dtap0`.
    case ethdev(String)
  }

  /// The network interface of the model, such as `eni-web`.
  public var networkInterface: String
  public var device: Device
  /// Pairs of queues that the guest may use.
  public var queues: Int

  public init(networkInterface: String, device: Device, queues: Int = 1) {
    self.networkInterface = networkInterface
    self.device = device
    self.queues = queues
  }
}

/// A device of DPDK that waits for a guest.
public struct DevicePlan: Sendable, Equatable {
  /// A PCI address, or a virtual device such as `net_tap0,iface=x`.
  public var device: String
  /// Pairs of queues, which the guest that is attached to it has to ask for.
  public var queues: Int

  public init(_ device: String, queues: Int = 1) {
    self.device = device
    self.queues = queues
  }

  /// What tells devices apart: the name without options, a PCI address in its full form.
  public var name: String {
    let name = device.prefix { $0 != "," }
    let colons = name.count { $0 == ":" }
    return colons == 0 ? String(name) : (colons == 1 ? "0000:" : "") + name.lowercased()
  }
}

/// How a guest's vhost-user device is served.
public struct VhostUserPlan: Sendable, Equatable {
  /// The hypervisor's socket.
  public var socket: String
  /// The data plane (or its broker) listens on `socket`; else it connects to it.
  public var listens: Bool
  /// `apus-vhostd` holds the hypervisor's socket, and the guest's session survives a restart.
  public var isBrokered: Bool
  /// Offer the packed ring; its session cannot survive a crash of the data plane.
  public var offersPackedRing: Bool
  /// Offer checksum and segmentation offload in both directions.
  public var offersOffload: Bool
  /// Told to the guest (VIRTIO_NET_F_MTU).
  public var mtu: Int?

  public init(
    socket: String, listens: Bool = false, isBrokered: Bool = true, offersPackedRing: Bool = false,
    offersOffload: Bool = true, mtu: Int? = nil
  ) {
    self.socket = socket
    self.listens = listens
    self.isBrokered = isBrokered
    self.offersPackedRing = offersPackedRing
    self.offersOffload = offersOffload
    self.mtu = mtu
  }
}

/// Sizes, fixed from start.
public struct MemoryPlan: Sendable, Equatable {
  /// Connections of each worker.
  public var flows: Int
  /// Packet buffers of each guest.
  public var buffersPerGuest: Int
  /// Packet buffers of each worker for the uplink.
  public var buffersForUplink: Int
  /// DPDK runtime: where huge pages are mounted; nil for memory without them (`--no-huge`).
  public var usesHugePages: Bool
  /// DPDK runtime: megabytes that DPDK may take.
  public var megabytes: Int
  /// Network interfaces that the rules may have at a time.
  public var networkInterfaces: Int
  /// Rules of groups and ACLs, and routes, that there may be at a time.
  public var rules: Int
  /// Guests' ports that may be open at a time; nil for no more than those that are open from start.
  public var ports: Int?

  public init(
    flows: Int = 1 << 20, buffersPerGuest: Int = 2048, buffersForUplink: Int = 4096,
    usesHugePages: Bool = true, megabytes: Int = 512, networkInterfaces: Int = 1 << 10,
    rules: Int = 1 << 18, ports: Int? = nil
  ) {
    self.flows = flows
    self.networkInterfaces = networkInterfaces
    self.rules = rules
    self.ports = ports
    self.buffersPerGuest = buffersPerGuest
    self.buffersForUplink = buffersForUplink
    self.usesHugePages = usesHugePages
    self.megabytes = megabytes
  }
}
