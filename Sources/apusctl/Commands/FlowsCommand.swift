import ArgumentParser
import ControlProtocol

/// `apus flows`.
struct FlowsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flows",
    abstract: "List live connections, with the rule that allowed each.",
    discussion: """
      Examples:

        apus flows --eni eni-web --protocol tcp --port 443
        apus flows --host 198.51.100.0/24 --limit 20
      """)

  @Option(help: ArgumentHelp("Only of this network interface.", valueName: "id"))
  var eni: String?

  @Option(
    name: .customLong("protocol"),
    help: ArgumentHelp("tcp, udp, icmp, icmpv6, sctp or a number.", valueName: "name"),
    transform: IPProtocolName.init)
  var protocolName: IPProtocolName?

  @Option(help: ArgumentHelp("An address or prefix that either end has.", valueName: "cidr"))
  var host: String?

  @Option(help: ArgumentHelp("A port that either end has.", valueName: "number"))
  var port: UInt16?

  @Option(help: ArgumentHelp("At most so many.", valueName: "number"))
  var limit: UInt32 = 1000
  @OptionGroup var connection: ConnectionOptions

  func validate() throws {
    if !(1...100_000).contains(limit) {
      throw ValidationError("--limit \(limit): from 1 to 100000")
    }
  }

  func run() async throws {
    let request = Apus_V1_ConnectionsRequest.with {
      $0.networkInterface = eni ?? ""
      $0.address = host ?? ""
      $0.limit = limit
      if let port { $0.port = UInt32(port) }
      if let protocolName { $0.protocol = protocolName.number }
    }
    let list = try await connection.call { try await $0.connections(request) }
    print(connection.json ? Self.json(list).line : Self.text(list))
  }

  private static func text(_ list: Apus_V1_ConnectionsResponse) -> String {
    var table = Table([
      "eni", "protocol", "local", "remote", "state", "packets", "bytes", "expires", "rule",
    ])
    for flow in list.connections {
      table.add([
        flow.networkInterface, IPProtocolName.text(flow.protocol),
        end(flow.localAddress, flow.localPort),
        end(flow.remoteAddress, flow.remotePort), flow.state, "\(flow.packets)", "\(flow.bytes)",
        "\(flow.expiresIn.seconds)s", flow.rule,
      ])
    }
    return table.text + (list.truncated ? "\n... and more (see --limit)" : "")
  }

  private static func json(_ list: Apus_V1_ConnectionsResponse) -> JSON {
    .fields([
      (
        "connections",
        .list(
          list.connections.map { flow in
            .fields([
              ("eni", .text(flow.networkInterface)), ("protocol", .number(UInt64(flow.protocol))),
              ("localAddress", .text(flow.localAddress)),
              ("localPort", .number(UInt64(flow.localPort))),
              ("remoteAddress", .text(flow.remoteAddress)),
              ("remotePort", .number(UInt64(flow.remotePort))), ("state", .text(flow.state)),
              ("rule", .text(flow.rule)), ("packets", .number(flow.packets)),
              ("bytes", .number(flow.bytes)),
              ("expiresInSeconds", .number(UInt64(max(0, flow.expiresIn.seconds)))),
            ])
          })
      ),
      ("truncated", .flag(list.truncated)),
    ])
  }

  private static func end(_ address: String, _ port: UInt32) -> String {
    address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
  }
}
