import Datapath

/// The ports of one worker: what the polling loop asks of a runtime (kernel or DPDK).
///
/// Port 0 is the uplink, ports 1 and up are places for guests' ports, which come and go. A worker
/// polls the queues whose number modulo the workers is its own. A packet's buffer is `base` less
/// `headroom`, by which the runtime knows it again; any worker may send or release a buffer that
/// another received. Nothing here allocates, locks beyond what a driver does, or throws; a call
/// takes what it can.
public protocol PacketIO: ~Copyable {
  /// The uplink and all places for guests' ports; constant.
  var portCount: Int { get }

  /// Takes received frames of a port.
  ///
  /// Fills `base`, `length`, `originalLength`, `headroom` (at least `PacketIOLimits.headroom`),
  /// `segmentSize` and the flag `partialChecksum`; `origin`, `nic` and `time` are the loop's.
  /// A frame beyond the port's limits is counted there and never comes out.
  ///
  /// - Parameter burst: initialised descriptors, overwritten from the first.
  /// - Returns: how many came, at most `burst.count`.
  mutating func receive(
    port: Int, into burst: UnsafeMutableBufferPointer<Packet>
  ) -> Int

  /// Queues a frame for a port and takes its buffer over. What the port does not take, now or when
  /// it is flushed, is released and counted by the port as `portFull` or `portDown`.
  ///
  /// `partialChecksum` and `segmentSize` still say what the frame needs. `canOffload` has said
  /// whether the port does that itself.
  ///
  /// - Parameter headers: where the IP and TCP or UDP headers of the (inner) frame stand.
  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets)

  /// Hands all queued frames to the devices. Called once for each round of the loop.
  mutating func flush()

  /// Gives a buffer back.
  mutating func release(_ packet: inout Packet)

  /// An empty buffer with `PacketIOLimits.headroom` and room for a frame of `capacity` bytes, for
  /// answers, fragments and segments.
  ///
  /// - Parameter port: whose pool pays, which is the port that caused the packet.
  /// - Returns: false when the pool is empty or no buffer is that large.
  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool

  /// Copies bytes of a frame, which may be in several buffers.
  ///
  /// - Parameter offset: from `base`; `offset + count` is at most `originalLength`.
  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer)

  /// What a port's device or guest does by itself for a frame that leaves there.
  func offloads(port: Int) -> PortOffloads

  /// Blocks until one of the worker's queues has something, `wakeDescriptor` was written to, or
  /// the time is over. May return early.
  mutating func wait(microseconds: Int)

  /// The non-blocking eventfd that ends `wait`, for other workers and the service thread; -1 when
  /// there is none, and `wait` is then asked for 1 ms at a time.
  var wakeDescriptor: Int32 { get }
}

extension PacketIO where Self: ~Copyable {
  @inlinable public var wakeDescriptor: Int32 { -1 }
}

/// Constants of every runtime.
public enum PacketIOLimits {
  /// Bytes before a received frame: outer headers of 70 bytes fit, and a cache line's alignment.
  @inlinable public static var headroom: Int { 128 }
}

/// Where headers stand in a frame, in bytes from its start.
@frozen public struct HeaderOffsets: BitwiseCopyable, Sendable {
  public var network: UInt16
  public var transport: UInt16
  /// The first byte behind the TCP or UDP header.
  public var payload: UInt16
  public var isIPv6: Bool
  public var isTCP: Bool
  /// Bytes of outer headers before the inner Ethernet header; 0 without tunnel. `network` and the
  /// others count from the frame's start, which is the outer one's.
  public var outer: UInt16

  @inlinable public init(
    network: UInt16 = 0, transport: UInt16 = 0, payload: UInt16 = 0, isIPv6: Bool = false,
    isTCP: Bool = false, outer: UInt16 = 0
  ) {
    self.network = network
    self.transport = transport
    self.payload = payload
    self.isIPv6 = isIPv6
    self.isTCP = isTCP
    self.outer = outer
  }
}

/// What a port does by itself.
@frozen public struct PortOffloads: OptionSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Completes the TCP or UDP checksum of a plain frame, or passes the duty on to its guest.
  @inlinable public static var checksum: PortOffloads { PortOffloads(rawValue: 1) }
  /// Segments TCP over IPv4, or passes the whole on to its guest.
  @inlinable public static var segmentation4: PortOffloads { PortOffloads(rawValue: 2) }
  @inlinable public static var segmentation6: PortOffloads { PortOffloads(rawValue: 4) }
  /// Completes the inner checksum of a tunnel packet.
  @inlinable public static var tunnelChecksum: PortOffloads { PortOffloads(rawValue: 8) }
  /// Segments TCP inside a tunnel packet.
  @inlinable public static var tunnelSegmentation: PortOffloads { PortOffloads(rawValue: 16) }
  /// Somebody is there: the link is up, the guest's driver runs.
  @inlinable public static var isUp: PortOffloads { PortOffloads(rawValue: 128) }
}

/// Counters of a port, of one worker; read by others while they count.
@frozen public struct PortCounters: BitwiseCopyable, Sendable {
  public var receivedPackets: UInt64 = 0
  public var receivedBytes: UInt64 = 0
  public var sentPackets: UInt64 = 0
  public var sentBytes: UInt64 = 0
  /// `port.full`, `port.down`, `port.oversize`.
  public var dropsFull: UInt64 = 0
  public var dropsDown: UInt64 = 0
  public var dropsOversize: UInt64 = 0
  /// Received by the device or the kernel, which had no room for them; not in `receivedPackets`.
  public var missed: UInt64 = 0
  /// Times that a guest's ring was found with a descriptor that cannot be, and left alone for a
  /// while.
  public var wedged: UInt64 = 0
  /// Buffers in use and in all, of the port's pool.
  public var buffersInUse: UInt64 = 0
  public var buffers: UInt64 = 0

  @inlinable public init() {}
}
