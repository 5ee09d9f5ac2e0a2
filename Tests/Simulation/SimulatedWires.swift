import Datapath
import Live
import Wire

/// What is plugged into the ports of a simulated host: frames on their way in, rings on the way out,
/// buffers, and a record of everything that workers do with them.
final class SimulatedWires {
  static let headroom = PacketIOLimits.headroom

  /// A frame on its way into a port.
  struct Input {
    /// Counts from 0 over the whole run.
    var number: Int
    var port: Int
    var bytes: [UInt8]
    /// The same with its checksum left to the host.
    var partial: [UInt8]?
    /// Bytes of payload of each packet that its device shall make of it; 0: it is one packet.
    var segmentSize = 0
    /// The worker whose queue it came to.
    var worker = 0
  }

  /// What a worker did with a buffer.
  struct Event {
    enum Kind: Equatable {
      case released
      /// Given to a port, which took it, or had no room and counted that.
      case sent(port: Int)
      /// There was no buffer for a composed frame.
      case noBuffer
    }

    var kind: Kind
    var worker: Int
    /// nil for a frame that the host composed.
    var input: Input?
    var outcome = PacketOutcome()
    /// The frame as it left.
    var bytes: [UInt8] = []
    var isPartial = false
  }

  /// An output ring: how much it holds, and how much its device takes at each flush.
  struct OutputRing {
    var room = 1_024
    var drain = 1_024
    var held: [UnsafeMutableRawPointer] = []
    var refused = 0
  }

  /// By worker and port.
  private var inputs: [[[Input]]]
  var rings: [[OutputRing]]
  private(set) var events: [Event] = []
  /// Buffers that are lent, by their address.
  private var lent: [UInt: Input?] = [:]
  private var free: [UnsafeMutableRawPointer] = []
  private var all: [UnsafeMutableRawPointer] = []
  var bufferLimit = Int.max
  /// Buffers that were given back and not lent.
  private(set) var faults = 0
  private(set) var accepted = 0

  private static let bufferSize = 16_384

  init(workers: Int, ports: Int) {
    inputs = [[[Input]]](repeating: [[Input]](repeating: [], count: ports), count: workers)
    rings = [[OutputRing]](
      repeating: [OutputRing](repeating: OutputRing(), count: ports), count: workers)
  }

  deinit {
    for buffer in all { buffer.deallocate() }
  }

  // MARK: The simulation

  func put(_ input: Input) { inputs[input.worker][input.port].append(input) }

  /// Frames that no worker has taken yet.
  var waiting: Int { inputs.joined().reduce(0) { $0 + $1.count } }

  func forgetInputs(port: Int) {
    for worker in inputs.indices { inputs[worker][port] = [] }
  }

  /// What happened since it was asked last.
  func takeEvents() -> [Event] {
    defer { events = [] }
    return events
  }

  var buffersInUse: Int { lent.count }
  /// Buffers in output rings.
  var buffersHeld: Int { rings.joined().reduce(0) { $0 + $1.held.count } }

  func setRing(port: Int, room: Int, drain: Int) {
    for worker in rings.indices {
      rings[worker][port].room = room
      rings[worker][port].drain = drain
    }
  }

  // MARK: Ports

  func next(worker: Int, port: Int) -> (Input, UnsafeMutableRawPointer)? {
    guard !inputs[worker][port].isEmpty, let buffer = lend(inputs[worker][port][0]) else {
      return nil
    }
    accepted += 1
    return (inputs[worker][port].removeFirst(), buffer)
  }

  private func lend(_ input: Input?) -> UnsafeMutableRawPointer? {
    guard lent.count < bufferLimit else { return nil }
    let buffer: UnsafeMutableRawPointer
    if let known = free.popLast() {
      buffer = known
    } else {
      buffer = .allocate(byteCount: Self.bufferSize, alignment: 64)
      all.append(buffer)
    }
    // What an earlier frame left behind must not look like this one's.
    buffer.initializeMemory(as: UInt8.self, repeating: 0xA5, count: 256)
    lent[UInt(bitPattern: buffer)] = .some(input)
    return buffer
  }

