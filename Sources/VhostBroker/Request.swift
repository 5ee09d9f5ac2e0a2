/// The requests of a front-end that are relayed (vhost-user specification, "Front-end message
/// types"): those that virtio-net needs and that can be replayed. Others end the session; no
/// front-end sends one, for the features that they belong to are not offered.
package enum Request: UInt32, CaseIterable {
  case getFeatures = 1
  case setFeatures = 2
  case setOwner = 3
  case resetOwner = 4
  case setMemoryTable = 5
  case setLogBase = 6
  case setRingSize = 8
  case setRingAddress = 9
  case setRingBase = 10
  case getRingBase = 11
  case setRingKick = 12
  case setRingCall = 13
  case setRingError = 14
  case getProtocolFeatures = 15
  case setProtocolFeatures = 16
  case getQueueCount = 17
  case setRingEnable = 18
  case sendRARP = 19
  case setMTU = 20
  case setStatus = 39
  case getStatus = 40

  enum Answer {
    case none
    /// A value of 64 bits.
    case value
    /// The state of a ring: index and number, 32 bits each.
    case ringState
    /// Nothing (QEMU) or a value that means nothing.
    case empty
  }

  /// What the back-end answers even if nobody asked for an acknowledgement.
  var answer: Answer {
    switch self {
    case .getFeatures, .getProtocolFeatures, .getQueueCount, .getStatus: .value
    case .getRingBase: .ringState
    case .setLogBase: .empty
    default: .none
    }
  }

  /// The exact size of the payload in bytes; nil for the memory table, whose size its first word
  /// gives.
  var payloadSize: Int? {
    switch self {
    case .getFeatures, .setOwner, .resetOwner, .getProtocolFeatures, .getQueueCount, .getStatus: 0
    case .setMemoryTable: nil
    case .setLogBase: 16
    case .setRingAddress: 40
    default: 8
    }
  }
}

/// Bits of features and of the protocol's features.
enum Feature {
  /// VHOST_USER_F_PROTOCOL_FEATURES.
  static let protocolFeatures: UInt64 = 1 << 30
  /// VIRTIO_F_IOMMU_PLATFORM: addresses are the guest's, translated by messages in both directions
  /// that a replay cannot repeat.
  static let iommuPlatform: UInt64 = 1 << 33
  /// VIRTIO_F_RING_PACKED.
  static let packedRing: UInt64 = 1 << 34

  /// What of a back-end's features a front-end may see.
  static let relayed: UInt64 = ~iommuPlatform
}

/// Bits of VHOST_USER_GET_PROTOCOL_FEATURES.
enum ProtocolFeature {
  static let multiqueue: UInt64 = 1 << 0
  static let logSharedMemory: UInt64 = 1 << 1
  static let rarp: UInt64 = 1 << 2
  static let replyAcknowledgement: UInt64 = 1 << 3
  static let mtu: UInt64 = 1 << 4
  static let status: UInt64 = 1 << 16

  /// What of a back-end's protocol features a front-end may see. Not among them, for a second
  /// process could not take over what they set up: a channel for the back-end's own requests
  /// (BACKEND_REQ, BACKEND_SEND_FD, HOST_NOTIFIER), postcopy migration (PAGEFAULT), INFLIGHT_SHMFD,
  /// which virtio-net does not use, CONFIG, memory slots and device state. The dirty log of
  /// precopy migration is shared memory, and is replayed.
  static let relayed: UInt64 =
    multiqueue | logSharedMemory | rarp | replyAcknowledgement | mtu | status
}
