import CDataplane
import CThreads
import Datapath
import TableCompiler
import Tables
import VPCModel

/// An engine with its tables and the frames that it judges, over and over.
///
/// Only `Worker.process` is timed: frames are written before the clock starts, and looked at after
/// it stopped.
final class EngineRig {
  let compiled: CompiledTables
  let ring: FrameRing
  // By address, so that no access to it is checked while the clock runs.
  private let engine: UnsafeMutablePointer<Worker>
  private(set) var proof = WorkProof()
  /// Packets that were to be judged.
  private var offered = 0
  /// Packets of each burst that are left out, for tests that this is noticed.
  var omitted = 0

  private let expiryPerPacket: Int

  /// - Parameters:
  ///   - flows: connections that the table has to hold at once.
  ///   - expiryPerPacket: ended connections that a packet clears away at most.
  init(
    _ model: VPCModel, flows: Int, frameLength: Int = 64, expiryPerPacket: Int = .max
  ) throws(BenchmarkFailure) {
    compiled = try Self.compile(model)
    ring = FrameRing(frameLength: frameLength)
    self.expiryPerPacket = expiryPerPacket
    engine = .allocate(capacity: 1)
    engine.initialize(to: Self.worker(compiled, flows: flows, expiryPerPacket))
  }

  deinit {
    engine.deinitialize(count: 1)
    engine.deallocate()
  }

  static func compile(_ model: VPCModel) throws(BenchmarkFailure) -> CompiledTables {
    do { return try TableCompiler.compile(model) } catch { throw .tables(error) }
  }

  /// An engine whose memory is backed by pages, as a daemon's.
  private static func worker(
    _ compiled: CompiledTables, flows: Int, _ expiryPerPacket: Int
  ) -> Worker {
    var configuration = WorkerConfiguration(flowCapacity: max(1 << 12, flows * 5 / 4))
    configuration.expiryPerPacket = expiryPerPacket
    let worker = Worker(
      configuration: configuration, nicCapacity: compiled.tables.nics.count,
      ruleCapacity: compiled.tables.ruleCount)
    worker.prefault()
    return worker
  }

  /// Puts an engine without connections in the place of this one.
  func renew(flows: Int) {
    engine.deinitialize(count: 1)
    engine.initialize(to: Self.worker(compiled, flows: flows, expiryPerPacket))
  }

  /// Connections in the engine's table.
  var connections: Int { engine.pointee.flows.count }

  /// Fills the ring and judges it; other than `judge` this counts only what came out.
  func admit(_ fill: (FrameRing) -> Void) {
    ring.clear()
    fill(ring)
    engine.pointee.process(ring.packets(without: omitted), compiled.tables)
  }

  /// Fills the ring, judges it, and looks at what came out.
  ///
  /// - Returns: cycles that judging took.
  @discardableResult
  func judge(_ fill: (FrameRing) -> Void) -> UInt64 {
    ring.clear()
    fill(ring)
    let packets = ring.packets(without: omitted)
    let begin = apus_tsc()
    apus_sampling_switch(1)
    engine.pointee.process(packets, compiled.tables)
    apus_sampling_switch(0)
    let cycles = apus_tsc() - begin
    proof.add(ring)
    offered += ring.count
    return cycles
  }

  /// Judges some packets, a burst after the other.
  ///
  /// - Parameter fill: adds a packet with a number below `count`.
  /// - Returns: cycles that judging took.
  @discardableResult
  func judge(count: Int, _ fill: (FrameRing, Int) -> Void) -> UInt64 {
    var cycles: UInt64 = 0
    for start in stride(from: 0, to: count, by: FrameRing.capacity) {
      cycles += judge { ring in
        for index in start..<min(count, start + FrameRing.capacity) { fill(ring, index) }
      }
    }
    return cycles
  }

  /// - Throws: `unproven` unless every packet so far was judged as it should.
  func check() throws(BenchmarkFailure) { try proof.check(offered) }

  /// Times several rigs by turns, so that what disturbs the machine disturbs all.
  ///
  /// - Parameters:
  ///   - packets: of each rig in a run.
  ///   - fill: adds a packet to a rig's ring.
  /// - Returns: the samples of each rig.
  static func measure(
    _ rigs: [EngineRig], packets: Int, runs: Int, _ fill: (Int, FrameRing) -> Void
  ) -> [CycleSamples] {
    var samples = rigs.map { _ in CycleSamples(unit: "packet") }
    let turn = 32 * FrameRing.capacity
    for _ in 0..<runs {
      var cycles = rigs.map { _ in UInt64(0) }
      var count = 0
      while count < packets {
        let size = min(turn, packets - count)
        for (index, rig) in rigs.enumerated() {
          cycles[index] += rig.judge(count: size) { ring, _ in fill(index, ring) }
        }
        count += size
      }
      for index in rigs.indices { samples[index].add(cycles: cycles[index], count: count) }
    }
    return samples
  }
}
