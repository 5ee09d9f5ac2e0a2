import CDPDK
import Glibc
import HostPlan

/// DPDK's environment abstraction layer (EAL), which a process can start once and never again.
enum EnvironmentLayer {
  /// Starts it as a plan says.
  ///
  /// Devices of PCI are named here and probed at once; virtual devices are added later, each with
  /// an error of its own. The calling thread becomes DPDK's main one and keeps its processor
  /// affinity. Nothing is left in the file system, so that processes do not stand in each other's
  /// way.
  static func start(_ plan: HostPlan) throws(PortError) {
    if plan.memory.usesHugePages { try HugePages.check(megabytes: plan.memory.megabytes) }
    // Without these two plug-ins errors come late, and say something else.
    try VirtualDriver("mempool_ring").check()
    try VirtualDriver("bus_vdev").check()
    let devices = plan.ethernetDevices.compactMap(PCIAddress.init)
    for device in devices { try device.check() }
    let result = run(arguments(plan, devices: devices))
    if result == 0 { return }
    if result == -EALREADY {
      throw PortError(
        .configuration, "DPDK", why: "this process has started it before, and cannot again",
        remedy: "start another process")
    }
    throw PortError(
      .machine, "DPDK", why: "its start failed: \(text(ofError: -result)); its log above says why",
      remedy: geteuid() == 0
        ? "see https://doc.dpdk.org/guides-22.11/linux_gsg/" : "run as root: sudo apus run …")
  }

  static func arguments(_ plan: HostPlan, devices: [PCIAddress]) -> [String] {
    var list = ["apus", "--no-telemetry", "--lcores", "0@(\(allowedProcessors()))"]
    list += ["--log-level", "*:warning", "-m", String(plan.memory.megabytes)]
    // Without huge pages EAL keeps its old memory mode, which `--in-memory` excludes.
    list += plan.memory.usesHugePages ? ["--in-memory"] : ["--no-huge", "--no-shconf"]
    if devices.isEmpty { list += ["--no-pci", "--iova-mode", "va"] }
    for device in devices { list += ["-a", device.text] }
    return list
  }

  private static func run(_ arguments: [String]) -> Int32 {
    // EAL keeps pointers into its command line for the life of the process: this is not freed.
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    words.append(nil)
    let line = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: words.count)
    line.initialize(from: words, count: words.count)
    return apus_eal_start(Int32(arguments.count), line)
  }

  /// The processors that this process may use, such as `0,1`.
  private static func allowedProcessors() -> String {
    let numbers = (0..<1024).filter { apus_may_run_on(Int32($0)) }
    return numbers.map(String.init).joined(separator: ",")
  }

  /// What an error number means.
  static func text(ofError number: Int32) -> String { String(cString: strerror(number)) }
}

extension HostPlan {
  /// The strings of all devices with a poll mode driver.
  var ethernetDevices: [String] {
    var found: [String] = []
    if case .ethdev(let name)? = uplink?.device { found.append(name) }
    for guest in guests {
      if case .ethdev(let name) = guest.device { found.append(name) }
    }
    return found + devices.map(\.device)
  }

  var hasPCIDevices: Bool { ethernetDevices.contains { PCIAddress($0) != nil } }

  /// Whether another process can have the port open at the same time: a connection that waits for
  /// the first one's end, packet sockets, and what is no device at all.
  func isShareable(port number: Int) -> Bool {
    func isShareable(_ device: String) -> Bool {
      device.hasPrefix("net_af_packet") || device.hasPrefix("net_null")
    }
    if number == 0 {
      if case .ethdev(let device)? = uplink?.device { return isShareable(device) }
      return uplink == nil
    }
    if number > guests.count { return isShareable(devices[number - guests.count - 1].device) }
    switch guests[number - 1].device {
    case .vhostUser(let socket): return !socket.listens
    case .ethdev(let device): return isShareable(device)
    case .tap, .interface: return false
    }
  }
}

/// Huge pages of the machine (kernel: Documentation/admin-guide/mm/hugetlbpage.rst).
enum HugePages {
  /// Are there enough free ones of any size?
  static func check(megabytes: Int) throws(PortError) {
    var free = 0
    for size in [2, 1024] {
      let folder = "/sys/kernel/mm/hugepages/hugepages-\(size * 1024)kB"
      free += (number(in: "\(folder)/free_hugepages") ?? 0) * size
    }
    if free >= megabytes { return }
    let reserved = number(in: "/proc/sys/vm/nr_hugepages") ?? 0
    let missing = (megabytes - free + 1) / 2
    throw PortError(
      .machine, "DPDK memory",
      why: "\(megabytes) MB of huge pages are needed, and \(free) MB are free",
      remedy: "sysctl vm.nr_hugepages=\(reserved + missing)   (or memory without huge pages)")
  }

  private static func number(in path: String) -> Int? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 32)
    guard fgets(&line, Int32(line.count), file) != nil else { return nil }
    return Int(atol(line))
  }
}
