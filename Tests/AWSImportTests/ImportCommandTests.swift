import AWSImport
import Foundation
import Testing
import VPCModel
import Wire

@testable import apus

/// The command, its files and exit codes.
@Suite struct ImportCommandTests {
  /// A folder with the base account's files.
  final class Folder {
    let path: String

    init(_ texts: [(name: String, text: String)]) throws {
      path =
        FileManager.default.temporaryDirectory
        .appending(path: "apus-aws-\(UUID().uuidString)").path
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      for (name, text) in texts { try write(name, text) }
    }

    func write(_ name: String, _ text: String) throws {
      try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  /// The exit code of the command; 0 when it ends without an error.
  static func run(_ arguments: String...) throws -> Int32 {
    do {
      var command = try Apus.parseAsRoot(["import", "aws"] + arguments)
      try command.run()
      return 0
    } catch let failure as CommandFailure {
      return failure.code.rawValue
    }
  }

  @Test func writesAModelThatCheckTakes() throws {
    let folder = try Folder(Account.base().texts)
    let output = folder.path + ".yaml"
    defer { try? FileManager.default.removeItem(atPath: output) }
    #expect(try Self.run(folder.path, "--output", output) == 0)
    #expect(try String(contentsOfFile: output, encoding: .utf8) == Account.base().read().document)
    #expect(try ModelFiles.load([output]).networkInterfaces.count == 2)
  }

  @Test func exitCodes() throws {
    let folder = try Folder(Account.base().texts)
    let output = folder.path + ".yaml"
    defer { try? FileManager.default.removeItem(atPath: output) }
    #expect(try Self.run("/nonexistent.json", "--output", output) == 4)
    #expect(try Self.run(folder.path, "--json") == 2)
    #expect(try Self.run(folder.path, "--output", output, "--gateway-host", "x") == 2)
    #expect(try Self.run(folder.path, "--output", "/nonexistent/x.yaml") == 5)
    try FileManager.default.removeItem(atPath: folder.path + "/Vpcs.json")
    #expect(try Self.run(folder.path, "--output", output) == 3)
    #expect(AWSImport.read(paths: [folder.path]).findings.map(\.code) == [.missing])
    #expect(!FileManager.default.fileExists(atPath: output))
    #expect(try Self.run(folder.path, "--output", output, "--allow-missing") == 0)
    try folder.write("Vpcs.json", #"{"Vpcs":["#)
    #expect(try Self.run(folder.path, "--output", output) == 4)
  }

  @Test func otherFilesOfAFolderAreNoMatter() throws {
    let folder = try Folder(Account.base().texts)
    try folder.write("README", "How these files were made.\n")
    try folder.write(".hidden", "{")
    // A pipe that nobody writes to would be waited for.
    #expect(mkfifo(folder.path + "/pipe.json", 0o600) == 0)
    let result = AWSImport.read(paths: [folder.path])
    #expect(result.document == Account.base().read().document)
    #expect(result.findings.map(\.code) == [.unused])
    // But an empty file is what a command that failed leaves behind.
    try folder.write("subnets2.json", "")
    #expect(AWSImport.read(paths: [folder.path]).findings.contains { $0.code == .unreadable })
    // And what is named is read, whatever its name.
    let named = AWSImport.read(paths: [folder.path + "/README"])
    #expect(named.findings.map(\.code) == [.unreadable])
  }

  @Test func reportIsJSON() throws {
    var account = Account.base()
    account["Subnets"][0] = Shape.subnet("subnet-public", #"vpc-\"odd"#, "10.0.1.0/24")
    for result in [account.read(), Account.base().read()] {
      let text = ImportAWSCommand.report(result)
      let object = try #require(
        JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
      #expect(object["imported"] as? Bool == (result.model != nil))
      let findings = try #require(object["findings"] as? [[String: Any]])
      #expect(findings.count == result.findings.count)
      #expect(findings.allSatisfy { $0.keys.count == 7 })
    }
    #expect(ImportAWSCommand.code(account.read()) == .refused)
  }

  // MARK: Determinism

  @Test func orderOfFilesAndItemsIsNoMatter() throws {
    let account = Account.groups(
      web: [
        Shape.permission("tcp", 443...443, from: ["0.0.0.0/0", "10.0.0.0/8"]),
        Shape.permission("udp", 53...53, from: ["sg-data"]),
      ])
    let document = try #require(account.read().document)
    var turned = Account(
      account.texts.reversed().map { text in
        let section = String(text.name.dropLast(5))
        return (section, account[section].reversed())
      })
    turned["SecurityGroups"] = [
      Shape.group("sg-data", Account.vpc, egress: [Shape.allowAll6, Shape.allowAll]),
      Shape.group(
        "sg-web", Account.vpc,
        ingress: [
          Shape.permission("udp", 53...53, from: ["sg-data"]),
          Shape.permission("tcp", 443...443, from: ["10.0.0.0/8"]),
          Shape.permission("tcp", 443...443, from: ["0.0.0.0/0"]),
        ], egress: [Shape.allowAll6, Shape.allowAll]),
    ]
    #expect(turned.read().document == document)
    #expect(account.read().document == document)
  }

  @Test func networkNumbersFollowFromIDs() throws {
    let few = try Account.base().model()
    var account = Account.base()
    for index in 0..<300 {
      account["Vpcs"].append(Shape.vpc("vpc-more\(index)", ["10.0.0.0/16"]))
    }
    let many = try account.model()
    #expect(many.vpcs.first { $0.id == "vpc-1" }?.vni == few.vpcs[0].vni)
    let numbers = many.vpcs.map(\.vni) + many.internetGateways.map(\.vni)
    #expect(Set(numbers).count == 302 && numbers.allSatisfy { (0x1000...0xFF_FFFF).contains($0) })
  }

  @Test func gatewayHostIsAnOption() throws {
    var account = Account.base()
    account.options.gatewayHost = try #require(IPAddress("2001:db8::1"))
    #expect(try account.model().internetGateways[0].host.description == "2001:db8::1")
  }
}