  func compose(worker: Int) -> UnsafeMutableRawPointer? {
    if let buffer = lend(nil) { return buffer }
    events.append(Event(kind: .noBuffer, worker: worker))
    return nil
  }

  private func takeBack(_ buffer: UnsafeMutableRawPointer) {
    if lent.removeValue(forKey: UInt(bitPattern: buffer)) == nil {
      faults += 1
    } else {
      free.append(buffer)
    }
  }

  private func input(_ packet: borrowing Packet) -> Input? {
    let buffer = packet.base - Int(packet.headroom)
    guard let known = lent[UInt(bitPattern: buffer)] else { return nil }
    return known
  }

  func release(_ packet: borrowing Packet, worker: Int) {
    events.append(
      Event(
        kind: .released, worker: worker, input: input(packet), outcome: PacketOutcome(packet)))
    takeBack(packet.base - Int(packet.headroom))
  }

  func send(_ packet: borrowing Packet, port: Int, worker: Int) {
    let bytes = [UInt8](UnsafeRawBufferPointer(start: packet.base, count: Int(packet.length)))
    events.append(
      Event(
        kind: .sent(port: port), worker: worker, input: input(packet),
        outcome: PacketOutcome(packet), bytes: bytes,
        isPartial: packet.flags.contains(.partialChecksum)))
    let buffer = packet.base - Int(packet.headroom)
    if rings[worker][port].held.count < rings[worker][port].room {
      rings[worker][port].held.append(buffer)
    } else {
      rings[worker][port].refused += 1
      takeBack(buffer)
    }
  }

  func flush(worker: Int) {
    for port in rings[worker].indices {
      let count = min(rings[worker][port].drain, rings[worker][port].held.count)
      for buffer in rings[worker][port].held.prefix(count) { takeBack(buffer) }
      rings[worker][port].held.removeFirst(count)
    }
  }
}

/// What a descriptor says when its packet is done with.
struct PacketOutcome {
  var verdict = Verdict.pending
  var reason = DropReason.none
  var state = FlowState.none
  var direction = PacketDirection.none
  var rule: UInt32 = 0
  var answersTooBig = false

  init() {}

  init(_ packet: borrowing Packet) {
    verdict = packet.verdict
    reason = packet.reason
    state = packet.state
    direction = packet.direction
    rule = packet.rule
    answersTooBig = packet.flags.contains(.answerTooBig)
  }
}

/// The ports of one simulated worker.
struct SimulatedIO: PacketIO, ~Copyable {
  let wires: SimulatedWires
  let worker: Int
  let portCount: Int

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    var count = 0
    while count < burst.count, let (input, buffer) = wires.next(worker: worker, port: port) {
      Self.fill(&burst[count], buffer, input.partial ?? input.bytes)
      if input.partial != nil { burst[count].flags.insert(.partialChecksum) }
      burst[count].segmentSize = UInt16(input.segmentSize)
      count += 1
    }
    return count
  }

  private static func fill(
    _ packet: inout Packet, _ buffer: UnsafeMutableRawPointer, _ bytes: [UInt8]
  ) {
    let base = buffer + SimulatedWires.headroom
    bytes.withUnsafeBytes { source in
      if let start = source.baseAddress { base.copyMemory(from: start, byteCount: bytes.count) }
    }
    packet.base = base
    packet.length = UInt32(bytes.count)
    packet.originalLength = UInt32(bytes.count)
    packet.headroom = UInt32(SimulatedWires.headroom)
  }

  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    wires.send(packet, port: port, worker: worker)
  }

  mutating func flush() { wires.flush(worker: worker) }

  mutating func release(_ packet: inout Packet) { wires.release(packet, worker: worker) }

  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool {
    guard let buffer = wires.compose(worker: worker) else { return false }
    Self.fill(&packet, buffer, [UInt8](repeating: 0, count: capacity))
    return true
  }

  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    target.copyMemory(from: packet.base + offset, byteCount: count)
  }

  func offloads(port: Int) -> PortOffloads { .isUp }

  mutating func wait(microseconds: Int) {}
}
