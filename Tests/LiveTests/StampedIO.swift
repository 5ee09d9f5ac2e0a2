import Datapath
import Glibc
import Live
import LockFree
import TestPackets

/// What the threads of a generation check tell each other.
final class GenerationStamps: @unchecked Sendable {
  private let memory = SharedMemory(lines: 4)

  deinit { memory.deallocate() }

  /// The generation whose publication has returned.
  var published: UInt64 {
    get { memory.line(0).load() }
    set { memory.line(0).store(newValue) }
  }

  /// Frames that left although no single generation lets them.
  var mixed: UInt64 { memory.line(1).load() }
  /// Frames that left by a generation older than the one published before they came.
  var late: UInt64 { memory.line(2).load() }
  /// Frames that left as they may.
  var good: UInt64 { memory.line(3).load() }

  /// Counts a frame; workers may lose a count to each other, but none comes to be zero.
  func count(_ line: Int) { memory.line(line).add(1) }
}

/// The ports of a worker whose guest never stops sending: each frame carries the generation whose
/// publication had returned before it came, and is looked at when it leaves.
struct StampedIO: PacketIO, ~Copyable {
  static let headroom = 128
  static let burst = 16

  let stamps: GenerationStamps
  let worker: Int
  private var number: Int
  private let template: [UInt8]
  private static let (portOffset, payloadOffset) = (36, 42)

  init(_ stamps: GenerationStamps, worker: Int) {
    self.stamps = stamps
    self.worker = worker
    number = worker * 7
    template = LiveHost.frame(
      LiveHost.web,
      Compose.ipv4(
        "10.0.1.10", "10.0.1.20", protocol: 17,
        Compose.udp(5_000, 7, [UInt8](repeating: 0, count: 16))))
  }

  var portCount: Int { 2 }

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    guard port == 1 else { return 0 }
    let stamp = stamps.published
    for slot in 0..<min(Self.burst, burst.count) {
      guard let memory = malloc(512) else { return slot }
      let base = memory + Self.headroom
      template.withUnsafeBytes {
        base.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count)
      }
      number += 1
      fill(base, stamp: stamp)
      burst[slot].base = base
      burst[slot].length = UInt32(template.count)
      burst[slot].originalLength = UInt32(template.count)
      burst[slot].headroom = UInt32(Self.headroom)
    }
    return min(Self.burst, burst.count)
  }

  /// One of the kinds of frames of `GenerationModel`, on a connection of its own for a while.
  private func fill(_ base: UnsafeMutableRawPointer, stamp: UInt64) {
    func put16(_ value: Int, _ offset: Int) {
      base.storeBytes(of: UInt8(value >> 8 & 255), toByteOffset: offset, as: UInt8.self)
      base.storeBytes(of: UInt8(value & 255), toByteOffset: offset + 1, as: UInt8.self)
    }
    let kind = GenerationModel.Kind.allCases[number % GenerationModel.Kind.allCases.count]
    let generation = Int(stamp) + number / 5 % 3 - 1
    put16(GenerationModel.port(kind, generation), Self.portOffset)
    put16(1_024 + number % 50_000, Self.portOffset - 2)
    let address = GenerationModel.address(kind)
    put16(address >> 16, 30)
    put16(address & 0xFFFF, 32)
    // The header's checksum counts.
    put16(0, 24)
    var sum = 0
    for offset in stride(from: 14, to: 34, by: 2) {
      sum +=
        Int(base.load(fromByteOffset: offset, as: UInt8.self)) << 8
        | Int(base.load(fromByteOffset: offset + 1, as: UInt8.self))
    }
    while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
    put16(~sum & 0xFFFF, 24)
    base.storeBytes(of: stamp, toByteOffset: Self.payloadOffset, as: UInt64.self)
  }

  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    let inner = packet.base + 50
    let high = Int(inner.load(fromByteOffset: Self.portOffset, as: UInt8.self))
    let low = Int(inner.load(fromByteOffset: Self.portOffset + 1, as: UInt8.self))
    let stamp = inner.loadUnaligned(fromByteOffset: Self.payloadOffset, as: UInt64.self)
    switch GenerationModel.generation(port: high << 8 | low) {
    case nil: stamps.count(1)
    case let generation? where generation < Int(stamp): stamps.count(2)
    case _?: stamps.count(3)
    }
    release(&packet)
  }

  mutating func release(_ packet: inout Packet) { free(packet.base - Int(packet.headroom)) }
  mutating func flush() {}
  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool { false }
  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    target.copyMemory(from: packet.base + offset, byteCount: count)
  }
  func offloads(port: Int) -> PortOffloads { .isUp }
  mutating func wait(microseconds: Int) {}
}
