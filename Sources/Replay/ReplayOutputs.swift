import CapturePort
import Datapath
import Explanation
import Tables
import VPCModel
import Wire

/// The files of a replay that were asked for, and the parts of packets that they need kept from
/// recording to settling.
struct ReplayOutputs {
  let verdicts: VerdictWriter?
  let out: OutputWriter?
  private let annotated: AnnotatedWriter?
  private let flowLog: FlowLog?
  private let logsFlows: Bool
  /// Recorded bytes of the burst, for the annotated capture.
  private var copies: [UInt8] = []
  /// By index in the engine's burst.
  private var facts: [FlowFacts?]

  init(model: VPCModel, names: VerdictNames, options: ReplayOptions) throws(ReplayError) {
    logsFlows = options.flowLog != nil
    facts = Array(repeating: nil, count: FrameNormaliser.burstCapacity)
    out =
      if let path = options.out { try OutputWriter(path: path, nicIDs: names.nicIDs) } else { nil }
    annotated =
      if let path = options.annotated {
        try AnnotatedWriter(path: path, files: options.captures, names: names)
      } else { nil }
    if let path = options.flowLog {
      flowLog = FlowLog(
        sink: try ByteSink(path: path),
        names: FlowLogNames(
          model: model, ruleNames: names.ruleNames, format: options.flowLogFormat))
    } else {
      flowLog = nil
    }
    if let path = options.verdicts {
      verdicts = VerdictWriter(
        sink: try ByteSink(path: path), files: options.captures, nicIDs: names.nicIDs,
        ruleNames: names.ruleNames)
    } else {
      verdicts = nil
    }
  }

  /// Whether settling has more to do than verdict lines.
  var writesPackets: Bool { out != nil || annotated != nil || logsFlows }

  /// Whether a text output cannot take more, so that going on is useless.
  var haveFailed: Bool { verdicts?.hasFailed ?? false }

  mutating func startBurst() {
    if annotated != nil { copies.removeAll(keepingCapacity: true) }
  }

  /// Keeps what flow logs need of a frame before the engine rewrites it.
  @inline(__always)
  mutating func remember(_ packet: borrowing Packet, of entry: inout BurstEntry) {
    guard logsFlows else { return }
    let frame = UnsafeRawPointer(packet.base)
    let length = Int(packet.length)
    facts[Int(entry.packet)] =
      packet.origin == .underlay
      ? FlowFacts(tunnelled: frame, length: length) : FlowFacts(frame: frame, length: length)
  }

  /// Keeps a record's bytes for the annotated capture.
  @inline(__always)
  mutating func remember(_ record: borrowing CaptureRecord, of entry: inout BurstEntry) {
    guard annotated != nil else { return }
    entry.linkType = record.linkType
    entry.interface = record.interface
    entry.copyStart = copies.count
    entry.copyLength = record.capturedLength
    copies.append(
      contentsOf: UnsafeRawBufferPointer(start: record.bytes, count: record.capturedLength))
  }

  func facts(of entry: BurstEntry) -> FlowFacts? {
    logsFlows && entry.packet >= 0 ? facts[Int(entry.packet)] : nil
  }

  func annotate(_ entry: BurstEntry, _ outcome: Outcome, file: Int) {
    guard let annotated else { return }
    copies.withUnsafeBytes { bytes in
      annotated.write(
        file: file, interface: entry.interface, linkType: entry.linkType, time: entry.time,
        bytes: UnsafeRawBufferPointer(
          rebasing: bytes[entry.copyStart..<entry.copyStart + entry.copyLength]),
        originalLength: Int(entry.bytes), outcome: outcome)
    }
  }

  mutating func log(
    _ facts: FlowFacts, _ outcome: Outcome, receiver: TableIndex, time: UInt64
  ) {
    flowLog?.add(facts, outcome, receiver: receiver, time: time)
  }

  /// Hands to the system what is buffered for people who watch.
  func flush() {
    verdicts?.flush()
    out?.flush()
    annotated?.flush()
  }

  /// Completes all files; the first failure is reported after all were tried.
  mutating func close() -> ReplayError? {
    var failure: ReplayError?
    do { try verdicts?.close() } catch { failure = failure ?? error }
    do { try flowLog?.close() } catch { failure = failure ?? error }
    do { try out?.close() } catch { failure = failure ?? error }
    do { try annotated?.close() } catch { failure = failure ?? error }
    return failure
  }
}
