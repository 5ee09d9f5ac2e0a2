import AWSImport
import CapturePort
import Foundation
import Replay
import TestPackets
import Testing
import VPCModel
import Wire

/// What an account's describe calls print, by their top-level field.
struct Account {
  private var order: [String] = []
  private var items: [String: [String]] = [:]
  /// Entries of prefix lists, by list.
  var lists: [String: [String]] = [:]
  var options = AWSImportOptions()

  init(_ sections: [(String, [String])] = []) {
    for (name, items) in sections { self[name] = items }
  }

  subscript(section: String) -> [String] {
    get { items[section] ?? [] }
    set {
      if items[section] == nil { order.append(section) }
      items[section] = newValue
    }
  }

  var texts: [(name: String, text: String)] {
    order.map { ("\($0).json", "{\"\($0)\":\(Shape.list(items[$0] ?? []))}") }
      + lists.sorted { $0.key < $1.key }.map { list, entries in
        ("\(list).json", "{\"Entries\":\(Shape.list(entries.map { #"{"Cidr":"\#($0)"}"# }))}")
      }
  }

  func read() -> ImportResult { AWSImport.read(texts: texts, options: options) }

  /// The model that comes out, as `apus check` and `apus replay` load the file.
  func model() throws -> VPCModel {
    let result = read()
    let document = try #require(result.document, "\(result.findings)")
    return try ModelLoader.load(texts: [(name: "imported", text: document)])
  }

  /// Judges packets, and gives verdict, reason and rule of each in one text, as far as there are.
  func verdicts(_ packets: [UInt8]...) throws -> [String] {
    try Judge.verdicts(packets, try model())
  }

  func states(_ packets: [UInt8]...) throws -> [String] {
    try Judge.states(packets, try model())
  }

  /// What the import tells of an object.
  func told(_ id: String) -> [Finding.Code] {
    read().findings.filter { $0.id == id }.map(\.code)
  }
}

/// A VPC with a public and a private subnet, as most scenarios of the guide have one.
extension Account {
  static let vpc = "vpc-1"
  /// Its network ACL allows all, and there is an internet gateway at the public subnet.
  static func base() -> Account {
    Account([
      ("Vpcs", [Shape.vpc(vpc, ["10.0.0.0/16", "2001:db8:1234:1a00::/56"])]),
      (
        "Subnets",
        [
          Shape.subnet("subnet-public", vpc, "10.0.1.0/24", v6: "2001:db8:1234:1a01::/64"),
          Shape.subnet("subnet-private", vpc, "10.0.2.0/24", v6: "2001:db8:1234:1a02::/64"),
        ]
      ),
      (
        "NetworkInterfaces",
        [
          Shape.interface(
            "eni-web", "subnet-public", ["10.0.1.10=203.0.113.10", "2001:db8:1234:1a01::a"],
            groups: ["sg-web"]),
          Shape.interface(
            "eni-data", "subnet-private", ["10.0.2.20", "2001:db8:1234:1a02::b"],
            groups: ["sg-data"]),
        ]
      ),
      ("SecurityGroups", [Shape.group("sg-web", vpc), Shape.group("sg-data", vpc)]),
      (
        "NetworkAcls",
        [
          Shape.acl(
            "acl-default", vpc, isDefault: true, subnets: ["subnet-public", "subnet-private"],
            openEntries)
        ]
      ),
      (
        "RouteTables",
        [
          Shape.table("rtb-main", vpc, isMain: true, []),
          Shape.table(
            "rtb-public", vpc, subnets: ["subnet-public"],
            [
              Shape.route("0.0.0.0/0", "GatewayId", "igw-1"),
              Shape.route("::/0", "GatewayId", "igw-1"),
            ]),
        ]
      ),
      ("InternetGateways", [Shape.internetGateway("igw-1", vpc)]),
      ("VpcPeeringConnections", []),
    ])
  }

  /// Of the default network ACL.
  static let openEntries = [
    Shape.entry(100, "allow", "-1", "0.0.0.0/0"),
    Shape.entry(100, "allow", "-1", "0.0.0.0/0", egress: true),
    Shape.entry(101, "allow", "-1", "::/0"),
    Shape.entry(101, "allow", "-1", "::/0", egress: true),
  ]

