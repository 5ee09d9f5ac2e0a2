import Datapath
import Explanation
import Live
import TableCompiler
import Tables
import VPCModel
import Wire

/// An engine that judges copies of live packets by a model, with connections of its own.
///
/// The model's allowances are left out: they depend on packets that a sample has not, and an engine
/// that refuses by them goes another way from then on.
final class ShadowEngine {
  /// Connections that it has room for.
  static let connections = 1 << 16
  private static let datagrams = 1 << 10
  /// For the outer header of what leaves by a tunnel.
  private static let headroom = 256
  /// More packets to services than any guest sends.
  private static let unlimited: UInt64 = 1_000_000_000

  let names: VerdictNames
  private let compiled: CompiledTables
  private var worker: Worker
  private let buffer: UnsafeMutableRawPointer
  /// Numbers of network interfaces by those of the live tables, and the other way round.
  private let numbers: [TableIndex]
  private let liveNumbers: [TableIndex]
  private var now: UInt64 = 0

  /// - Parameter interfaces: ids by their numbers in the live tables.
  /// - Complexity: that of compiling the model.
  init(_ model: VPCModel, interfaces: [String]) throws(TableCompilerError) {
    var model = model
    var limits = Limits()
    limits.linkLocalPacketsPerSecond = Self.unlimited
    for index in model.networkInterfaces.indices { model.networkInterfaces[index].limits = limits }
    let compiled = try TableCompiler.compile(model)
    self.compiled = compiled
    names = VerdictNames(nicIDs: compiled.nicIDs, ruleNames: compiled.ruleNames)
    numbers = interfaces.map { compiled.slot(ofInterface: $0) ?? .none }
    var liveNumbers = [TableIndex](repeating: .none, count: compiled.nicIDs.count)
    for (live, number) in numbers.enumerated() where number != .none {
      liveNumbers[Int(number)] = TableIndex(live)
    }
    self.liveNumbers = liveNumbers
    let configuration = WorkerConfiguration(
      flowCapacity: Self.connections, fragmentCapacity: Self.datagrams,
      seed: .random(in: 0 ... .max))
    worker = Worker(
      configuration: configuration, nicCapacity: max(1, compiled.tables.nics.count),
      ruleCapacity: compiled.tables.ruleCount)
    buffer = .allocate(byteCount: Self.headroom + Observation.headersLimit, alignment: 64)
  }

  deinit { buffer.deallocate() }

  /// Judges a packet that a worker saw, by a copy of how its frame began when it came.
  func judge(_ seen: ObservedPacket, _ frame: UnsafeRawBufferPointer) -> Outcome {
    let base = buffer + Self.headroom
    let count = min(frame.count, Observation.headersLimit)
    if let start = frame.baseAddress { base.copyMemory(from: start, byteCount: count) }
    var packet = Packet(base: base, length: UInt32(count), headroom: UInt32(Self.headroom))
    packet.originalLength = max(seen.originalLength, UInt32(count))
    packet.segmentSize = seen.segmentSize
    packet.origin = .underlay
    if let live = seen.place.nicIndex {
      let number = Int(live) < numbers.count ? numbers[Int(live)] : .none
      // As a worker does with the frames of a port whose interface is not in the rules.
      if number == .none { return Outcome(verdict: .drop, reason: .eniNone) }
      packet.origin = .guest
      packet.nic = number
      packet.flags.insert(.atNIC)
    }
    now = max(now, seen.time)
    packet.time = now
    withUnsafeMutablePointer(to: &packet) {
      worker.process(UnsafeMutableBufferPointer(start: $0, count: 1), compiled.tables)
    }
    return Outcome(packet)
  }

  /// A place in the numbers of the live tables; nil for an interface that they have not.
  func livePlace(_ place: OutputPlace) -> OutputPlace? {
    guard let number = place.nicIndex else { return place }
    let live = Int(number) < liveNumbers.count ? liveNumbers[Int(number)] : .none
    return live == .none ? nil : .nic(live)
  }
}
