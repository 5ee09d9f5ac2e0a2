import CDataplane
import Datapath
import Tables
import Wire

/// The least that a packet can cost on this machine, with the pipeline beside it: what the parts
/// that nobody can leave out take alone, over the same buffers and as much memory.
///
/// - `floor-io`: a packet's descriptor is read and gets its verdict, and the MAC addresses of its
///   frame change places.
/// - `floor-line`: a random cache line of 64 bytes for each connection, prefetched for the whole
///   burst, is read and written.
/// - `floor-header`: 54 bytes are stored before the frame.
/// - `floor-copy`: the frame's 64 bytes are copied elsewhere.
/// - `floors-pipeline`: `Worker.process`, as `pipeline` measures it.
/// - `floors-ratio`: the pipeline over the sum of I/O, line and header.
///
/// All work on bursts of 32 and take turns; frames are written, and what came out is looked at,
/// outside the timed part.
public struct FloorsBenchmark {
  public var flows: Int
  public var packetsPerRun = 2_000_000
  public var runs = 5
  var omitted = 0

  public init(flows: Int) { self.flows = flows }

  /// Measures cycles a packet of each floor and of the pipeline, and their ratio.
  ///
  /// - Throws: `unproven` unless each did its work on every packet.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let clock = BenchmarkClock()
    let rig = try EngineRig(BenchmarkModel.make(), flows: flows)
    rig.judge(count: flows) { $0.addUDP(FlowTuple(flow: $1), isOutbound: true, .new) }
    try rig.check()
    rig.omitted = omitted
    let floors = Floors(flows: flows, omitted: omitted)
    var samples = Floor.allCases.map { _ in CycleSamples(unit: "packet") }
    var pipeline = CycleSamples(unit: "packet")
    var random = BenchmarkRandom()
    let turn = 32
    let turns = max(1, packetsPerRun / turn / FrameRing.capacity)
    for _ in 0..<runs {
      var cycles = Floor.allCases.map { _ in UInt64(0) }
      var whole: UInt64 = 0
      for _ in 0..<turns {
        whole += rig.judge(count: turn * FrameRing.capacity) { ring, _ in
          ring.addUDP(FlowTuple(flow: random.below(flows)), isOutbound: true, .established)
        }
        for (index, floor) in Floor.allCases.enumerated() {
          for _ in 0..<turn { cycles[index] += try floors.measure(floor, rig.ring, &random) }
        }
      }
      let count = turns * turn * FrameRing.capacity
      pipeline.add(cycles: whole, count: count)
      for index in cycles.indices { samples[index].add(cycles: cycles[index], count: count) }
    }
    try rig.check()
    try floors.check()
    let parameters = [("flows", "\(flows)"), rig.proof.parameter]
    var results = pipeline.results("floors-pipeline", clock, parameters)
    for (index, floor) in Floor.allCases.enumerated() {
      results.append(
        BenchmarkResult(
          name: "floor-\(floor.rawValue)", unit: "cycles/packet", samples: samples[index].samples,
          parameters: [("flows", "\(flows)")]))
    }
    let ratios = pipeline.samples.indices.map { run in
      pipeline.samples[run] / (0..<3).reduce(0) { $0 + samples[$1].samples[run] }
    }
    results.append(
      BenchmarkResult(
        name: "floors-ratio", unit: "times the floors", samples: ratios, parameters: parameters))
    return results
  }
}

/// A part of the work that nobody can leave out; the first three are what the pipeline needs.
private enum Floor: String, CaseIterable { case io, line, header, copy }

/// The memory of the floors, and their loops.
private final class Floors {
  private static let headerLength = 54
  private let flows: Int
  private let omitted: Int
  /// A cache line a connection.
  private let lines: WorkerMemory<UInt64>
  private var touched = 0
  private let numbers: UnsafeMutablePointer<Int>
  private let header: UnsafeMutableRawPointer
  private let copies: UnsafeMutableRawPointer

  init(flows: Int, omitted: Int) {
    self.flows = flows
    self.omitted = omitted
    lines = WorkerMemory(count: flows * 8)
    lines.prefault()
    numbers = .allocate(capacity: FrameRing.capacity)
    numbers.initialize(repeating: 0, count: FrameRing.capacity)
    header = .allocate(byteCount: 64, alignment: 64)
    for offset in 0..<64 {
      header.storeBytes(of: UInt8(offset), toByteOffset: offset, as: UInt8.self)
    }
    copies = .allocate(byteCount: FrameRing.capacity * 64, alignment: 64)
    copies.initializeMemory(as: UInt8.self, repeating: 0, count: FrameRing.capacity * 64)
  }

