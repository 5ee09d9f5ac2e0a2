import CapturePort
import ReferenceModel
import Replay
import VPCModel
import Wire

/// What `replay --against` lists, beside what the reference model says of every packet under both
/// rule sets.
public struct WhatIfComparison {
  /// A flow at a network interface.
  struct Key: Hashable {
    var flow: ReferenceFlow
    var eni: String
  }

  /// What is told of a flow.
  struct Told: Hashable {
    var packets: UInt64 = 0
    var bytes: UInt64 = 0
    /// Its first packet that differs.
    var first: UInt64 = 0
    var today: [String] = []
    var tomorrow: [String] = []
  }

  public private(set) var packets = 0
  /// Flows and packets that have another verdict, by the reference.
  public private(set) var affectedFlows = 0
  public private(set) var affectedPackets: UInt64 = 0
  /// Packets by what today's rules say in the reference, `forward` or a reason.
  public private(set) var outcomes: [String: Int] = [:]
  /// Where the two disagree, in words.
  public private(set) var differences: [String] = []

  /// Packets of a capture.
  public static func packets(of path: String, first count: Int = .max) throws -> [ReferencePacket] {
    var reader = try CaptureReader(path: path)
    var record = CaptureRecord()
    var packets: [ReferencePacket] = []
    while packets.count < count, reader.next(&record) {
      packets.append(
        ReferencePacket(
          file: path, number: packets.count + 1, time: record.time, linkType: record.linkType,
          bytes: [UInt8](UnsafeRawBufferPointer(start: record.bytes, count: record.capturedLength)),
          originalLength: record.originalLength))
    }
    return packets
  }

  /// - Parameters:
  ///   - path: the capture that the packets are of, from its beginning.
  public init(_ packets: [ReferencePacket], in path: String, _ models: WhatIfModels) throws {
    var options = ReplayOptions(captures: [path])
    options.filter = nil
    let found = try Replay.compare(
      model: models.today, against: models.tomorrow, options: options)
    if let failure = found.result.failure { throw failure }
    let expected = judge(packets, models)
    self.packets = packets.count
    affectedFlows = expected.count
    compare(found.comparison, expected)
  }

  private mutating func judge(_ packets: [ReferencePacket], _ models: WhatIfModels) -> [Key: Told] {
    var today = ReferenceVPC(model: models.today, options: ReferenceOptions())
    var tomorrow = ReferenceVPC(model: models.tomorrow, options: ReferenceOptions())
    var expected: [Key: Told] = [:]
    for packet in packets {
      let (a, b) = (today.judge(packet), tomorrow.judge(packet))
      outcomes[a.verdict == "drop" ? a.reason : a.verdict, default: 0] += 1
      let isSame = a.verdict == b.verdict && a.direction == b.direction && a.output == b.output
      if isSame || a.verdict == b.verdict && a.verdict != "forward" { continue }
      affectedPackets += 1
      guard let flow = packet.addressed?.flow else { continue }
      let key = Key(flow: flow, eni: a.eni.isEmpty ? b.eni : a.eni)
      var told =
        expected[key]
        ?? Told(first: UInt64(packet.number), today: Self.side(a), tomorrow: Self.side(b))
      told.packets += 1
      told.bytes += UInt64(packet.originalLength)
      expected[key] = told
    }
    return expected
  }

  private mutating func compare(_ found: Comparison, _ expected: [Key: Told]) {
    if found.packets != affectedPackets {
      differences.append("\(found.packets) packets, by the reference \(affectedPackets)")
    }
    var listed: Set<Key> = []
    for flow in found.flows {
      let told = Told(
        packets: flow.packets, bytes: flow.bytes, first: flow.first.packet,
        today: Self.side(flow.today), tomorrow: Self.side(flow.tomorrow))
      guard let key = Self.key(flow), listed.insert(key).inserted else {
        differences.append("\(flow.first.flow): listed twice, or no flow")
        continue
      }
      if expected[key] != told {
        let other = expected[key].map { "\($0)" } ?? "nothing"
        differences.append("\(flow.first.flow): \(told), by the reference \(other)")
      }
    }
    for key in expected.keys where !listed.contains(key) {
      differences.append("not listed: \(key)")
    }
  }

  // MARK: The same words for both

  private static func side(_ verdict: ReferenceVerdict) -> [String] {
    [
      verdict.verdict, verdict.reason, verdict.rule, verdict.eni, verdict.direction,
      verdict.output ?? "",
    ]
  }

  private static func side(_ side: Comparison.Side) -> [String] {
    [side.verdict, side.reason, side.rule, side.eni, side.direction, side.output]
  }

  /// Read from the text that people see, `tcp 10.0.1.10:1000 > [2001:db8::1]:443`.
  private static func key(_ flow: Comparison.Flow) -> Key? {
    let words = flow.first.flow.split(separator: " ").filter { $0 != ">" && $0 != "protocol" }
    let names: [Substring: UInt8] = ["icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132]
    guard words.count == 3, let number = names[words[0]] ?? UInt8(words[0]),
      let a = end(words[1]), let b = end(words[2])
    else { return nil }
    let eni = flow.today.eni.isEmpty ? flow.tomorrow.eni : flow.today.eni
    return Key(flow: ReferenceFlow(a, b, protocolNumber: number), eni: eni)
  }

  private static func end(_ text: Substring) -> ReferenceFlow.End? {
    if let address = IPAddress(String(text)) { return .init(address: address, port: 0) }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...])
    else { return nil }
    let name = text[..<colon].filter { $0 != "[" && $0 != "]" }
    return IPAddress(String(name)).map { .init(address: $0, port: port) }
  }
}