  /// The base with other groups: the one of the web server, and that of the database.
  static func groups(
    web: [String] = [], webEgress: [String] = [Shape.allowAll, Shape.allowAll6],
    data: [String] = [], dataEgress: [String] = [Shape.allowAll, Shape.allowAll6]
  ) -> Account {
    var account = base()
    account["SecurityGroups"] = [
      Shape.group("sg-web", vpc, ingress: web, egress: webEgress),
      Shape.group("sg-data", vpc, ingress: data, egress: dataEgress),
    ]
    return account
  }
}

/// Packets, each an IP packet.
enum Packet {
  private static func ip(
    _ source: String, _ destination: String, _ number: UInt8, _ payload: [UInt8]
  ) -> [UInt8] {
    source.contains(":")
      ? Compose.ipv6(source, destination, next: number, payload)
      : Compose.ipv4(source, destination, protocol: number, payload)
  }

  static func tcp(
    _ source: String, _ sourcePort: UInt16, _ destination: String, _ port: UInt16,
    flags: UInt8 = Compose.tcpSYN, sequence: UInt32 = 1, acknowledgement: UInt32 = 0
  ) -> [UInt8] {
    ip(
      source, destination, 6,
      Compose.tcp(
        sourcePort, port, sequence: sequence, acknowledgement: acknowledgement, flags: flags))
  }

  /// The answer to a first packet of TCP.
  static func tcpAnswer(
    _ source: String, _ sourcePort: UInt16, _ destination: String, _ port: UInt16
  ) -> [UInt8] {
    tcp(
      source, sourcePort, destination, port, flags: Compose.tcpSYN | Compose.tcpACK,
      acknowledgement: 2)
  }

  static func udp(
    _ source: String, _ sourcePort: UInt16, _ destination: String, _ port: UInt16
  ) -> [UInt8] {
    ip(source, destination, 17, Compose.udp(sourcePort, port))
  }

  static func icmp(
    _ source: String, _ destination: String, _ type: UInt8, _ code: UInt8 = 0
  ) -> [UInt8] {
    ip(source, destination, source.contains(":") ? 58 : 1, Compose.icmp(type, code))
  }

  /// A packet of a protocol without ports.
  static func other(_ source: String, _ destination: String, _ number: UInt8) -> [UInt8] {
    ip(source, destination, number, [0, 0, 0, 1, 0, 0, 0, 2])
  }
}

enum Judge {
  private struct Line: Decodable {
    var verdict: String
    var reason: String
    var rule: String
    var output: String?
    var state: String

    /// Verdict, reason, rule and output, as far as there are.
    var words: String {
      [verdict, reason, rule, output ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
    }
  }

  static func verdicts(_ packets: [[UInt8]], _ model: VPCModel) throws -> [String] {
    try lines(packets, model).map(\.words)
  }

  /// The state of each packet's connection, or why it was dropped.
  static func states(_ packets: [[UInt8]], _ model: VPCModel) throws -> [String] {
    try lines(packets, model).map { $0.reason.isEmpty ? $0.state : $0.reason }
  }

  private static func path() -> String {
    FileManager.default.temporaryDirectory.appending(path: "apus-aws-\(UUID().uuidString)").path
  }

  /// Replays packets, a millisecond apart, as a capture of IP packets from anywhere.
  private static func lines(_ packets: [[UInt8]], _ model: VPCModel) throws -> [Line] {
    let (input, output) = (path(), path())
    defer {
      try? FileManager.default.removeItem(atPath: input)
      try? FileManager.default.removeItem(atPath: output)
    }
    var writer = try CaptureWriter(path: input)
    let interface = writer.addInterface(name: "in", linkType: 101)
    for (index, packet) in packets.enumerated() {
      packet.withUnsafeBytes {
        writer.write(
          interface: interface, time: 1_700_000_000_000_000_000 + UInt64(index) * 1_000_000,
          bytes: $0, originalLength: packet.count)
      }
    }
    try writer.close()
    var options = ReplayOptions(captures: [input])
    options.verdicts = output
    let result = try Replay.run(model: model, options: options)
    if let failure = result.failure { throw failure }
    let text = try String(contentsOfFile: output, encoding: .utf8)
    return try text.split(separator: "\n").map {
      try JSONDecoder().decode(Line.self, from: Data($0.utf8))
    }
  }
}
