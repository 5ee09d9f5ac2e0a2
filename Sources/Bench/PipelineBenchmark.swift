import CDataplane
import CThreads
import Datapath
import TableCompiler
import Tables
import Wire

/// The full pipeline in memory, one core: parse, source check, connection, group verdict, route and
/// network ACL, mapping, limits, Geneve encapsulation, counters, for established UDP flows of
/// 64-byte frames.
///
/// Frames are stamped before the clock starts and looked at after it stopped: only
/// `Worker.process` is timed. Every output frame goes into a digest, so no work can be left out.
public struct PipelineBenchmark {
  /// Packets of a burst.
  static let burst = 32
  static let frameLength = 64
  /// The same with 50 bytes of Geneve around it.
  static let encapsulatedLength: UInt32 = 114
  static let slotLength = 256
  static let headroom = 128

  public var flows: Int
  public var packetsPerRun: Int
  public var runs: Int

  public init(flows: Int, packetsPerRun: Int = 2_000_000, runs: Int = 5) {
    self.flows = flows
    self.packetsPerRun = packetsPerRun
    self.runs = runs
  }

  /// Measures TSC cycles a packet.
  ///
  /// - Throws: `memory` when the connections do not fit; `tables` when the model cannot be
  ///   compiled, which is a defect; `unproven` when there are not as many connections as flows.
  public func run() throws(BenchmarkFailure) -> (result: BenchmarkResult, digest: UInt64) {
    try AvailableMemory.require(Self.bytes(flows: flows))
    let compiled = try EngineRig.compile(BenchmarkModel.make())
    var traffic = BenchmarkTraffic(flows: flows)
    defer { traffic.deallocate() }
    var worker = Worker(
      configuration: WorkerConfiguration(flowCapacity: max(1 << 16, flows * 3 / 2)),
      nicCapacity: 1, ruleCapacity: compiled.tables.ruleCount)
    // Every flow once, in order, so that all are established.
    for start in stride(from: 0, to: flows, by: Self.burst) {
      traffic.stamp(count: min(Self.burst, flows - start)) { start + $0 }
      worker.process(traffic.packets, compiled.tables)
    }
    var samples: [Double] = []
    var digest: UInt64 = 0
    for _ in 0..<runs {
      var cycles: UInt64 = 0
      var count = 0
      while count < packetsPerRun {
        traffic.stampRandom(count: Self.burst)
        let begin = apus_tsc()
        apus_sampling_switch(1)
        worker.process(traffic.packets, compiled.tables)
        apus_sampling_switch(0)
        cycles += apus_tsc() - begin
        digest = traffic.digest(digest)
        count += Self.burst
      }
      samples.append(Double(cycles) / Double(count))
    }
    try BenchmarkFailure.check(
      worker.flows.count == flows, "\(worker.flows.count) of \(flows) connections are open")
    let result = BenchmarkResult(
      name: "pipeline", unit: "cycles/packet", samples: samples,
      parameters: [
        ("flows", "\(flows)"), ("connections", "\(worker.flows.count)"),
        ("digest", String(digest, radix: 16)),
      ])
    return (result, digest)
  }

  /// Memory that UDP connections over IPv4 touch: a record and a timer each, and the index, which
  /// has room for half as many again and a power of two of buckets of 64 bytes for eight
  /// connections each.
  private static func bytes(flows: Int) -> Int {
    (64 + 8) * flows + 2 * 64 * (flows * 3 / 2 / 8)
  }
}

/// A ring of frames that are stamped with the five-tuples of flows.
struct BenchmarkTraffic {
  let flows: Int
  private let memory: UnsafeMutableRawPointer
  private let descriptors: UnsafeMutablePointer<Packet>
  private(set) var packets: UnsafeMutableBufferPointer<Packet>
  private var random: UInt64 = 0x1234_5678_9ABC_DEF0
  private var time: UInt64 = 1_000_000_000

  init(flows: Int) {
    self.flows = flows
    let burst = PipelineBenchmark.burst
    memory = .allocate(byteCount: burst * PipelineBenchmark.slotLength, alignment: 64)
    descriptors = .allocate(capacity: burst)
    for index in 0..<burst {
      let base = memory + index * PipelineBenchmark.slotLength + PipelineBenchmark.headroom
      (descriptors + index).initialize(
        to: Packet(base: base, length: 64, headroom: UInt32(PipelineBenchmark.headroom)))
    }
    packets = UnsafeMutableBufferPointer(start: descriptors, count: burst)
  }

  func deallocate() {
    memory.deallocate()
    descriptors.deallocate()
  }

  mutating func stampRandom(count: Int) {
    let flows = UInt64(flows)
    var state = random
    stamp(count: count) { _ in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int((state >> 16) % flows)
    }
    random = state
  }

  mutating func stamp(count: Int, _ flow: (Int) -> Int) {
    packets = UnsafeMutableBufferPointer(start: descriptors, count: count)
    for index in 0..<count {
      let base = memory + index * PipelineBenchmark.slotLength + PipelineBenchmark.headroom
      BenchmarkFrame.write(at: base, flow: flow(index))
      time += 50
      var packet = Packet(
        base: base, length: UInt32(PipelineBenchmark.frameLength),
        headroom: UInt32(PipelineBenchmark.headroom))
      packet.origin = .guest
      packet.nic = 0
      packet.flags = .atNIC
      packet.time = time
      descriptors[index] = packet
    }
  }

  /// Adds the outer headers of the burst to a digest; a packet that did not leave spoils it.
  func digest(_ initial: UInt64) -> UInt64 {
    var value = initial
    for index in packets.indices {
      precondition(
        packets[index].verdict == .forward
          && packets[index].length == PipelineBenchmark.encapsulatedLength)
      let base = packets[index].base
      let word = base.loadUnaligned(fromByteOffset: 34, as: UInt64.self)
      let product = (value ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
      value = product.high ^ product.low ^ base.loadUnaligned(as: UInt64.self)
    }
    return value
  }
}

/// The frame that every benchmark sends: UDP over IPv4 in 64 bytes, its five-tuple by flow.
enum BenchmarkFrame {
  static func write(at base: UnsafeMutableRawPointer, flow: Int) {
    base.storeMAC(.router, at: 0)
    base.storeMAC(BenchmarkModel.nicMAC, at: 6)
    base.storeBig16(0x0800, at: 12)
    base.storeBig32(0x4500_0032, at: 14)
    base.storeBig32(0x0000_4000, at: 18)
    base.storeBig32(0x4011_0000, at: 22)
    base.storeBig32(BenchmarkModel.source.v4Bits, at: 26)
    let destination = BenchmarkModel.destination(flow % BenchmarkModel.mappingCount)
    base.storeBig32(destination.v4Bits, at: 30)
    let sum = InternetChecksum.sum(UnsafeRawPointer(base + 14), count: 20)
    base.storeBig16(InternetChecksum.finish(sum), at: 24)
    let rest = flow / BenchmarkModel.mappingCount
    base.storeBig16(UInt16(truncatingIfNeeded: 1024 + rest % 50_000), at: 34)
    base.storeBig16(UInt16(truncatingIfNeeded: 2000 + rest / 50_000), at: 36)
    base.storeBig32(0x001E_0000, at: 38)
  }
}