  deinit {
    lines.deallocate()
    numbers.deallocate()
    header.deallocate()
    copies.deallocate()
  }

  /// Times one burst of a floor, and looks at what it did.
  ///
  /// - Returns: cycles.
  func measure(
    _ floor: Floor, _ ring: FrameRing, _ random: inout BenchmarkRandom
  ) throws(BenchmarkFailure) -> UInt64 {
    ring.clear()
    for index in 0..<FrameRing.capacity {
      numbers[index] = random.below(flows)
      ring.addUDP(FlowTuple(flow: numbers[index]), isOutbound: true, .established)
    }
    let packets = ring.packets(without: omitted)
    // Numbers are below `flows`, and each has eight words.
    let first = lines.pointer(0)
    let begin = apus_tsc()
    switch floor {
    case .io: Self.swap(packets)
    case .line: Self.touch(first, numbers, packets.count)
    case .header: Self.store(header, packets)
    case .copy: Self.copy(packets, copies)
    }
    let cycles = apus_tsc() - begin
    try look(floor, ring.packets())
    return cycles
  }

  // MARK: Loops

  @inline(never)
  private static func swap(_ packets: UnsafeMutableBufferPointer<Packet>) {
    for index in packets.indices {
      let base = packets[index].base
      let low = base.loadUnaligned(as: UInt64.self)
      let high = base.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
      base.storeBytes(of: low >> 48 | UInt64(high) << 16 | low << 48, as: UInt64.self)
      base.storeBytes(
        of: UInt32(truncatingIfNeeded: low >> 16), toByteOffset: 8, as: UInt32.self)
      packets[index].verdict = .forward
      packets[index].output = .underlay
    }
  }

  @inline(never)
  private static func touch(
    _ lines: UnsafeMutablePointer<UInt64>, _ numbers: UnsafePointer<Int>, _ count: Int
  ) {
    for index in 0..<count { apus_prefetch(lines + numbers[index] &* 8) }
    for index in 0..<count { lines[numbers[index] &* 8] &+= 1 }
  }

  @inline(never)
  private static func store(
    _ header: UnsafeRawPointer, _ packets: UnsafeMutableBufferPointer<Packet>
  ) {
    for index in packets.indices {
      (packets[index].base - headerLength).copyMemory(from: header, byteCount: headerLength)
    }
  }

  @inline(never)
  private static func copy(
    _ packets: UnsafeMutableBufferPointer<Packet>, _ copies: UnsafeMutableRawPointer
  ) {
    for index in packets.indices {
      (copies + index &* 64).copyMemory(from: packets[index].base, byteCount: 64)
    }
  }

  // MARK: Proof

  private func look(
    _ floor: Floor, _ packets: UnsafeMutableBufferPointer<Packet>
  ) throws(BenchmarkFailure) {
    if floor == .line { touched += packets.count }
    for index in packets.indices {
      let base = packets[index].base
      let isDone =
        switch floor {
        case .io:
          packets[index].verdict == .forward
            && UnsafeRawPointer(base).mac(0) == BenchmarkModel.nicMAC
            && UnsafeRawPointer(base).mac(6) == .router
        case .line: true
        case .header: isEqual(base - Self.headerLength, header, Self.headerLength)
        case .copy: isEqual(copies + index * 64, base, 64)
        }
      try BenchmarkFailure.check(isDone, "floor \(floor.rawValue) left a packet out")
      // So that the next burst's work shows.
      (base - Self.headerLength).storeBytes(of: 0, as: UInt64.self)
      (copies + index * 64).storeBytes(of: 0, as: UInt64.self)
    }
  }

  private func isEqual(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Bool {
    UnsafeRawBufferPointer(start: a, count: count)
      .elementsEqual(UnsafeRawBufferPointer(start: b, count: count))
  }

  /// - Throws: `unproven` unless every packet wrote its line.
  func check() throws(BenchmarkFailure) {
    var sum = 0
    for flow in 0..<flows { sum += Int(lines[flow * 8]) }
    try BenchmarkFailure.check(sum == touched, "\(sum) of \(touched) lines were written")
  }
}
