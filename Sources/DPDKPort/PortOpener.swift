import CDPDK
import Glibc
import HostPlan

/// Opens the ports of a plan; EAL has started.
struct PortOpener {
  let plan: HostPlan
  let underlayMTU: Int
  var workers: Int { plan.workers.cores.count }

  /// Descriptors of each queue of a device: enough for a burst of every guest, small for the cache.
  static let descriptors = 1024

  /// Opens port 0, the uplink, a guest's, or a device's that waits for one.
  func port(_ number: Int) throws(PortError) -> Port {
    if number > plan.guests.count {
      let device = plan.devices[number - plan.guests.count - 1]
      return try ethernet(setting(device, what: "device \(device.device)", number: number))
    }
    if number > 0 { return try guest(plan.guests[number - 1], number: number) }
    guard let uplink = plan.uplink else { return Port() }
    return try self.uplink(uplink)
  }

  func uplink(_ uplink: UplinkPlan) throws(PortError) -> Port {
    guard case .ethdev(let name) = uplink.device else {
      throw PortError(
        .configuration, "uplink", why: "the DPDK runtime has no network interfaces of the kernel",
        remedy: "name a PCI address, or a virtual device such as net_af_xdp0,iface=eth1")
    }
    let room = FrameSizes.dataRoom(mtu: underlayMTU)
    let setting = EthernetSetting(
      what: "uplink \(name)", name: name, queues: uplink.queues,
      buffers: plan.memory.buffersForUplink * workers, dataRoom: room, mtu: underlayMTU,
      isPromiscuous: false, pool: "apus-uplink")
    return try ethernet(setting)
  }

  func guest(_ guest: GuestPlan, number: Int) throws(PortError) -> Port {
    let what = "guest \(guest.networkInterface)"
    switch guest.device {
    case .tap(let name), .interface(let name):
      throw PortError(
        .configuration, what, why: "interface \(name) belongs to the kernel runtime",
        remedy: "use vhost-user, or an ethdev such as net_tap0,iface=\(name)")
    case .ethdev(let name):
      let device = DevicePlan(name, queues: guest.queues)
      return try ethernet(setting(device, what: what, number: number))
    case .vhostUser(let socket):
      return try vhost(socket, what: what, pairs: guest.queues, pool: Self.poolName(number))
    }
  }

  /// A device as a guest's port.
  private func setting(_ device: DevicePlan, what: String, number: Int) -> EthernetSetting {
    EthernetSetting(
      what: what, name: device.device, queues: device.queues, buffers: plan.memory.buffersPerGuest,
      dataRoom: FrameSizes.dataRoom(mtu: underlayMTU), mtu: underlayMTU, isPromiscuous: true,
      pool: Self.poolName(number))
  }

  private static func poolName(_ number: Int) -> String { "apus-guest-\(number)" }

  // MARK: Devices

  struct EthernetSetting {
    var what: String
    var name: String
    var queues: Int
    var buffers: Int
    var dataRoom: Int
    var mtu: Int
    var isPromiscuous: Bool
    var pool: String
  }

  private func ethernet(_ setting: EthernetSetting) throws(PortError) -> Port {
    let device = try open(setting)
    var info = apus_ethdev_info()
    guard apus_ethdev_inspect(device, &info) == 0, setting.queues >= 1,
      setting.queues <= Int(info.max_rx_queues)
    else {
      apus_ethdev_close(device)
      throw PortError(
        .configuration, setting.what,
        why: "\(setting.queues) queues are asked for, and it has \(info.max_rx_queues)",
        remedy: "set its queues accordingly")
    }
    var port = Port()
    port.kind = .ethernet
    port.device = device
    port.queues = setting.queues
    port.dataRoom = setting.dataRoom
    port.deviceOffloads = info.offloads
    port.mac = info.mac
    do {
      // The device's rings hold buffers for good, besides those that packets are in; AF_XDP has
      // two.
      let buffers = setting.buffers + 2 * setting.queues * Self.descriptors
      port.pool = try pool(setting.pool, what: setting.what, buffers, setting.dataRoom)
      try start(&port, setting, info)
    } catch {
      apus_ethdev_close(device)
      if let pool = port.pool { apus_pool_free(pool) }
      throw error
    }
    return port
  }

