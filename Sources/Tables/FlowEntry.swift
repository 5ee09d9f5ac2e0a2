/// The states of a TCP connection as Linux 6.1 tracks them, in its order.
@frozen public enum TCPState: UInt8, BitwiseCopyable, Sendable {
  case none, synSent, synReceived, established, finWait, closeWait, lastACK, timeWait, closed
  /// A SYN seen from both sides: simultaneous open.
  case synSent2
}

/// What kind of packets a connection tracks.
@frozen public enum FlowKind: UInt8, BitwiseCopyable, Sendable {
  case free, tcp, udp, echo, other
}

/// What is known of a connection, beside its state.
@frozen public struct FlowFlags: OptionSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// The first packet came in; clear when it went out.
  @inlinable public static var fromOutside: FlowFlags { FlowFlags(rawValue: 1) }
  /// A packet of the answering side was accepted.
  @inlinable public static var seenReply: FlowFlags { FlowFlags(rawValue: 2) }
  /// The destination of egress packets is cached and the ACL lets them out, since
  /// `generation`.
  @inlinable public static var egressCached: FlowFlags { FlowFlags(rawValue: 4) }
  /// The ACL lets ingress packets in, since `generation`.
  @inlinable public static var ingressCached: FlowFlags { FlowFlags(rawValue: 8) }
  @inlinable public static var isIPv6: FlowFlags { FlowFlags(rawValue: 16) }
}

/// The five-tuple of a connection as its NIC sees it: local side and remote side.
///
/// One key serves both directions, so a connection has one entry and its answers find it without a
/// second index.
@frozen public struct FlowKey: BitwiseCopyable, Sendable, Equatable {
  /// NIC in the upper 24 bits, protocol, local port, remote port. An ICMP echo has its identifier
  /// as local port, and 1 as remote port when the other side asked.
  public var identity: UInt64
  public var localHigh: UInt64
  public var localLow: UInt64
  public var remoteHigh: UInt64
  public var remoteLow: UInt64
  public var isIPv6: Bool
  /// What an entry's first line keeps of the addresses: both for IPv4, a digest for IPv6. Set by
  /// `seal`.
  public var addressWord: UInt64

  @inlinable public init() {
    addressWord = 0
    identity = 0
    localHigh = 0
    localLow = 0
    remoteHigh = 0
    remoteLow = 0
    isIPv6 = false
  }

  /// The word that holds all of a key but its addresses; ports in host order.
  @inlinable @inline(__always)
  public static func identity(
    nic: UInt32, transport: UInt8, localPort: UInt16, remotePort: UInt16
  ) -> UInt64 {
    UInt64(nic) << 40 | UInt64(transport) << 32 | UInt64(localPort) << 16 | UInt64(remotePort)
  }

  /// A keyed 64-bit hash: multiply-and-fold over the key's words.
  ///
  /// The seed is secret where flows of strangers meet, so that nobody can fill one bucket on
  /// purpose.
  @inlinable @inline(__always)
  public func hash(seed: UInt64) -> UInt64 {
    var value: UInt64
    if isIPv6 {
      value = mix(localHigh ^ seed, remoteHigh ^ 0x9E37_79B9_7F4A_7C15)
      value = mix(localLow ^ value, remoteLow ^ 0xC2B2_AE3D_27D4_EB4F)
      value = mix(identity ^ value, seed ^ 0x1656_67B1_9E37_79F9)
    } else {
      // Both factors are keyed: with a secret seed nobody knows an input that makes one zero.
      value = mix(localLow << 32 | remoteLow ^ seed, identity ^ seed &* 0x9E37_79B9_7F4A_7C15)
    }
    return value
  }

  @inlinable @inline(__always)
  func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }

  /// Completes a key whose fields are set.
  @inlinable @inline(__always)
  public mutating func seal() {
    addressWord =
      isIPv6
      ? mix(localLow ^ localHigh &* 3, remoteLow ^ remoteHigh &* 5 ^ 0x9E37_79B9_7F4A_7C15)
      : localLow << 32 | remoteLow
  }
}

