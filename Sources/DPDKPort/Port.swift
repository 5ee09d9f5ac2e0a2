import CDPDK
import HostPlan
import Live

/// A port as all workers see it; written before they start.
struct Port {
  enum Kind {
    /// No uplink: nothing comes, and what is sent is dropped.
    case absent
    case ethernet
    case vhost
  }

  var kind = Kind.absent
  /// Another process may have it open at the same time.
  var isShareable = false
  /// A device without a guest, which no worker polls or sends to.
  var isParked = false
  /// Pays for what the port receives, and for answers to it.
  var pool: OpaquePointer?
  /// Bytes of a buffer behind its headroom.
  var dataRoom = 0
  /// Receive queues, or pairs of queues of a guest.
  var queues = 0

  /// DPDK's number of the device, its transmit queues and their locks, nil with a queue each
  /// worker.
  var device: UInt16 = 0
  var transmitQueues = 0
  var locks: UnsafeMutablePointer<apus_lock>?
  /// `APUS_TX_…`.
  var deviceOffloads: UInt32 = 0
  var mac: UInt64 = 0

  var guest: OpaquePointer?
  var limits = apus_vhost_limits()

  /// What the device or the guest takes over, at this moment.
  var offloads: PortOffloads {
    switch kind {
    case .absent: return PortOffloads(rawValue: 0)
    case .ethernet:
      var found = PortOffloads(rawValue: apus_ethdev_is_up(device) ? 128 : 0)
      if deviceOffloads & UInt32(APUS_TX_CHECKSUM) != 0 { found.formUnion(.checksum) }
      if deviceOffloads & UInt32(APUS_TX_TSO) != 0 {
        found.formUnion(.segmentation4)
        found.formUnion(.segmentation6)
      }
      if deviceOffloads & UInt32(APUS_TX_TUNNEL_TSO) != 0 {
        found.formUnion(.tunnelChecksum)
        found.formUnion(.tunnelSegmentation)
      }
      return found
    case .vhost:
      let features = apus_vhost_features(guest)
      var found = PortOffloads(rawValue: apus_vhost_is_up(guest) ? 128 : 0)
      // A guest that takes partial checksums takes them of whole segments too.
      guard features & (1 << UInt64(APUS_VIRTIO_GUEST_CSUM)) != 0 else { return found }
      found.formUnion(.checksum)
      if features & (1 << UInt64(APUS_VIRTIO_GUEST_TSO4)) != 0 { found.formUnion(.segmentation4) }
      if features & (1 << UInt64(APUS_VIRTIO_GUEST_TSO6)) != 0 { found.formUnion(.segmentation6) }
      return found
    }
  }
}

/// Sizes of buffers and frames.
enum FrameSizes {
  /// Ethernet header and a VLAN tag, which a NIC's MTU does not count.
  static let linkLayer = 18
  /// The most bytes of an IP packet: what a guest may leave to be segmented.
  static let largestPacket = 65_535
  /// The most bytes of a frame that is one packet: jumbo frames, whatever MTU the guest was told.
  static let largestFrame = 9_216 + linkLayer
  /// As Linux's TCP_MIN_SND_MSS (CVE-2019-11479): smaller ones would make thousands of segments.
  static let leastSegment = 48

  /// Bytes of a buffer, so that a frame of an MTU fits in one.
  static func dataRoom(mtu: Int) -> Int {
    let exact = max(2048, min(mtu, largestPacket / 4 * 3) + linkLayer)
    return (exact + 63) / 64 * 64
  }

  static func limits(dataRoom: Int) -> apus_vhost_limits {
    var limits = apus_vhost_limits()
    limits.bytes = UInt32(max(largestFrame, dataRoom))
    limits.segmented_bytes = UInt32(largestPacket + linkLayer)
    limits.buffers = UInt32((largestPacket + linkLayer + dataRoom - 1) / dataRoom)
    limits.segment_size = UInt16(leastSegment)
    return limits
  }
}
