import CXDP
import Glibc
import HostPlan

/// A network interface of the kernel, as it was when asked.
struct NetworkInterface {
  var name: String
  var index: Int32
  var mtu: Int
  var mac: UInt64
  var flags: UInt32

  /// Up, and with a carrier.
  var isRunning: Bool {
    let both = UInt32(IFF_UP | IFF_RUNNING)
    return flags & both == both
  }

  /// - Throws: configuration for a name that cannot be one; machine when there is none such.
  init(_ name: String, what: String, remedy: String) throws(PortError) {
    guard (1..<Int(IFNAMSIZ)).contains(name.utf8.count), !name.contains("/") else {
      throw PortError(
        .configuration, what, why: "an interface name has 1 to \(IFNAMSIZ - 1) characters",
        remedy: "ip link show lists the names")
    }
    guard let found = Self.find(name) else {
      throw PortError(
        .machine, what, why: "there is no network interface \(name)", remedy: remedy)
    }
    self = found
  }

  private init(name: String, _ found: cxdp_interface) {
    self.name = name
    index = found.index
    mtu = Int(found.mtu)
    mac = found.mac
    flags = found.flags
  }

  /// The interface of a name; nil when there is none now.
  static func find(_ name: String) -> NetworkInterface? {
    var found = cxdp_interface()
    guard cxdp_interface_get(name, &found) == 0 else { return nil }
    return NetworkInterface(name: name, found)
  }

  /// Receive queues in use; nil when the driver does not say.
  var receiveQueues: Int? {
    let count = cxdp_interface_receive_queues(name)
    return count > 0 ? Int(count) : nil
  }
}

/// Which of an interface's features let it take TCP super-packets.
struct SegmentationFeatures {
  private var bits: (Int32, Int32)

  /// Looks the features' numbers up; they differ between kernels.
  init?(interface: String) {
    var bits: [Int32] = [-1, -1]
    let result = "tx-tcp-segmentation".withCString { four in
      "tx-tcp6-segmentation".withCString { six in
        cxdp_feature_bits(interface, [four, six], &bits, 2)
      }
    }
    guard result == 0 else { return nil }
    self.bits = (bits[0], bits[1])
  }

  /// Whether TCP over IPv4, and over IPv6, may stay unsegmented there, as of now.
  func active(interface: String) -> (four: Bool, six: Bool) {
    var words = [UInt32](repeating: 0, count: 8)
    guard cxdp_features_get(interface, &words) == 0 else { return (false, false) }
    func isSet(_ bit: Int32) -> Bool {
      bit >= 0 && words[Int(bit) / 32] >> UInt32(bit % 32) & 1 == 1
    }
    return (isSet(bits.0), isSet(bits.1))
  }
}