/// The cache line of a tracked connection that every packet touches.
@frozen public struct FlowEntry: BitwiseCopyable, Sendable {
  public var identity: UInt64
  public var addressWord: UInt64
  /// When the connection ends if no packet comes, in nanoseconds.
  public var deadline: UInt64
  /// Accepted packets and bytes each way since the flow log last took them.
  public var packetsOut: UInt32
  public var packetsIn: UInt32
  public var bytesOut: UInt64
  public var bytesIn: UInt64
  /// The rule that let the first packet pass.
  public var rule: UInt32
  /// Where egress packets go: a `Destination`, with `egressCached`.
  public var destination: UInt32
  /// The generation of the rule tables that the cached answers are from.
  public var generation: UInt32
  public var kind: FlowKind
  public var flags: FlowFlags
  /// Of TCP; UDP counts packets each way up to two in it: low nibble out, high nibble in.
  public var state: UInt8
  var padding: UInt8 = 0

  /// A connection over IPv4 whose egress answers are cached, since `generation`.
  @inlinable @inline(__always)
  public var hasEgressIPv4: Bool {
    kind != .free && flags.rawValue & 0x14 == FlowFlags.egressCached.rawValue
  }
  /// The same for ingress.
  @inlinable @inline(__always)
  public var hasIngressIPv4: Bool {
    kind != .free && flags.rawValue & 0x18 == FlowFlags.ingressCached.rawValue
  }
  @inlinable public var nic: UInt32 { UInt32(truncatingIfNeeded: identity >> 40) }
  @inlinable public var transport: UInt8 { UInt8(truncatingIfNeeded: identity >> 32) }
}

/// The second line, for IPv6 connections: the addresses in full.
@frozen public struct FlowAddresses: BitwiseCopyable, Sendable, Equatable {
  public var localHigh: UInt64
  public var localLow: UInt64
  public var remoteHigh: UInt64
  public var remoteLow: UInt64

  @inlinable public init(_ key: FlowKey) {
    localHigh = key.localHigh
    localLow = key.localLow
    remoteHigh = key.remoteHigh
    remoteLow = key.remoteLow
  }
}

/// What window tracking knows of one side of a TCP connection.
@frozen public struct TCPSide: BitwiseCopyable, Sendable {
  /// One more than the highest sequence number sent.
  public var end: UInt32 = 0
  /// The highest sequence number the other side's window allows, exclusive.
  public var maxEnd: UInt32 = 0
  /// The largest window this side announced, in bytes.
  public var maxWindow: UInt32 = 0
  /// The highest acknowledgement this side sent.
  public var maxACK: UInt32 = 0
  @inlinable public init() {}
}

/// The line of a TCP connection: windows of both sides and what the last odd packet was.
///
/// Side 0 sent the first packet.
@frozen public struct TCPTrack: BitwiseCopyable, Sendable {
  public var sides: (TCPSide, TCPSide) = (TCPSide(), TCPSide())
  public var lastEnd: UInt32 = 0
  public var lastACK: UInt32 = 0
  public var lastWindow: UInt16 = 0
  public var lastScale: UInt8 = 0
  public var lastFlags = TCPSideFlags()
  public var lastKind = TCPPacketKind.none
  public var lastSide: UInt8 = 0
  public var scales: (UInt8, UInt8) = (0, 0)
  public var flags: (TCPSideFlags, TCPSideFlags) = (TCPSideFlags(), TCPSideFlags())
  /// Both sides proved to be there (Linux: ASSURED).
  public var assured = false
  /// A segment came in fragments: its length is unknown, and windows are no longer checked.
  public var windowCheckOff = false
  @inlinable public init() {}
}

/// What is known of one side of a TCP connection, beside its window.
@frozen public struct TCPSideFlags: OptionSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  @inlinable public static var windowScale: TCPSideFlags { TCPSideFlags(rawValue: 1) }
  @inlinable public static var sackPermitted: TCPSideFlags { TCPSideFlags(rawValue: 2) }
  /// This side sent the first FIN.
  @inlinable public static var closeInitiator: TCPSideFlags { TCPSideFlags(rawValue: 4) }
  /// Picked up midstream: windows are guessed and not enforced.
  @inlinable public static var liberal: TCPSideFlags { TCPSideFlags(rawValue: 8) }
  @inlinable public static var maxACKSet: TCPSideFlags { TCPSideFlags(rawValue: 32) }
  /// Of the last packet: a challenge ACK (RFC 5961) may follow.
  @inlinable public static var expectChallengeACK: TCPSideFlags { TCPSideFlags(rawValue: 64) }
  @inlinable public static var simultaneousOpen: TCPSideFlags { TCPSideFlags(rawValue: 128) }
}

/// The kinds of TCP packets that the state machine tells apart.
@frozen public enum TCPPacketKind: UInt8, BitwiseCopyable, Sendable {
  case syn, synACK, fin, ack, rst, none
}
