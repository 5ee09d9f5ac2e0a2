import CapturePort
import Foundation
import ReferenceModel
import Replay
import VPCModel

/// Replays captures through the engine and judges them by the reference model, and says where the
/// two differ.
public struct Comparison {
  /// A packet on which engine and reference disagree.
  public struct Difference: CustomStringConvertible {
    public var file: String
    public var packet: Int
    public var engine: String
    public var reference: String
    public var steps: [String]

    public var description: String {
      "\(file):\(packet)\n  engine    \(engine)\n  reference \(reference)\n    "
        + steps.joined(separator: "\n    ")
    }
  }

  public var packets = 0
  public var differences: [Difference] = []
  /// Packets by verdict and reason, as the reference counts them.
  public var outcomes: [String: Int] = [:]

  public init() {}

  /// Compares captures read one after the other under one model.
  public static func captures(
    _ paths: [String], model: VPCModel, options: ReferenceOptions
  ) throws -> Comparison {
    let verdicts = FileManager.default.temporaryDirectory
      .appendingPathComponent("apus-compare-\(UUID().uuidString).jsonl").path
    defer { try? FileManager.default.removeItem(atPath: verdicts) }
    var replay = ReplayOptions(captures: paths)
    replay.eni = options.eni
    replay.atNIC = options.atNIC
    replay.verdicts = verdicts
    let result = try Replay.run(model: model, options: replay)
    if let failure = result.failure { throw failure }
    let lines = try String(contentsOfFile: verdicts, encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: true)
    var comparison = Comparison()
    var reference = ReferenceVPC(model: model, options: options)
    var position = 0
    for path in paths {
      var reader = try CaptureReader(path: path)
      var record = CaptureRecord()
      var number = 0
      while reader.next(&record) {
        number += 1
        let packet = ReferencePacket(
          file: path, number: number, time: record.time, linkType: record.linkType,
          bytes: [UInt8](UnsafeRawBufferPointer(start: record.bytes, count: record.capturedLength)),
          originalLength: record.originalLength)
        let line = position < lines.count ? String(lines[position]) : ""
        comparison.add(packet, line: line, reference.judge(packet))
        position += 1
      }
    }
    if position != lines.count {
      comparison.differences.append(
        Difference(
          file: "all", packet: position, engine: "\(lines.count) lines",
          reference: "\(position) packets", steps: []))
    }
    return comparison
  }

  /// Compares a generated scenario: its packets are written to a capture first.
  public static func scenario(_ scenario: Scenario) throws -> Comparison {
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("apus-scenario-\(scenario.seed)-\(UUID().uuidString).pcapng").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try write(scenario.packets, to: path)
    return try captures([path], model: scenario.model, options: scenario.options)
  }

  /// Writes packets as a capture, one interface for each link type.
  public static func write(_ packets: [ReferencePacket], to path: String) throws {
    var writer = try CaptureWriter(path: path)
    var interfaces: [UInt16: Int] = [:]
    for packet in packets {
      let interface =
        interfaces[packet.linkType]
        ?? writer.addInterface(name: "link\(packet.linkType)", linkType: packet.linkType)
      interfaces[packet.linkType] = interface
      packet.bytes.withUnsafeBytes { bytes in
        writer.write(
          interface: interface, time: packet.time, bytes: bytes,
          originalLength: packet.originalLength)
      }
    }
    try writer.close()
  }

  private mutating func add(_ packet: ReferencePacket, line: String, _ verdict: ReferenceVerdict) {
    packets += 1
    outcomes["\(verdict.verdict) \(verdict.reason)", default: 0] += 1
    let output = verdict.output.map { "\"\($0)\"" } ?? "null"
    let expected =
      "\"eni\":\"\(verdict.eni)\",\"direction\":\"\(verdict.direction)\","
      + "\"verdict\":\"\(verdict.verdict)\",\"reason\":\"\(verdict.reason)\","
      + "\"rule\":\"\(verdict.rule)\",\"state\":\"\(verdict.state)\",\"output\":\(output)"
    guard let start = line.range(of: "\"eni\":"), let end = line.range(of: ",\"bytes\":") else {
      differences.append(
        Difference(
          file: packet.file, packet: packet.number, engine: line, reference: expected,
          steps: verdict.steps))
      return
    }
    let actual = String(line[start.lowerBound..<end.lowerBound])
    if actual != expected {
      differences.append(
        Difference(
          file: packet.file, packet: packet.number, engine: actual, reference: expected,
          steps: verdict.steps))
    }
  }
}
