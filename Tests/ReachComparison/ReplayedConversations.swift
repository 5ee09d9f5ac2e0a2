import CapturePort
import Foundation
import Reachability
import Replay
import VPCModel
import Wire

/// Conversations that `reach` and `explain` were asked about, as a capture that is replayed: the
/// engine as users run it must say the same of each packet.
struct ReplayedConversations {
  /// What was said of one conversation.
  struct Statement {
    var query: ReachProbe.Query
    /// By the sets.
    var fate: Fate
    var explanation: PathAnswer
  }

  private struct Line: Decodable {
    var verdict: String
    var reason: String
    var rule: String
    var output: String?
  }

  /// More than the longest timeout of a connection, so that conversations do not meet.
  private static let pause: UInt64 = 500_000 * 1_000_000_000

  private let model: VPCModel
  private let frames: ProbeFrames
  private var packets: [(time: UInt64, frame: [UInt8], statement: Int, isAnswer: Bool)] = []
  private var statements: [Statement] = []
  /// Conversations of which a capture cannot tell who sends them: tunnels of a model without host.
  private(set) var leftOut = 0

  init(_ model: VPCModel) {
    self.model = model
    frames = ProbeFrames(model)
  }

  /// Packets that the replay judges.
  var count: Int { packets.count }

  mutating func add(_ statement: Statement) {
    let query = statement.query
    guard let request = frames.request(query) else {
      leftOut += 1
      return
    }
    let time = UInt64(statements.count + 1) * Self.pause
    packets.append((time, request, statements.count, false))
    let hasArrived = statement.fate == .answered || statement.fate == .unanswered
    if hasArrived, let traffic = query.traffic.answer(query.own.family),
      let answer = frames.answer(query, traffic)
    {
      packets.append((time + 1_000_000, answer, statements.count, true))
    }
    statements.append(statement)
  }

  /// Replays all of it.
  ///
  /// - Returns: what differs, in words.
  func differences() throws -> [String] {
    let base = FileManager.default.temporaryDirectory
      .appendingPathComponent("apus-reach-\(UUID().uuidString)").path
    let (capture, verdicts) = (base + ".pcapng", base + ".jsonl")
    defer {
      try? FileManager.default.removeItem(atPath: capture)
      try? FileManager.default.removeItem(atPath: verdicts)
    }
    try write(to: capture)
    var options = ReplayOptions(captures: [capture])
    options.atNIC = true
    options.verdicts = verdicts
    let result = try Replay.run(model: model, options: options)
    if let failure = result.failure { throw failure }
    let lines = try Data(contentsOf: URL(fileURLWithPath: verdicts)).split(separator: 0x0A)
    guard lines.count == packets.count else {
      return ["\(lines.count) verdicts of \(packets.count)"]
    }
    let decoder = JSONDecoder()
    return try zip(packets, lines).compactMap { packet, text in
      let line = try decoder.decode(Line.self, from: text)
      return difference(statements[packet.statement], line, isAnswer: packet.isAnswer)
    }
  }

  private func write(to path: String) throws {
    var writer = try CaptureWriter(path: path)
    let interface = writer.addInterface(name: "nic", linkType: 1)
    for packet in packets {
      packet.frame.withUnsafeBytes {
        writer.write(
          interface: interface, time: packet.time, bytes: $0, originalLength: packet.frame.count)
      }
    }
    try writer.close()
  }

  // MARK: What must agree

  private func difference(_ statement: Statement, _ line: Line, isAnswer: Bool) -> String? {
    let explained = statement.explanation.packets
    let index = isAnswer ? 1 : 0
    let name = "\(statement.query)\(isAnswer ? ", its answer" : "")"
    let said = "replay \(line.verdict) \(line.reason) \(line.rule) \(line.output ?? "")"
    guard index < explained.count else { return "\(name): \(said), explain nothing" }
    let packet = explained[index]
    if !Self.agrees(packet, line) { return "\(name): \(said), explain \(packet.verdict)" }
    if isAnswer { return answerDiffers(statement, line) ? "\(name): \(said), by sets not" : nil }
    let arrives = statement.fate != .refused
    return isRefuted(statement.query, line, arrives: arrives)
      ? "\(name): \(said), by sets \(statement.fate)" : nil
  }

  /// What a service does with a packet the replay says, where the engine only hands it over.
  private static func agrees(_ packet: ExplainedPacket, _ line: Line) -> Bool {
    let verdict = packet.verdict.prefix { $0 != " " }
    if verdict == "forward" || verdict == "drop" {
      return line.verdict == verdict && line.rule == packet.rule
        && line.reason == (verdict == "drop" ? packet.reason : "")
    }
    return ["reply", "consume"].contains(line.verdict) || line.reason.hasPrefix("service.")
  }

  /// Whether a first packet went elsewhere than the sets have it. On the underlay there are many
  /// places, and a verdict tells none of them apart.
  private func isRefuted(_ query: ReachProbe.Query, _ line: Line, arrives: Bool) -> Bool {
    let isForwarded = line.verdict == "forward"
    guard let place = place(query) else { return arrives && !isForwarded }
    let isThere = isForwarded && line.output == place
    if place == "underlay" { return arrives && !isThere }
    return arrives != isThere
  }

  private func place(_ query: ReachProbe.Query) -> String? {
    if query.direction == .to { return query.interface }
    if case .interface(let id) = query.peer { return id }
    return "underlay"
  }

  private func answerDiffers(_ statement: Statement, _ line: Line) -> Bool {
    let query = statement.query
    var home = query.interface
    if query.direction == .to {
      home = if case .interface(let id) = query.peer { id } else { "underlay" }
    }
    let isHome = line.verdict == "forward" && line.output == home
    if statement.fate == .answered { return !isHome }
    return isHome && home != "underlay"
  }
}
