import CXDP
import Glibc
import HostPlan
import Wire

/// Why the way to a tunnel endpoint is unknown.
public enum NeighborError: Error, Sendable, Equatable {
  /// The kernel has no route there, or the address is its own.
  case noRoute
  /// The route goes out of the interface with this index, not the uplink.
  case otherInterface(Int32)
  /// rtnetlink failed with this errno.
  case system(Int32)
}

/// The kernel's routes and neighbour table, for the next hops of tunnel packets.
///
/// Packets that Apus sends do not keep the kernel's entries alive, so this does: an entry that is
/// missing or no longer confirmed is asked for anew at each call. To be called for each endpoint
/// every half second or so, from one thread.
///
/// Source: rtnetlink(7); NTF_USE in linux/neighbour.h.
public struct KernelNeighbors: ~Copyable {
  private let socket: Int32
  private let interface: Int32

  /// - Parameter uplink: the index of the interface that tunnel packets leave by.
  /// - Throws: machine when there is no netlink.
  public init(uplink: Int32) throws(PortError) {
    socket = cxdp_netlink_open()
    interface = uplink
    guard socket >= 0 else {
      throw .system("neighbours", "netlink", socket, remedy: "Apus needs CONFIG_NET")
    }
  }

  deinit { if socket >= 0 { close(socket) } }

  /// The MAC address to send to for a tunnel endpoint: of itself or of the router before it.
  ///
  /// - Returns: nil while it is being resolved; ask again.
  /// - Complexity: two or three system calls.
  public func resolve(_ endpoint: IPAddress) throws(NeighborError) -> MACAddress? {
    var hop = [UInt8](repeating: 0, count: 16)
    var out: UInt32 = 0
    let family = UInt32(endpoint.family.rawValue)
    let found = cxdp_next_hop(socket, family, endpoint.networkBytes, &out, &hop)
    switch -found {
    case 0: break
    case ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EACCES, EINVAL: throw .noRoute
    default: throw .system(-found)
    }
    guard out == UInt32(bitPattern: interface) else {
      throw .otherInterface(Int32(bitPattern: out))
    }
    var mac: UInt64 = 0
    var state: UInt16 = 0
    let asked = cxdp_neighbor(socket, family, hop, out, &mac, &state)
    guard asked == 0 else { throw .system(-asked) }
    if state & NeighborState.settled == 0 {
      let used = cxdp_neighbor_use(socket, family, hop, out)
      guard used == 0 else { throw .system(-used) }
    }
    guard state & NeighborState.valid != 0, mac != 0 else { return nil }
    return MACAddress(mac)
  }
}

/// States of a neighbour (linux/neighbour.h).
private enum NeighborState {
  static let reachable: UInt16 = 0x02
  static let stale: UInt16 = 0x04
  static let delay: UInt16 = 0x08
  static let probe: UInt16 = 0x10
  static let noARP: UInt16 = 0x40
  static let permanent: UInt16 = 0x80
  /// The address may be used.
  static let valid = reachable | stale | delay | probe | noARP | permanent
  /// Nothing has to be done about it.
  static let settled = reachable | delay | probe | noARP | permanent
}

extension IPAddress {
  /// 4 or 16 bytes as on the wire.
  var networkBytes: [UInt8] {
    if family == .v4 { return withUnsafeBytes(of: v4Bits.bigEndian) { Array($0) } }
    return withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) }
  }
}
