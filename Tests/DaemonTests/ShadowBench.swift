import Datapath
import TableCompiler
import Tables
import TestPackets
import VPCModel
import Wire

@testable import Daemon
@testable import Live

/// An engine that is the live worker of a test, with a shadow that gets what it saw.
final class ShadowBench {
  static let guestA = MACAddress(0x0200_0000_000A)
  static let guestB = MACAddress(0x0200_0000_000B)
  private static let headroom = 256
  private static let room = 2_048

  let compiled: CompiledTables
  private(set) var judge: ShadowJudge
  private let candidate: VPCModel
  private var worker: Worker
  private let memory: UnsafeMutableRawPointer
  private var now: UInt64 = 1_000_000_000

  init(_ model: VPCModel, candidate: VPCModel) throws {
    compiled = try TableCompiler.compile(model, CompileRequest(generation: 7))
    worker = Worker(
      configuration: WorkerConfiguration(flowCapacity: 1_024, fragmentCapacity: 64),
      nicCapacity: compiled.tables.nics.count, ruleCapacity: compiled.tables.ruleCount)
    memory = .allocate(byteCount: Self.headroom + Self.room, alignment: 64)
    self.candidate = candidate
    judge = try Self.judge(compiled, candidate)
  }

  deinit { memory.deallocate() }

  private static func judge(
    _ compiled: CompiledTables, _ candidate: VPCModel
  ) throws -> ShadowJudge {
    let text = ObservationText(
      TablesInUse(compiled), clock: PollClock.calibrated(microseconds: 100))
    return try ShadowJudge(compiled, candidate: candidate, text: text)
  }

  /// Begins the shadow anew; the worker has its connections already.
  func beginAgain() throws { judge = try Self.judge(compiled, candidate) }

  /// Has the worker judge a packet, and then the shadow what it saw.
  ///
  /// - Parameters:
  ///   - interface: who sends it; nil for what comes by a tunnel.
  ///   - originalLength: of the frame, if more than is here.
  ///   - change: what else became of it, as the loop says.
  @discardableResult
  func send(
    _ frame: [UInt8], from interface: String?, originalLength: Int? = nil, segmentSize: UInt16 = 0,
    change: (inout ObservedPacket) -> Void = { _ in }
  ) -> ObservedPacket {
    precondition(frame.count <= Self.room)
    let base = memory + Self.headroom
    frame.withUnsafeBytes {
      if let start = $0.baseAddress { base.copyMemory(from: start, byteCount: $0.count) }
    }
    now += 1_000_000
    var packet = Packet(base: base, length: UInt32(frame.count), headroom: UInt32(Self.headroom))
    packet.originalLength = UInt32(originalLength ?? frame.count)
    packet.segmentSize = segmentSize
    packet.time = now
    packet.origin = .underlay
    if let interface, let nic = compiled.slot(ofInterface: interface) {
      packet.origin = .guest
      packet.nic = nic
      packet.flags.insert(.atNIC)
    }
    let observed = ObservedFrame(
      base, length: frame.count, originalLength: Int(packet.originalLength),
      isOuter: interface == nil)
    var seen = ObservedPacket(observed, packet, time: now)
    seen.generation = compiled.tables.generation
    let count = min(observed.headerLength(base, length: frame.count) + 128, frame.count)
    withUnsafeMutablePointer(to: &packet) {
      worker.process(UnsafeMutableBufferPointer(start: $0, count: 1), compiled.tables)
    }
    seen.setVerdict(packet)
    change(&seen)
    Array(frame.prefix(count)).withUnsafeBytes { judge.judge(seen, $0) }
    return seen
  }

  // MARK: Frames between eni-a (10.0.0.10) and eni-b (10.0.0.11)

  static func udp(
    _ source: UInt16 = 4_000, to port: UInt16 = 7, isAnswer: Bool = false
  ) -> [UInt8] {
    frame(isAnswer, 17, Compose.udp(isAnswer ? port : source, isAnswer ? source : port))
  }

  static func tcp(
    _ flags: UInt8, sequence: UInt32 = 1, acknowledgement: UInt32 = 0, isAnswer: Bool = false,
    payload: [UInt8] = []
  ) -> [UInt8] {
    let segment = Compose.tcp(
      isAnswer ? 80 : 40_000, isAnswer ? 40_000 : 80, sequence: sequence,
      acknowledgement: acknowledgement, flags: flags, payload)
    return frame(isAnswer, 6, segment)
  }

  static func frame(_ isAnswer: Bool, _ transport: UInt8, _ payload: [UInt8]) -> [UInt8] {
    let ends = ["10.0.0.10", "10.0.0.11"]
    return Compose.ethernet(
      to: .router, from: isAnswer ? guestB : guestA,
      Compose.ipv4(
        ends[isAnswer ? 1 : 0], ends[isAnswer ? 0 : 1], protocol: transport, payload))
  }
}
