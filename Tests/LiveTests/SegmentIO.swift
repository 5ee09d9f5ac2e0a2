import Datapath
import Live
import TestPackets

/// A port in memory whose frames may be in several buffers, and which knows every buffer again.
///
/// Each buffer ends where readable memory ends, so that one byte too many kills the test.
struct SegmentIO: PacketIO, ~Copyable {
  struct Sent {
    var bytes: [UInt8]
    var port: Int
    var flags: PacketFlags
    var segmentSize: UInt16
  }

  private struct Buffer {
    var memory: GuardedBytes
    /// The bytes of the frame that are not in this buffer.
    var rest: [UInt8]
  }

  private var buffers: [UInt: Buffer] = [:]
  private(set) var sent: [Sent] = []
  /// The port that paid for each allocation.
  private(set) var payers: [Int] = []
  private(set) var copied = 0
  /// Allocations that succeed from now on.
  var allocationsLeft = Int.max

  /// Buffers that nobody has given back.
  var buffersInUse: Int { buffers.count }

  /// A received frame with its first `first` bytes in the first buffer.
  mutating func packet(_ frame: [UInt8], first: Int) -> Packet {
    var packet = makePacket(Array(frame.prefix(first)), rest: Array(frame.dropFirst(first)))
    packet.originalLength = UInt32(frame.count)
    return packet
  }

  private mutating func makePacket(_ bytes: [UInt8], rest: [UInt8] = []) -> Packet {
    let headroom = PacketIOLimits.headroom
    let memory = GuardedBytes([UInt8](repeating: 0xEE, count: headroom) + bytes)
    buffers[UInt(bitPattern: memory.start)] = Buffer(memory: memory, rest: rest)
    return Packet(
      base: memory.start + headroom, length: UInt32(bytes.count), headroom: UInt32(headroom))
  }

  private func key(_ packet: borrowing Packet) -> UInt {
    UInt(bitPattern: packet.base) - UInt(packet.headroom)
  }

  private func bytes(_ packet: borrowing Packet) -> [UInt8] {
    guard let buffer = buffers[key(packet)] else { preconditionFailure("not a buffer") }
    return Array(UnsafeRawBufferPointer(start: packet.base, count: Int(packet.length)))
      + buffer.rest
  }

  var portCount: Int { 2 }
  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int { 0 }
  mutating func flush() {}
  func offloads(port: Int) -> PortOffloads { PortOffloads(rawValue: 0) }
  mutating func wait(microseconds: Int) {}

  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    sent.append(
      Sent(
        bytes: bytes(packet), port: port, flags: packet.flags, segmentSize: packet.segmentSize))
    release(&packet)
  }

  mutating func release(_ packet: inout Packet) {
    let buffer = buffers.removeValue(forKey: key(packet))
    precondition(buffer != nil, "released twice, or never ours")
  }

  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool {
    if allocationsLeft == 0 { return false }
    allocationsLeft -= 1
    payers.append(port)
    packet = makePacket([UInt8](repeating: 0xDD, count: capacity))
    packet.length = 0
    packet.originalLength = 0
    return true
  }

  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    precondition(offset + count <= Int(packet.originalLength))
    copied += count
    let rest = buffers[key(packet)]?.rest ?? []
    let inFirst = max(0, min(count, Int(packet.length) - offset))
    if inFirst > 0 { target.copyMemory(from: packet.base + offset, byteCount: inFirst) }
    if inFirst == count { return }
    let start = offset + inFirst - Int(packet.length)
    rest.withUnsafeBytes { bytes in
      guard let source = bytes.baseAddress else { return }
      (target + inFirst).copyMemory(from: source + start, byteCount: count - inFirst)
    }
  }
}
