import CDPDK
import Glibc
import HostPlan

/// The socket of a vhost-user guest.
enum VhostSocket {
  /// Feature bits that a plan does not offer.
  static func hiddenFeatures(_ plan: VhostUserPlan) -> UInt64 {
    var bits: [Int32] = []
    if !plan.offersOffload {
      bits += [
        APUS_VIRTIO_CSUM, APUS_VIRTIO_GUEST_CSUM, APUS_VIRTIO_GUEST_TSO4, APUS_VIRTIO_GUEST_TSO6,
        APUS_VIRTIO_HOST_TSO4, APUS_VIRTIO_HOST_TSO6,
      ]
    }
    if !plan.offersPackedRing { bits.append(APUS_VIRTIO_PACKED) }
    if plan.mtu == nil { bits.append(APUS_VIRTIO_MTU) }
    return bits.reduce(0) { $0 | 1 << UInt64($1) }
  }

  /// Removes a socket that a killed process left, and refuses one that a living one listens on.
  static func removeStale(_ path: String, what: String) throws(PortError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw PortError(
        .configuration, what, why: "\(path) is there and is no socket", remedy: "name another path")
    }
    if isListenedOn(path) {
      throw PortError(
        .machine, what, why: "another process listens on \(path)",
        remedy: "ss -xlp | grep \(path)   (shows which)")
    }
    unlink(path)
  }

  private static func isListenedOn(_ path: String) -> Bool {
    let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard probe >= 0 else { return false }
    defer { close(probe) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let room = MemoryLayout.size(ofValue: address.sun_path) - 1
    withUnsafeMutableBytes(of: &address.sun_path) {
      $0.copyBytes(from: Array(path.utf8.prefix(room)))
    }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(probe, $0, size) } == 0
    }
  }
}