  private func open(_ setting: EthernetSetting) throws(PortError) -> UInt16 {
    let address = PCIAddress(setting.name)
    if address == nil { try VirtualDriver(setting.name).check() }
    let result = apus_ethdev_open(address?.text ?? setting.name)
    if result >= 0 { return UInt16(result) }
    if let address {
      throw PortError(
        .machine, setting.what, why: "no driver of DPDK took the device \(address.text)",
        remedy: "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci \(address.text)")
    }
    // Many drivers give no errno, but -1.
    let reason = result == -1 ? "" : " (\(EnvironmentLayer.text(ofError: -result)))"
    throw PortError(
      .machine, setting.what, why: "DPDK cannot make the device\(reason); its log above says why",
      remedy: "check the options: https://doc.dpdk.org/guides-22.11/nics/")
  }

  private func start(
    _ port: inout Port, _ setting: EthernetSetting, _ info: apus_ethdev_info
  ) throws(PortError) {
    var setup = apus_ethdev_setup()
    setup.rx_queues = UInt16(setting.queues)
    setup.tx_queues = min(UInt16(workers), max(1, info.max_tx_queues))
    setup.mtu = UInt16(clamping: setting.mtu)
    setup.descriptors = UInt16(Self.descriptors)
    setup.pool = port.pool
    setup.is_promiscuous = setting.isPromiscuous
    let result = apus_ethdev_start(port.device, &setup)
    guard result == 0 else {
      throw PortError(
        .machine, setting.what,
        why: "the device does not start: \(EnvironmentLayer.text(ofError: -result))",
        remedy: "DPDK's log above says why; fewer queues may help")
    }
    port.transmitQueues = Int(setup.tx_queues)
    if port.transmitQueues < workers {
      port.locks = .allocate(capacity: port.transmitQueues)
      port.locks?.initialize(repeating: apus_lock(), count: port.transmitQueues)
    }
  }

  // MARK: Guests

  private func vhost(
    _ socket: VhostUserPlan, what: String, pairs: Int, pool name: String
  ) throws(PortError) -> Port {
    guard (1...Int(APUS_VHOST_PAIRS)).contains(pairs) else {
      throw PortError(
        .configuration, what, why: "\(pairs) queues; there may be 1 to \(APUS_VHOST_PAIRS)",
        remedy: "set queues accordingly")
    }
    if socket.listens { try VhostSocket.removeStale(socket.socket, what: what) }
    var port = Port()
    port.kind = .vhost
    port.queues = pairs
    port.dataRoom = FrameSizes.dataRoom(mtu: max(socket.mtu ?? 1500, underlayMTU))
    port.limits = FrameSizes.limits(dataRoom: port.dataRoom)
    port.pool = try pool(name, what: what, plan.memory.buffersPerGuest, port.dataRoom)
    var error: Int32 = 0
    port.guest = socket.socket.withCString { path in
      var setup = apus_vhost_setup()
      setup.path = path
      setup.is_client = !socket.listens
      setup.hidden_features = VhostSocket.hiddenFeatures(socket)
      setup.pairs = UInt16(pairs)
      return apus_vhost_open(&setup, &error)
    }
    if port.guest != nil { return port }
    if let pool = port.pool { apus_pool_free(pool) }
    throw PortError(
      error == -ENAMETOOLONG ? .configuration : .machine, what,
      why: "\(socket.socket) cannot be opened: \(EnvironmentLayer.text(ofError: -error))",
      remedy: "each guest needs a socket path of its own, shorter than 108 bytes, "
        + "in a folder that this user may write to")
  }

  private func pool(
    _ name: String, what: String, _ buffers: Int, _ dataRoom: Int
  ) throws(PortError) -> OpaquePointer {
    // A thread's cache may hold half as much again: all of them together take a third at most.
    let cache = min(256, buffers / (5 * (workers + 1)))
    if let pool = apus_pool_create(name, UInt32(buffers), UInt32(cache), UInt16(dataRoom)) {
      return pool
    }
    let megabytes = buffers * (dataRoom + 384) >> 20
    throw PortError(
      .machine, what, why: "DPDK has no memory for \(buffers) buffers (\(megabytes) MB)",
      remedy: "raise memory.megabytes by \(megabytes + 8), or take fewer buffers")
  }
}
