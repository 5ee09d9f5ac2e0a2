import AWSImport
import Foundation
import TestPackets
import Testing
import VPCModel

/// Resources made with the AWS command line on a mock of the EC2 API, described with it, imported,
/// and judged.
@Suite struct RoundTripTests {
  static let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  static let venv = here.appendingPathComponent("../../.build-aws/bin").standardizedFileURL.path
  static let isThere =
    FileManager.default.isExecutableFile(atPath: venv + "/moto_server")
    && FileManager.default.isExecutableFile(atPath: venv + "/python")

  /// What the command line printed, kept. With APUS_UPDATE=1 the test on the mock keeps what it prints now.
  @Test func shopAsItWasPrinted() throws {
    let folder = Self.here.appendingPathComponent("Fixtures/shop").path
    let names = try Data(contentsOf: Self.here.appendingPathComponent("Fixtures/shop-names.json"))
    try Self.judgeShop(folder, JSONDecoder().decode([String: String].self, from: names))
  }

  @Test(
    .enabled(if: isThere, "no AWS command line or moto: scripts/bootstrap --tests, needs PyPI"),
    .timeLimit(.minutes(5)))
  func shopOnTheMock() async throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "apus-aws-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let server = try MockServer(Self.venv)
    defer { server.stop() }
    try await server.waitUntilReady()
    let names = try await server.run(
      Self.here.appendingPathComponent("Moto"), commands: "shop.txt", into: folder.path)
    try Self.judgeShop(folder.path, names)
    if ProcessInfo.processInfo.environment["APUS_UPDATE"] == "1" { try Self.keep(folder, names) }
  }

  private static func keep(_ folder: URL, _ names: [String: String]) throws {
    let files = FileManager.default
    let kept = here.appendingPathComponent("Fixtures/shop")
    try? files.removeItem(at: kept)
    try files.createDirectory(at: kept, withIntermediateDirectories: true)
    for name in try files.contentsOfDirectory(atPath: folder.path) where !name.hasPrefix(".") {
      try files.copyItem(
        at: folder.appendingPathComponent(name), to: kept.appendingPathComponent(name))
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(names).write(to: here.appendingPathComponent("Fixtures/shop-names.json"))
  }

  /// What the shop of Moto/shop.txt has to come out as.
  static func judgeShop(_ folder: String, _ names: [String: String]) throws {
    func id(_ name: String) throws -> String { try #require(names[name]) }
    let refused = AWSImport.read(paths: [folder])
    #expect(refused.model == nil)
    let errors = refused.findings.filter { $0.severity == .error }
    #expect(errors.map(\.code) == [.missing], "\(errors)")
    #expect(errors.first?.id == names["nat"])

    var options = AWSImportOptions()
    options.allowMissing = true
    let result = AWSImport.read(paths: [folder], options: options)
    #expect(result.findings.filter { $0.severity == .warning }.map(\.code) == [.missing])
    let text = try #require(result.document)
    let model = try ModelLoader.load(texts: [(name: "shop", text: text)])
    #expect(Set(model.vpcs.map(\.id)) == [try id("vpc"), try id("peer")])
    #expect(model.networkInterfaces.count == 4)

    let (web, data) = (try id("eniweb"), try id("enidata"))
    func nameOfRule(_ group: String, _ port: ClosedRange<UInt16>) throws -> String {
      let group = try #require(model.securityGroups.first { $0.id == names[group] })
      return try #require(group.ingress.first { $0.match.ports == [port] }).id
    }
    let (https, ssh) = (try nameOfRule("sgweb", 443...443), try nameOfRule("sgweb", 22...22))
    #expect(https.hasPrefix("sgr-") && ssh.hasPrefix("sgr-"))
    let out = try #require(
      model.securityGroups.first { $0.id == names["sgweb"] }?.egress.first?.id)
    let private53 = "\(try id("acl"))/ingress/90"
    let table = "\(try id("rtbprivate"))/0.0.0.0/0"
    let firewall = try id("enifirewall")
    let verdicts = try Judge.verdicts(
      [
        Packet.tcp("198.51.100.9", 1000, "10.0.1.10", 443),
        Packet.tcp("198.51.100.9", 1001, "10.0.1.10", 22),
        Packet.tcp("203.0.113.1", 1001, "10.0.1.10", 22),
        Packet.tcp("10.0.1.10", 1002, "10.0.2.20", 5432),
        Packet.tcp("10.0.1.10", 1003, "10.0.2.20", 5433),
        Packet.tcp("10.0.1.10", 1004, "10.0.2.20", 6000),
        Packet.icmp("10.0.2.20", "10.0.1.10", 8),
        Packet.tcp("10.0.2.20", 1005, "192.0.2.80", 443),
        Packet.udp("10.0.1.10", 1006, "10.9.1.30", 53),
        Packet.udp("10.0.1.10", 1006, "10.9.1.30", 54),
        Packet.tcp("10.0.1.10", 1007, "192.0.2.80", 80),
        Packet.tcp("10.0.1.10", 1008, "172.16.5.5", 443),
      ], model)
    #expect(
      verdicts == [
        "forward \(https) \(web)", "forward \(ssh) \(web)", "drop sg.ingress",
        "forward \(out) \(data)", "drop acl.ingress \(private53)", "drop sg.ingress",
        "drop sg.egress", "drop route.blackhole \(table)",
        "forward \(out) \(try id("eniremote"))", "drop sg.ingress", "forward \(out) underlay",
        "forward \(out) \(firewall)",
      ])
  }
}

