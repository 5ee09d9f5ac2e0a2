import ArgumentParser
import Reachability
import Replay
import VPCModel
import Wire

/// `apus explain`.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Tell whether one end reaches another, every step both ways, and what would help.",
    discussion: """
      Composes the first packet of a conversation and its answer and has the engine judge them, as \
      replay judges captures. An end is the id of a network interface or an address; an address \
      that is nobody's in the model is outside, behind the internet gateway.

      Examples:

        apus explain --rules vpc.yaml --from eni-web --to eni-db --protocol tcp --port 5432
        apus explain --rules vpc.yaml --from 198.51.100.7 --to eni-web --port 443
        apus explain --rules vpc.yaml --from eni-db --to 10.0.1.10 --protocol icmp

      Exit code 0: it arrives, and so does the answer; 1: not; 2: wrong usage; 3: the model is \
      refused; 4: a file cannot be read.
      """)

  @Option(help: ArgumentHelp("A model file; several are merged.", valueName: "model"))
  var rules: [String] = []

  @Option(help: ArgumentHelp("Who begins: a network interface or an address.", valueName: "end"))
  var from: String

  @Option(help: ArgumentHelp("Who is asked: a network interface or an address.", valueName: "end"))
  var to: String

  @Option(
    name: .customLong("protocol"),
    help: ArgumentHelp("tcp, udp, icmp, icmpv6, sctp, or a number.", valueName: "name"))
  var protocolName = "tcp"

  @Option(help: "The destination port, for tcp, udp and sctp.")
  var port: UInt16?

  @Option(help: "The source port (of an ICMP echo its identifier).")
  var sourcePort: UInt16 = 49_152

  @Option(help: "The ICMP type (default: echo request).")
  var icmpType: UInt8?

  @Option(help: "The ICMP code.")
  var icmpCode: UInt8?

  @Flag(help: "A TCP packet of a connection that nobody saw begin, instead of its first.")
  var midstream = false

  @Flag(help: "Print the answer as JSON.")
  var json = false

  @Argument(help: ArgumentHelp("Further model files.", valueName: "model"))
  var models: [String] = []

  func run() throws {
    let question = try question()
    let model = try ModelArguments.load(rules + models, command: "explain")
    let answer: PathAnswer
    do throws(PathQuestionError) {
      answer = try PathInquiry(model).answer(question)
    } catch {
      throw CommandFailure(error)
    }
    print(json ? Self.json(answer) : answer.text, terminator: json ? "\n" : "")
    if !answer.passes { throw CommandFailure(.no, []) }
  }

  // MARK: The question

  /// The question that the options ask, or why they make no sense together.
  func question() throws(CommandFailure) -> PathQuestion {
    guard let number = TrafficArguments.protocolNumber(protocolName) else {
      throw CommandFailure(
        .usage, what: "--protocol \(protocolName)", why: "no protocol",
        advice: "tcp, udp, icmp, icmpv6, sctp, or a number from 0 to 255")
    }
    var traffic = ProbeTraffic(protocolNumber: number)
    traffic.sourcePort = sourcePort
    traffic.isMidstream = midstream
    let isICMP = number == IPProtocol.icmp || number == IPProtocol.icmpV6
    try check(number, isICMP: isICMP)
    traffic.destinationPort = port ?? 0
    if isICMP {
      traffic.icmpType = icmpType ?? (number == IPProtocol.icmp ? 8 : 128)
      traffic.icmpCode = icmpCode ?? 0
    }
    return PathQuestion(from: PathEnd(from), to: PathEnd(to), traffic: traffic)
  }

  private func check(_ number: UInt8, isICMP: Bool) throws(CommandFailure) {
    let hasPorts = ProbeTraffic.hasPorts(number)
    if hasPorts && port == nil {
      throw CommandFailure(
        .usage, what: "usage", why: "\(protocolName) has ports", advice: "name one with --port")
    }
    if !hasPorts && port != nil {
      throw CommandFailure(
        .usage, what: "--port", why: "\(protocolName) has no ports",
        advice: "tcp, udp and sctp have")
    }
    if !isICMP && (icmpType != nil || icmpCode != nil) {
      throw CommandFailure(
        .usage, what: "--icmp-type, --icmp-code", why: "\(protocolName) has none",
        advice: "give --protocol icmp or icmpv6")
    }
    if midstream && number != IPProtocol.tcp {
      throw CommandFailure(.usage, what: "--midstream", why: "only TCP has a middle")
    }
  }

  // MARK: Output

  static func json(_ answer: PathAnswer) -> String {
    let packets = answer.packets.map { packet in
      JSONText.object(
        [
          ("packet", JSONText.quote(packet.title)),
          ("passes", packet.passes ? "true" : "false"),
          ("verdict", JSONText.quote(packet.verdict)),
          ("reason", JSONText.quote(packet.reason)), ("rule", JSONText.quote(packet.rule)),
          ("steps", JSONText.array(packet.steps.map { JSONText.quote($0) }, indent: 6)),
        ], indent: 4)
    }
    let changes = answer.changes.map { change in
      JSONText.object(
        [
          ("why", JSONText.quote(change.words)), ("place", JSONText.quote(change.place)),
          ("yaml", JSONText.quote(change.yaml)),
        ], indent: 4)
    }
    return JSONText.object([
      ("question", JSONText.quote(answer.question)),
      ("passes", answer.passes ? "true" : "false"),
      ("packets", JSONText.array(packets, indent: 2)),
      ("notes", JSONText.array(answer.notes.map { JSONText.quote($0) }, indent: 2)),
      ("changes", JSONText.array(changes, indent: 2)),
      ("changesSuffice", answer.changesSuffice ? "true" : "false"),
    ])
  }
}

/// Protocols by name or number, as models have them.
enum TrafficArguments {
  static func protocolNumber(_ text: String) -> UInt8? {
    switch text {
    case "tcp": IPProtocol.tcp
    case "udp": IPProtocol.udp
    case "icmp": IPProtocol.icmp
    case "icmpv6": IPProtocol.icmpV6
    case "sctp": IPProtocol.sctp
    default: UInt8(text)
    }
  }
}

/// Models of commands that read nothing else.
enum ModelArguments {
  static func load(_ paths: [String], command: String) throws(CommandFailure) -> VPCModel {
    if paths.isEmpty {
      throw CommandFailure(
        .usage, what: "usage", why: "no model is given",
        advice: "name one with --rules, see 'apus \(command) --help'")
    }
    return try ModelFiles.load(paths)
  }
}

extension CommandFailure {
  init(_ error: PathQuestionError) {
    self.init(.usage, what: error.what, why: error.why, advice: error.advice)
  }
}
