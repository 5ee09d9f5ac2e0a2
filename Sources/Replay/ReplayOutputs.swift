import CapturePort
import Datapath
import Explanation
import FlowLogs
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
  /// Whether addresses and ports of each packet are kept, for flow logs or an observer.
  var keepsFacts: Bool
  /// Recorded bytes of the burst, for the annotated capture.
  private var copies: [UInt8] = []
  /// By index in the engine's burst.
  private var facts: [FlowFacts?]
  /// Of the burst's packets that the engine does not get, in order, and how many were taken.
  private var ignored: [FlowFacts?] = []
  private var ignoredTaken = 0

  init(model: VPCModel, names: VerdictNames, options: ReplayOptions) throws(ReplayError) {
    logsFlows = options.flowLog != nil
    keepsFacts = logsFlows
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
          model: model, ruleNames: names.ruleNames, format: options.flowLogFormat),
        interval: options.flowLogInterval)
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
  var writesPackets: Bool { out != nil || annotated != nil || keepsFacts }

  /// Whether a text output cannot take more, so that going on is useless.
  var haveFailed: Bool { verdicts?.hasFailed ?? false }

  mutating func startBurst() {
    if annotated != nil { copies.removeAll(keepingCapacity: true) }
    if keepsFacts {
      ignored.removeAll(keepingCapacity: true)
      ignoredTaken = 0
    }
  }

  /// Keeps what flow logs and observers need of a frame before the engine rewrites it.
  @inline(__always)
  mutating func remember(_ packet: borrowing Packet, of entry: inout BurstEntry) {
    guard keepsFacts else { return }
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

  /// Keeps what an observer needs of a packet that the engine does not get.
  @inline(__always)
  mutating func remember(ignored record: borrowing CaptureRecord, _ link: LinkLayer?) {
    guard keepsFacts else { return }
    var facts: FlowFacts?
    if let link {
      facts = FlowFacts(
        etherType: link.etherType, record.bytes + link.network,
        present: record.capturedLength - link.network)
    }
    ignored.append(facts)
  }

  /// What was kept of an entry; of entries without a packet, asked once each and in order.
  mutating func facts(of entry: BurstEntry) -> FlowFacts? {
    guard keepsFacts else { return nil }
    if entry.packet >= 0 { return facts[Int(entry.packet)] }
    defer { ignoredTaken += 1 }
    return ignoredTaken < ignored.count ? ignored[ignoredTaken] : nil
  }

  /// Whether packets are logged as flows.
  var logs: Bool { logsFlows }

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
