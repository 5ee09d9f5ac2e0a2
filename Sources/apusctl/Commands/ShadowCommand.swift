import ArgumentParser
import ControlAPI
import ControlProtocol

/// `apus shadow`.
struct ShadowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shadow",
    abstract: "Judge a running host's packets by tomorrow's rules too, and tell what differs.",
    discussion: """
      The rules in force alone decide what becomes of packets. Connections that are older than the \
      shadow are not compared, and allowances are not judged. It takes at most 5 % of the workers' \
      time: what would take more is counted and not compared; --sample keeps connections whole. A \
      host has one trace, capture or shadow at a time.

      Exit code 0: no packet differed; 1: some did, or --promote-if-same did not promote.

      Examples:

        apus shadow --rules tomorrow.yaml
        apus shadow --patch sg-web.yaml --eni eni-web --sample 16 --seconds 600
        apus shadow --patch sg-web.yaml --promote-if-same
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("The candidate: model files with the whole state.", valueName: "file"))
  var rules: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "The candidate: model files whose objects are added or replaced.", valueName: "file"))
  var patch: [String] = []

  @OptionGroup var connections: ConnectionEnds

  @Option(help: ArgumentHelp("Judge one connection in so many.", valueName: "number"))
  var sample: UInt32 = 1

  @Option(
    name: [.long, .customLong("duration")],
    help: ArgumentHelp("End after so long.", valueName: "number"))
  var seconds: Int64 = 60

  @Flag(
    help: "At the end make the candidate the rules, if packets were compared and none differed.")
  var promoteIfSame = false

  @Option(
    help: ArgumentHelp("Refuse unless the state has this generation.", valueName: "number"))
  var expectGeneration: UInt64?

  @Option(help: "On promotion: connections whose rule is gone; else as the model says.")
  var onRuleChange: RuleChangeOption?

  @OptionGroup var connection: ConnectionOptions

  /// What the daemon gives the promotion beyond the time of the shadow.
  private static let patience: Int64 = 30

  func validate() throws {
    if rules.isEmpty == patch.isEmpty {
      throw ValidationError("give --rules FILE, or --patch FILE, one of them")
    }
    if !(1...65_536).contains(sample) {
      throw ValidationError("--sample \(sample): from 1 to 65536")
    }
    let most = 3_600 - (promoteIfSame ? Self.patience : 0)
    if !(1...most).contains(seconds) {
      throw ValidationError("--seconds \(seconds): from 1 to \(most)")
    }
  }

  func run() async throws {
    let documents = try (rules + patch).map { try InputFile.document($0) }
    let (header, json) = (header, connection.json)
    let promotion = promoteIfSame ? seconds : nil
    let last = try await connection.call(sendsModel: true) { client in
      try await client.shadow(header, documents: documents, promotingIfSameAfter: promotion) {
        if json { return try StandardOutput.write(ShadowOutput.json($0).line + "\n") }
        // The first one tells what promotion would change.
        if $0.hasChange && $0.end == .unspecified { ShadowOutput.tellBegin($0) }
      }
    }
    if !json { try StandardOutput.write(ShadowOutput.text(last)) }
    try Self.end(last, isPromotionAsked: promoteIfSame)
  }

  private var header: Apus_V1_ShadowHeader {
    .with {
      $0.scope = patch.isEmpty ? .whole : .patch
      $0.filter = connections.filter
      $0.sample = sample
      $0.duration.seconds = seconds + (promoteIfSame ? Self.patience : 0)
      if let expectGeneration { $0.expectedGeneration = expectGeneration }
      switch onRuleChange {
      case .keep: $0.onRuleChange = .keep
      case .cut: $0.onRuleChange = .cut
      case nil: break
      }
    }
  }

  /// Ends with the exit code that the last report has.
  private static func end(
    _ last: Apus_V1_ShadowResponse, isPromotionAsked: Bool
  ) throws {
    switch last.end {
    case .duration, .caller, .promoted, .notSame: break
    case .rules, .daemon, .unspecified, .UNRECOGNIZED:
      throw ToolFailure(
        .resource, what: "shadow", why: last.end.text, advice: "begin another one")
    }
    let isRefused = isPromotionAsked && last.end != .promoted
    if last.counts.different > 0 || isRefused { throw ExitCode(ToolFailure.Code.no.rawValue) }
  }
}

/// Which connections to look at.
struct ConnectionEnds: ParsableArguments {
  @Option(help: ArgumentHelp("Of this network interface.", valueName: "id"))
  var eni: String?

  @Option(
    name: .customLong("protocol"),
    help: ArgumentHelp("tcp, udp, icmp, icmpv6, sctp or a number.", valueName: "name"),
    transform: IPProtocolName.init)
  var protocolName: IPProtocolName?

  @Option(
    help: ArgumentHelp(
      "One end: an address or prefix, ports, or both.",
      discussion: "Such as 10.0.1.10, 10.0.0.0/8, 10.0.1.10:443, :1024-65535, [fd00::1]:443.",
      valueName: "address[:ports]"))
  var from: PacketEnd?

  @Option(help: ArgumentHelp("The other end, in the same way.", valueName: "address[:ports]"))
  var to: PacketEnd?

  var filter: Apus_V1_PacketFilter {
    .with {
      $0.networkInterface = eni ?? ""
      if let protocolName { $0.protocol = protocolName.number }
      if let from {
        $0.source = from.address
        if let ports = from.ports { $0.sourcePorts = ports }
      }
      if let to {
        $0.destination = to.address
        if let ports = to.ports { $0.destinationPorts = ports }
      }
      $0.bothWays = true
    }
  }
}
