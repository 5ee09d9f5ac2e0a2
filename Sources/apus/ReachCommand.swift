import ArgumentParser
import Reachability
import Replay
import VPCModel
import Wire

/// `apus reach`.
struct ReachCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reach",
    abstract: "List who reaches a network interface, or whom it reaches: all of it, computed.",
    discussion: """
      Exact sets of addresses and ports of what may begin a conversation, and whether answers come \
      back. With --to what the interface accepts (--from then picks one sender), with --from alone \
      what it reaches. --diff asks another model too and shows what differs.

      Examples:

        apus reach --rules vpc.yaml --to eni-web
        apus reach --rules vpc.yaml --from eni-web --protocol tcp
        apus reach --rules vpc.yaml --to eni-db --from 10.0.0.0/16
        apus reach --rules today.yaml --diff tomorrow.yaml --to eni-web

      Exit code 0: done, and with --diff nothing differs; 1: something differs; 2: wrong usage; \
      3: a model is refused; 4: a file cannot be read.
      """)

  @Option(help: ArgumentHelp("A model file; several are merged.", valueName: "model"))
  var rules: [String] = []

  @Option(help: ArgumentHelp("The network interface that is reached.", valueName: "id"))
  var to: String?

  @Option(
    help: ArgumentHelp(
      "The network interface that reaches; with --to also an address or a prefix.",
      valueName: "id|prefix"))
  var from: String?

  @Option(
    name: .customLong("protocol"),
    help: ArgumentHelp("Only tcp, udp, icmp, icmpv6, sctp, or a number.", valueName: "name"))
  var protocolName: String?

  @Option(
    help: ArgumentHelp(
      "Another model to compare with; several files are merged.", valueName: "model"))
  var diff: [String] = []

  @Flag(help: "Print the sets as JSON.")
  var json = false

  @Argument(help: ArgumentHelp("Further model files.", valueName: "model"))
  var models: [String] = []

  func run() throws {
    let first = try load(rules + models)
    if diff.isEmpty {
      guard let reach = try reach(first) else { throw unknown(interface, first) }
      print(json ? Self.json(reach) : reach.text, terminator: json ? "\n" : "")
      return
    }
    let second = try load(diff)
    let (one, two) = (try reach(first), try reach(second))
    guard one != nil || two != nil else { throw unknown(interface, first) }
    let nothing = Reach(interface: interface, direction: to == nil ? .from : .to)
    let difference = ReachDifference(one ?? nothing, two ?? nothing)
    if json {
      print(
        JSONText.object(
          [("differs", difference.isEmpty ? "false" : "true")]
            + difference.parts.map { ($0.name, Self.json($0.reach, indent: 2)) }))
    } else {
      let names = ((rules + models).joined(separator: " "), diff.joined(separator: " "))
      print(difference.text(names), terminator: "")
    }
    if !difference.isEmpty { throw CommandFailure(.no, []) }
  }

  private var interface: String { to ?? from ?? "" }

  private func load(_ paths: [String]) throws(CommandFailure) -> VPCModel {
    guard to != nil || from != nil else {
      throw CommandFailure(
        .usage, what: "usage", why: "no network interface is given",
        advice: "name one with --to or --from")
    }
    return try ModelArguments.load(paths, command: "reach")
  }

  private func unknown(_ id: String, _ model: VPCModel) -> CommandFailure {
    let ids = model.networkInterfaces.map(\.id)
    let rest = ids.count > 5 ? " and \(ids.count - 5) more" : ""
    return CommandFailure(
      .usage, what: "\(to == nil ? "--from" : "--to") \(id)",
      why: "the model has no such network interface",
      advice: ids.isEmpty ? nil : "it has \(ids.prefix(5).joined(separator: ", "))\(rest)")
  }

  /// What the options ask of a model; nil when it has no such interface.
  func reach(_ model: VPCModel) throws(CommandFailure) -> Reach? {
    let analysis = ReachAnalysis(model)
    let all = to.map { analysis.reach(to: $0) } ?? analysis.reach(from: interface)
    guard var reach = all else { return nil }
    if to != nil, let from {
      if let prefix = IPPrefix(from) {
        reach = reach.only(prefix)
      } else if let address = IPAddress(from) {
        reach = reach.only(IPPrefix(address, length: address.family.bitWidth))
      } else if model.networkInterfaces.contains(where: { $0.id == from }) {
        reach = reach.only(interface: from)
      } else if diff.isEmpty {
        throw CommandFailure(
          .usage, what: "--from \(from)",
          why: "neither an address, a prefix nor a network interface of the model")
      } else {
        reach = reach.only(interface: from)
      }
    }
    if let protocolName {
      guard let number = TrafficArguments.protocolNumber(protocolName) else {
        throw CommandFailure(
          .usage, what: "--protocol \(protocolName)", why: "no protocol",
          advice: "tcp, udp, icmp, icmpv6, sctp, or a number from 0 to 255")
      }
      reach = reach.only(protocol: number)
    }
    return reach
  }

  // MARK: JSON

  static func json(_ reach: Reach, indent: Int = 0) -> String {
    let boxes = reach.entries.flatMap { entry in
      entry.rows().map { json($0, entry, indent: indent + 4) }
    }
    return JSONText.object(
      [
        ("interface", JSONText.quote(reach.interface)),
        ("direction", JSONText.quote(reach.direction == .to ? "to" : "from")),
        ("boxes", JSONText.array(boxes, indent: indent + 2)),
      ], indent: indent)
  }

  private static func json(_ row: ReachRow, _ entry: ReachEntry, indent: Int) -> String {
    let peer: (String, String)
    switch entry.peer {
    case .interface(let id): peer = ("interface", id)
    case .mappings(let vpc): peer = ("mappings", vpc)
    case .gateway(let id): peer = ("gateway", id)
    }
    var members = [
      ("peer", JSONText.quote(peer.0)), ("id", JSONText.quote(peer.1)),
      ("own", JSONText.quote("\(entry.own)")), ("protocol", JSONText.quote(row.protocolText)),
    ]
    if !row.low.isEmpty {
      members.append((row.isICMP ? "typesAndCodes" : "ports", JSONText.quote(row.lowText)))
    }
    members += [
      ("sourcePorts", JSONText.quote(ports(row.sourcePorts))),
      ("answers", JSONText.quote(row.isOneWay ? "none" : row.isAnswered ? "all" : "some")),
      ("answeredPorts", JSONText.quote(ports(row.answered))),
      (
        "addresses",
        "[" + row.addresses.prefixes.map { JSONText.quote("\($0)") }.joined(separator: ", ") + "]"
      ),
    ]
    return JSONText.object(members, indent: indent)
  }

  private static func ports(_ set: PortSet) -> String {
    set.trueRanges.map {
      $0.lowerBound == $0.upperBound ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
    }.joined(separator: ", ")
  }
}
