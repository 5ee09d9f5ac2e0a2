import ArgumentParser
import ControlProtocol

/// `apus counters`.
struct CountersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "counters",
    abstract: "Show what a running host counts.",
    discussion: """
      Counters that are 0 are left out, but not from JSON.

      Examples:

        apus counters
        apus counters --eni eni-web --json
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Only of these network interfaces.", valueName: "id"))
  var eni: [String] = []

  @Flag(help: "Also how many packets each rule allowed or denied.")
  var rules = false
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let request = Apus_V1_CountersRequest.with {
      $0.networkInterfaces = eni
      $0.omitRuleHits = !rules
    }
    let counters = try await connection.call { try await $0.counters(request) }
    if let missing = eni.first(where: { id in
      !counters.interfaces.contains { $0.networkInterface == id }
    }) {
      throw ToolFailure(
        .no, what: "--eni \(missing)", why: "no such network interface",
        advice: "'apus get networkInterfaces --names' lists them")
    }
    print(connection.json ? Self.json(counters).line : text(counters))
  }

  private func text(_ counters: Apus_V1_CountersResponse) -> String {
    var table = Table(["of", "counter", "value"])
    func add(_ name: String, _ values: [String: UInt64], prefix: String = "") {
      for (counter, value) in values.sorted(by: { $0.key < $1.key }) where value > 0 {
        table.add([name, prefix + counter, "\(value)"])
      }
    }
    for interface in counters.interfaces {
      table.add([interface.networkInterface, "connections", "\(interface.connections)"])
      add(interface.networkInterface, interface.values)
      add(interface.networkInterface, interface.dropsByReason, prefix: "drop ")
    }
    for port in counters.ports {
      let name = "port \(port.name) \(port.up ? "up" : "down")"
      add(name, port.values)
      add(name, port.dropsByReason, prefix: "drop ")
    }
    if eni.isEmpty {
      for (number, worker) in counters.workers.enumerated() {
        add("worker \(number)", worker.values)
      }
    }
    for (rule, hits) in counters.ruleHits.sorted(by: { $0.key < $1.key }) where hits > 0 {
      table.add([rule, "hits", "\(hits)"])
    }
    return table.text
  }

  static func json(_ counters: Apus_V1_CountersResponse) -> JSON {
    .fields([
      (
        "uptime",
        .verbatim("\(counters.uptime.seconds).\(nanoseconds(counters.uptime.nanos))")
      ),
      ("generation", .number(counters.generation)),
      ("interfaces", .list(counters.interfaces.map(json))),
      (
        "ports",
        .list(
          counters.ports.map { port in
            .fields([
              ("name", .text(port.name)), ("up", .flag(port.up)),
              ("values", .counters(port.values)),
              ("dropsByReason", .counters(port.dropsByReason)),
            ])
          })
      ),
      ("workers", .list(counters.workers.map { .counters($0.values) })),
      ("ruleHits", .counters(counters.ruleHits)),
    ])
  }

  private static func json(_ interface: Apus_V1_InterfaceCounters) -> JSON {
    .fields([
      ("id", .text(interface.networkInterface)), ("connections", .number(interface.connections)),
      ("values", .counters(interface.values)),
      ("dropsByReason", .counters(interface.dropsByReason)),
    ])
  }

  private static func nanoseconds(_ value: Int32) -> String {
    let digits = "\(value)"
    return String(repeating: "0", count: max(0, 9 - digits.count)) + digits
  }
}