/// A server that stands for AWS, on loopback.
final class MockServer: Sendable {
  enum Failure: Error {
    case noPort
    case neverReady
    case commands(status: Int32, text: String)
  }

  private let venv: String
  private let port: UInt16
  private let process: Int32

  /// Starts one on a port that nobody uses now.
  init(_ venv: String) throws {
    self.venv = venv
    port = try Self.freePort()
    let server = Process()
    server.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
    server.arguments = [
      "--kill-after=5", "280", venv + "/moto_server", "-H", "127.0.0.1", "-p", "\(port)",
    ]
    server.standardOutput = FileHandle.nullDevice
    server.standardError = FileHandle.nullDevice
    try server.run()
    process = server.processIdentifier
  }

  /// Ends the server and the `timeout` that leads its group. The threads that tests run on block
  /// signals, and what they start inherits that: only one that cannot be blocked ends it.
  func stop() {
    kill(-process, SIGKILL)
  }

  private static func freePort() throws -> UInt16 {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, length) == 0 ? getsockname(socket, $0, &length) : -1
      }
    }
    guard status == 0 else { throw Failure.noPort }
    return UInt16(bigEndian: address.sin_port)
  }

  private var isReady: Bool {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = port.bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  func waitUntilReady() async throws {
    for _ in 0..<900 {
      if isReady { return }
      try await Task.sleep(for: .milliseconds(100))
    }
    throw Failure.neverReady
  }

  /// Runs commands of a file with the AWS command line; the values that it keeps, by name.
  func run(_ folder: URL, commands: String, into output: String) async throws -> [String: String] {
    let cli = Process()
    cli.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
    cli.arguments = [
      "--kill-after=5", "240", venv + "/python", folder.appending(path: "run-cli.py").path, output,
    ]
    cli.environment = [
      "PATH": "/usr/bin:/bin", "AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)",
      "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
      "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
      "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    ]
    let printed = output + "/.printed"
    _ = FileManager.default.createFile(atPath: printed, contents: nil)
    cli.standardInput = try FileHandle(forReadingFrom: folder.appending(path: commands))
    cli.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: printed))
    cli.standardError = cli.standardOutput
    let status: Int32 = try await withCheckedThrowingContinuation { continuation in
      cli.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
      do { try cli.run() } catch { continuation.resume(throwing: error) }
    }
    let data = try Data(contentsOf: URL(fileURLWithPath: printed))
    guard status == 0 else {
      throw Failure.commands(status: status, text: String(decoding: data, as: UTF8.self))
    }
    return try JSONDecoder().decode([String: String].self, from: data)
  }
}
