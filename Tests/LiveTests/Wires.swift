import Datapath
import Glibc
import Live

/// A frame on its way into a port, or out of one.
struct WireFrame: Equatable {
  var bytes: [UInt8]
  var isPartial = false
  var segmentSize: UInt16 = 0
}

/// What is plugged into the ports of all workers: frames in, frames out, and every buffer by its
/// address, so that one that is given back twice or never shows.
final class Wires: @unchecked Sendable {
  static let headroom = 128
  private var mutex = pthread_mutex_t()
  /// By worker and port.
  private var inputs: [[[WireFrame]]]
  private var outputs: [[WireFrame]]
  private var live: Set<UInt> = []
  private var faultCount = 0
  private var offloadSets: [PortOffloads]
  private var bufferLimit = Int.max

  init(workers: Int, ports: Int) {
    inputs = [[[WireFrame]]](
      repeating: [[WireFrame]](repeating: [], count: ports), count: workers)
    outputs = [[WireFrame]](repeating: [], count: ports)
    offloadSets = [PortOffloads](repeating: .isUp, count: ports)
    pthread_mutex_init(&mutex, nil)
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(&mutex)
    defer { pthread_mutex_unlock(&mutex) }
    return body()
  }

  // MARK: Tests

  func put(_ frames: [WireFrame], port: Int, worker: Int = 0) {
    locked { inputs[worker][port] += frames }
  }

  func put(_ frames: [[UInt8]], port: Int, worker: Int = 0) {
    put(frames.map { WireFrame(bytes: $0) }, port: port, worker: worker)
  }

  /// The frames that left by a port since it was asked last.
  func take(port: Int) -> [WireFrame] {
    locked {
      defer { outputs[port] = [] }
      return outputs[port]
    }
  }

  func setOffloads(_ offloads: PortOffloads, port: Int) {
    locked { offloadSets[port] = offloads }
  }
  func limitBuffers(_ limit: Int) { locked { bufferLimit = limit } }
  /// Buffers that nobody gave back.
  var buffersInUse: Int { locked { live.count } }
  /// Buffers that were given back and not lent.
  var faults: Int { locked { faultCount } }

  // MARK: Ports

  func next(worker: Int, port: Int) -> WireFrame? {
    locked {
      inputs[worker][port].isEmpty ? nil : inputs[worker][port].removeFirst()
    }
  }

  func hasInput(worker: Int) -> Bool { locked { inputs[worker].contains { !$0.isEmpty } } }

  func lend(_ capacity: Int) -> UnsafeMutableRawPointer? {
    locked {
      if live.count >= bufferLimit { return nil }
      let memory = UnsafeMutableRawPointer.allocate(
        byteCount: Self.headroom + capacity, alignment: 64)
      live.insert(UInt(bitPattern: memory))
      return memory
    }
  }

  func takeBack(_ memory: UnsafeMutableRawPointer) {
    locked {
      if live.remove(UInt(bitPattern: memory)) == nil {
        faultCount += 1
      } else {
        memory.deallocate()
      }
    }
  }

  func record(_ frame: WireFrame, port: Int) { locked { outputs[port].append(frame) } }
  func offloads(port: Int) -> PortOffloads { locked { offloadSets[port] } }
}

/// The ports of one worker on such wires.
struct WireIO: PacketIO, ~Copyable {
  let wires: Wires
  let worker: Int
  let portCount: Int
  var flushes = 0
  private let descriptor: Int32

  init(_ wires: Wires, worker: Int, portCount: Int, descriptor: Int32 = -1) {
    self.wires = wires
    self.worker = worker
    self.portCount = portCount
    self.descriptor = descriptor
  }

  var wakeDescriptor: Int32 { descriptor }

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    var count = 0
    while count < burst.count, let frame = wires.next(worker: worker, port: port) {
      guard let memory = wires.lend(frame.bytes.count) else { break }
      Self.fill(&burst[count], memory, frame.bytes)
      if frame.isPartial { burst[count].flags.insert(.partialChecksum) }
      burst[count].segmentSize = frame.segmentSize
      count += 1
    }
    return count
  }

  static func fill(_ packet: inout Packet, _ memory: UnsafeMutableRawPointer, _ bytes: [UInt8]) {
    let base = memory + Wires.headroom
    bytes.withUnsafeBytes { source in
      if let start = source.baseAddress { base.copyMemory(from: start, byteCount: bytes.count) }
    }
    packet.base = base
    packet.length = UInt32(bytes.count)
    packet.originalLength = UInt32(bytes.count)
    packet.headroom = UInt32(Wires.headroom)
  }

  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    let bytes = UnsafeRawBufferPointer(start: packet.base, count: Int(packet.length))
    wires.record(
      WireFrame(
        bytes: [UInt8](bytes), isPartial: packet.flags.contains(.partialChecksum),
        segmentSize: packet.segmentSize), port: port)
    release(&packet)
  }

  mutating func flush() { flushes += 1 }

  mutating func release(_ packet: inout Packet) {
    wires.takeBack(packet.base - Int(packet.headroom))
  }

  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool {
    guard let memory = wires.lend(capacity) else { return false }
    Self.fill(&packet, memory, [UInt8](repeating: 0, count: capacity))
    return true
  }

  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    target.copyMemory(from: packet.base + offset, byteCount: count)
  }

  func offloads(port: Int) -> PortOffloads { wires.offloads(port: port) }

  mutating func wait(microseconds: Int) {
    if wires.hasInput(worker: worker) { return }
    var wake = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    if poll(&wake, 1, Int32(max(1, microseconds / 1_000))) > 0 {
      var count: UInt64 = 0
      _ = read(descriptor, &count, 8)
    }
  }
}
