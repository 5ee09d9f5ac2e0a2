import CapturePort
import FlowLogs
import Reachability
import Replay
import TableCompiler
import VPCModel
import Wire

/// Why a flow log cannot be compared.
public enum FlowLogError: Error {
  /// `FILE` or `FILE:LINE`, and why.
  case unreadable(place: String, why: String)
  case refused(why: String)
  case usage(why: String)
}

/// Checks AWS flow logs against what a model says should have happened.
///
/// Each conversation is judged once by the production engine, at its network interface, as if it
/// began with the packet in question. What would be rejected then may have been an answer, if its
/// flags or ports do not say otherwise: the packet the other way is judged, and this one after it.
public struct FlowLogAudit {
  /// Different conversations that are kept; each takes some 200 bytes.
  public static var flowCapacity: Int { 4_000_000 }
  /// Lines that are no records and are told one by one.
  static var mostFaults: Int { 10 }

  struct Flow: Hashable {
    var crossing: InterfaceProbe.Crossing
    var isAccepted: Bool
  }

  /// Records of one flow.
  struct Seen {
    var records = 0
    var packets: UInt64 = 0
    /// Any of them.
    var mayBeAnswer = false
    /// Of the first one: index of the file, and the line.
    var file: Int
    var line: Int
  }

  let model: VPCModel
  private let probe: InterfaceProbe
  private let nics: [String: Int]
  private var flows: [Flow: Seen] = [:]
  private var order: [Flow] = []
  private(set) var findings: FlowLogFindings

  /// - Throws: `FlowLogError.refused` when the model cannot be compiled.
  public init(_ model: VPCModel) throws(FlowLogError) {
    self.model = model
    do { probe = try InterfaceProbe(model) } catch { throw .refused(why: "\(error)") }
    nics = Dictionary(
      model.networkInterfaces.enumerated().map { ($0.element.id, $0.offset) },
      uniquingKeysWith: { first, _ in first })
    findings = FlowLogFindings(interfaces: model.networkInterfaces.map(\.id))
  }

  /// Reads a log: plain text or gzip, `-` is standard input.
  ///
  /// - Parameters:
  ///   - format: the fields; nil: the first line names them, or they are those of version 2.
  ///   - progress: bytes read and of how many, from time to time.
  /// - Throws: when there is no such file, the format lacks a field, or there are too many flows.
  ///   Lines that are no records are counted and told.
  public mutating func read(
    _ path: String, format: FlowLogFormat? = nil,
    progress: (UInt64, UInt64?) -> Void = { _, _ in }
  ) throws(FlowLogError) {
    var lines: LineReader
    do { lines = try LineReader(path: path) } catch {
      guard case .cannotOpen(let path, let why) = error else {
        throw .unreadable(place: path, why: "\(error)")
      }
      throw .unreadable(place: path, why: why)
    }
    findings.files.append(path)
    var columns: FlowLogColumns?
    var number = 0
    while let line = lines.next() {
      number += 1
      if number & 0xFFFF == 0 { progress(lines.progress.read, lines.progress.of) }
      if line.isEmpty { continue }
      if columns == nil {
        let header = FlowLogColumns.header(line)
        do {
          columns = try FlowLogColumns(format?.fields ?? header ?? FlowLogFormat.version2)
        } catch { throw .usage(why: "\(path): \(error.why)") }
        if header != nil { continue }
      } else if FlowLogColumns.header(line) != nil {
        // Logs that were put one after the other.
        continue
      }
      if lines.isCut {
        findings.add(fault: "the line is longer than \(LineReader.longest) bytes", number)
      } else if let columns {
        try add(line, number, columns)
      }
    }
    if let failure = lines.failure { findings.add(fault: failure, number) }
  }

  private mutating func add(
    _ line: String, _ number: Int, _ columns: FlowLogColumns
  ) throws(FlowLogError) {
    let status: FlowLogLine.Status
    let record: FlowLogLine?
    do { (status, record) = try columns.read(line) } catch {
      return findings.add(fault: error.why, number)
    }
    findings.count(status)
    guard let record else { return }
    if record.isDroppedOtherwise { return findings.skip(.otherReason) }
    // Later fragments have no ports.
    let hasPorts = ProbeTraffic.hasPorts(record.protocolNumber)
    if hasPorts && record.sourcePort == 0 && record.destinationPort == 0 {
      return findings.skip(.fragments)
    }
    guard let nic = nics[record.interface] else {
      return findings.skip(unknown: record.interface)
    }
    guard let isIngress = record.isIngress ?? direction(record, nic) else {
      return findings.skip(.noDirection(record.interface))
    }
    let crossing = InterfaceProbe.Crossing(
      nic: nic, isIngress: isIngress, source: record.source, destination: record.destination,
      protocolNumber: record.protocolNumber, sourcePort: record.sourcePort,
      destinationPort: record.destinationPort)
    let flow = Flow(crossing: crossing, isAccepted: record.isAccepted)
    if flows[flow] == nil {
      guard flows.count < Self.flowCapacity else {
        throw .unreadable(
          place: "\(findings.files[findings.files.count - 1]):\(number)",
          why: "more than \(Self.flowCapacity) different flows; compare smaller logs one by one")
      }
      order.append(flow)
    }
    var seen = flows[flow] ?? Seen(file: findings.files.count - 1, line: number)
    seen.records += 1
    seen.packets = seen.packets.addingSaturated(record.packets)
    if record.mayBeAnswer { seen.mayBeAnswer = true }
    flows[flow] = seen
  }

  /// By whose address is the interface's; nil when neither is, or both are.
  private func direction(_ record: FlowLogLine, _ nic: Int) -> Bool? {
    let own = model.networkInterfaces[nic].addresses
    let (sends, receives) = (own.contains(record.source), own.contains(record.destination))
    return sends == receives ? nil : receives
  }

  // MARK: Judgement

  /// What the model says of all that was read.
  ///
  /// - Complexity: at most three packets of the engine for each different flow.
  public func judged(progress: (Int, Int) -> Void = { _, _ in }) -> FlowLogFindings {
    var findings = findings
    for (index, flow) in order.enumerated() {
      if index & 0xFFF == 0 { progress(index, order.count) }
      guard let seen = flows[flow] else { continue }
      findings.add(flow, seen, verdict(flow, seen))
    }
    return findings
  }

  private func verdict(_ flow: Flow, _ seen: Seen) -> FlowLogFindings.Verdict {
    let ruling = probe.ruling(first: flow.crossing)
    switch ruling {
    case .service: return .service
    case .accepted: return flow.isAccepted ? .agrees : .differs(ruling)
    case .rejected, .dropped:
      if !flow.isAccepted { return .agrees }
    }
    guard seen.mayBeAnswer, case .accepted? = probe.ruling(answer: flow.crossing) else {
      return flow.crossing.isICMP ? .unknownType : .differs(ruling)
    }
    let request = Flow(crossing: flow.crossing.reversed, isAccepted: true)
    return flows[request] == nil ? .answersSomethingEarlier : .answers
  }
}
