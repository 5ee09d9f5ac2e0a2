import CConfinement
import Glibc
import HostPlan
import Logging

/// What the daemon gives up when all its ports are open, for good.
///
/// A fault in what reads guests' and strangers' bytes must not become a way to the rest of the
/// host.
struct Confinement {
  /// Local sockets may still be connected: rte_vhost connects to the broker or hypervisor again
  /// when a guest comes back.
  var connectsLocally: Bool
  /// Directories in which files are still written.
  var writable: [String]

  /// - Parameter mayComeLater: guests are attached at run time.
  init(_ plan: HostPlan, directories: [String], mayComeLater: Bool = false) {
    let sockets = plan.guests.compactMap { guest in
      if case .vhostUser(let device) = guest.device { device.socket } else { nil }
    }
    connectsLocally = !sockets.isEmpty || mayComeLater && plan.runtime == .dpdk
    // Sockets that rte_vhost makes or removes are in these.
    writable = directories + sockets.map { String($0[..<($0.lastIndex(of: "/") ?? $0.startIndex)]) }
  }

  /// Confines every thread; to be called when all that runs has begun.
  ///
  /// - Throws: a step that the kernel refused. The daemon must not serve then: it would be less
  ///   confined than it says.
  func apply(_ logger: Logger) throws(DaemonFailure) {
    var words: [UnsafePointer<CChar>?] = writable.map { UnsafePointer(strdup($0)) }
    words.append(nil)
    defer { for word in words { free(UnsafeMutableRawPointer(mutating: word)) } }
    var step: Int32 = 0
    var landlock: Int32 = 0
    let result = words.withUnsafeBufferPointer { words in
      var confinement = apus_confinement(
        capabilities: 0, connects_locally: connectsLocally, opens_packet_sockets: false,
        sets_interfaces: false, writable: words.baseAddress)
      return apus_confine(&confinement, &step, &landlock)
    }
    guard result == 0 else {
      throw DaemonFailure(
        .resource, what: "confinement, \(Self.name(step))", why: errorText(result),
        advice: "see 'dmesg'; `confine: false` in the host file serves without")
    }
    if landlock == 0 { logger.notice("this kernel has no Landlock; files are not confined") }
    logger.info(
      "confined", metadata: ["landlock": "\(landlock)", "connects": "\(connectsLocally)"])
  }

  private static func name(_ step: Int32) -> String {
    switch step {
    case Int32(APUS_CONFINE_CORE): "core dumps"
    case Int32(APUS_CONFINE_CAPABILITIES): "capabilities"
    case Int32(APUS_CONFINE_LANDLOCK): "Landlock"
    case Int32(APUS_CONFINE_SECCOMP): "seccomp"
    default: "threads"
    }
  }
}
