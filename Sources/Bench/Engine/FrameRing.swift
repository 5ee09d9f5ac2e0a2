import Datapath
import Tables
import Wire

/// What has to become of a packet.
struct ExpectedPacket {
  var length: UInt32
  var output: OutputPlace
  var state: FlowState
}

/// The frames of one burst, each in a buffer of its own that is written anew every time.
///
/// A frame stands at the same place of its buffer whichever way it goes; one from the underlay has
/// its outer header before it.
final class FrameRing {
  static let capacity = 32
  private static let headroom = 128
  private static let tunnelLength = 50

  private let slotLength: Int
  private let memory: UnsafeMutableRawPointer
  private let descriptors: UnsafeMutablePointer<Packet>
  private(set) var expected: [ExpectedPacket] = []
  private(set) var count = 0
  /// Of the last packet, in nanoseconds; each is `step` later than the one before.
  var time: UInt64 = 1_000_000_000
  var step: UInt64 = 50

  /// - Parameter frameLength: the longest frame, without an outer header, in bytes.
  init(frameLength: Int = 64) {
    slotLength = max(256, (frameLength + Self.headroom + 63) / 64 * 64)
    memory = .allocate(byteCount: Self.capacity * slotLength, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.capacity * slotLength)
    descriptors = .allocate(capacity: Self.capacity)
    expected.reserveCapacity(Self.capacity)
    for index in 0..<Self.capacity {
      (descriptors + index).initialize(to: Packet(base: frame(index), length: 0, headroom: 0))
    }
  }

  deinit {
    memory.deallocate()
    descriptors.deallocate()
  }

  private func frame(_ index: Int) -> UnsafeMutableRawPointer {
    memory + index * slotLength + Self.headroom
  }

  /// The burst, less some packets at its end.
  func packets(without omitted: Int = 0) -> UnsafeMutableBufferPointer<Packet> {
    UnsafeMutableBufferPointer(start: descriptors, count: max(0, count - omitted))
  }

  // MARK: Filling

  /// Begins the next burst.
  func clear() {
    count = 0
    expected.removeAll(keepingCapacity: true)
  }

  /// Adds a frame that an interface sends to another host.
  ///
  /// - Returns: where the frame is to be written.
  func addOutbound(
    length: Int = 64, nic: TableIndex = 0, _ state: FlowState
  ) -> UnsafeMutableRawPointer {
    let base = frame(count)
    var packet = Packet(base: base, length: UInt32(length), headroom: UInt32(Self.headroom))
    packet.origin = .guest
    packet.nic = nic
    packet.flags = .atNIC
    add(packet)
    expected.append(
      ExpectedPacket(
        length: UInt32(length + Self.tunnelLength), output: .underlay, state: state))
    return base
  }

  /// Adds a frame that another host sends to an interface of this one, with its outer header.
  ///
  /// - Returns: where the inner frame is to be written.
  func addInbound(
    _ tuple: FlowTuple, length: Int = 64, nic: TableIndex = 0, _ state: FlowState
  ) -> UnsafeMutableRawPointer {
    let outer = frame(count) - Self.tunnelLength
    tuple.writeTunnel(at: outer, length: length)
    var packet = Packet(
      base: outer, length: UInt32(length + Self.tunnelLength),
      headroom: UInt32(Self.headroom - Self.tunnelLength))
    packet.origin = .underlay
    add(packet)
    expected.append(ExpectedPacket(length: UInt32(length), output: .nic(nic), state: state))
    return outer + Self.tunnelLength
  }

  /// Adds a UDP frame of 64 bytes of a connection.
  func addUDP(
    _ tuple: FlowTuple, isOutbound: Bool, nic: TableIndex = 0, _ state: FlowState
  ) {
    let base =
      isOutbound ? addOutbound(nic: nic, state) : addInbound(tuple, nic: nic, state)
    tuple.writeUDP(at: base, isOutbound: isOutbound)
  }

  /// Adds a TCP segment of a connection.
  func addTCP(
    _ tuple: FlowTuple, isOutbound: Bool, _ segment: FlowTuple.Segment, _ state: FlowState
  ) {
    let base =
      isOutbound
      ? addOutbound(length: segment.length, state)
      : addInbound(tuple, length: segment.length, state)
    tuple.writeTCP(at: base, isOutbound: isOutbound, segment)
  }

  private func add(_ packet: consuming Packet) {
    precondition(count < Self.capacity)
    time += step
    packet.time = time
    descriptors[count] = packet
    count += 1
  }
}
