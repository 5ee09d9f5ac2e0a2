import Glibc
import HostPlan

/// The system's words for an error number.
func systemText(_ number: Int32) -> String { String(cString: strerror(number)) }

extension PortError {
  /// What a user without the rights must have, and how.
  private static let privileges =
    "run as root, or give the program its capabilities: "
    + "setcap cap_net_raw,cap_net_admin,cap_bpf,cap_sys_resource+ep $(command -v apusd)"

  /// An error of the system in words: privilege, memory and absence have their own remedies.
  ///
  /// - Parameter result: a negative errno.
  static func system(
    _ what: String, _ call: String, _ result: Int32, remedy: String
  ) -> PortError {
    let number = -result
    let why = "\(call): \(systemText(number))"
    switch number {
    case EPERM, EACCES:
      return PortError(.machine, what, why: why, remedy: privileges)
    case ENOMEM, ENOBUFS:
      return PortError(
        .machine, what, why: why,
        remedy: "free memory, or raise the limit of locked memory: ulimit -l unlimited")
    case ENODEV, ENXIO:
      return PortError(
        .machine, what, why: "there is no such network interface",
        remedy: "ip link show lists those that are; \(remedy)")
    default:
      return PortError(.machine, what, why: why, remedy: remedy)
    }
  }
}
