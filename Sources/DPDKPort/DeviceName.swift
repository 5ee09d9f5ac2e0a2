import Glibc
import HostPlan

/// The address of a PCI device in its full form, such as `0000:00:05.0`.
struct PCIAddress: Equatable {
  let text: String

  /// - Parameter device: `DDDD:BB:DD.F` or `BB:DD.F`, with or without `,option=…` behind it.
  /// - Returns: nil for the name of a virtual device.
  init?(_ device: String) {
    let address = device.prefix { $0 != "," }
    let parts = address.split(separator: ":", omittingEmptySubsequences: false)
    let isNumber = { (part: Substring, digits: Int) in
      part.count == digits && part.allSatisfy(\.isHexDigit)
    }
    guard parts.count == 2 || parts.count == 3, let end = parts.last,
      end.count == 4, isNumber(end.prefix(2), 2), end.dropFirst(2).first == ".",
      isNumber(end.suffix(1), 1), isNumber(parts[parts.count - 2], 2),
      parts.count == 2 || isNumber(parts[0], 4)
    else { return nil }
    text = (parts.count == 2 ? "0000:" : "") + address.lowercased()
  }

  /// Is there such a device?
  func check() throws(PortError) {
    if access("/sys/bus/pci/devices/\(text)", F_OK) == 0 { return }
    throw PortError(
      .machine, "device \(text)", why: "there is no such PCI device",
      remedy: "dpdk-devbind.py --status-dev net   (lists those that there are)")
  }
}

/// The driver of a virtual device's string, such as `net_af_xdp` of `net_af_xdp0,iface=eth1`.
struct VirtualDriver: Equatable {
  let name: String

  init(_ device: String) {
    var driver = device.prefix { $0 != "," }
    while driver.last?.isNumber == true { driver.removeLast() }
    name = driver.hasPrefix("eth_") ? "net_" + driver.dropFirst(4) : String(driver)
  }

  /// Debian's package, such as `librte-net-af-xdp23`: 23 is the ABI of DPDK 22.11.
  var package: String {
    let stem = "librte-" + name.map { $0 == "_" ? "-" : String($0) }.joined()
    return stem + (stem.last?.isNumber == true ? "-23" : "23")
  }

  /// Is the driver's file installed? On a DPDK that is not Debian's nobody can say.
  func check() throws(PortError) {
    let folder = "/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0"
    if access(folder, F_OK) != 0 || access("\(folder)/librte_\(name).so.23", F_OK) == 0 { return }
    throw PortError(
      .machine, "driver \(name)", why: "DPDK's driver is not installed",
      remedy: "apt-get install \(package)")
  }
}
