import Foundation
import Testing
import VPCModel

@testable import apus

/// What `apus check` prints for machines.
@Suite struct CheckReportTests {
  private static let model = """
    version: 1
    vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/16]}]
    securityGroups:
      - id: g
        vpc: v
        ingress:
          - {protocol: tcp, ports: 80, from: 10.0.0.0/8}
          - {protocol: tcp, ports: 22, from: 0.0.0.0/0}
    """

  private static func parse(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  private static func report() throws -> CheckReport {
    let file = TemporaryFile(Array(model.utf8))
    let model = try ModelLoader.load(paths: [file.path])
    return CheckReport(
      warnings: ModelLint.warnings(model), places: ObjectPlaces(paths: [file.path]))
  }

  private static func results(_ log: [String: Any]) throws -> [[String: Any]] {
    let run = try #require((log["runs"] as? [[String: Any]])?.first)
    return try #require(run["results"] as? [[String: Any]])
  }

  private static func line(_ result: [String: Any]) -> Int? {
    let location = (result["locations"] as? [[String: Any]])?.first
    let physical = location?["physicalLocation"] as? [String: Any]
    return (physical?["region"] as? [String: Any])?["startLine"] as? Int
  }

  @Test func sarifNamesRuleLevelAndLine() throws {
    let log = try Self.parse(Self.report().sarif)
    #expect(log["version"] as? String == "2.1.0")
    let results = try Self.results(log)
    #expect(results.compactMap { $0["ruleId"] as? String } == ["group-unused", "admin-port-open"])
    #expect(results.compactMap { $0["level"] as? String } == ["note", "warning"])
    #expect(results.map(Self.line) == [4, 8])
  }

  @Test func sarifDescribesEveryRuleThatItNames() throws {
    let log = try Self.parse(Self.report().sarif)
    let run = try #require((log["runs"] as? [[String: Any]])?.first)
    let driver = try #require((run["tool"] as? [String: Any])?["driver"] as? [String: Any])
    let rules = try #require(driver["rules"] as? [[String: Any]])
    let ids = Set(rules.compactMap { $0["id"] as? String })
    #expect(ids.isSuperset(of: LintRule.allCases.map(\.rawValue)))
    #expect(ids.count == rules.count)
  }

  @Test func sarifHasErrorsToo() throws {
    let error = ModelError(
      file: "a folder/m.yaml", line: 3, column: 5, path: "vpcs[0].vni", reason: "too \"large\"")
    let text = CheckReport(errors: [error]).sarif
    let result = try #require(try Self.results(try Self.parse(text)).first)
    #expect(result["level"] as? String == "error")
    #expect(
      (result["message"] as? [String: Any])?["text"] as? String == "vpcs[0].vni: too \"large\"")
    #expect(text.contains("\"uri\":\"a%20folder/m.yaml\""))
    #expect(Self.line(result) == 3)
  }

  @Test func jsonHasPlacesAndSeverities() throws {
    let log = try Self.parse(Self.report().json)
    let warnings = try #require(log["warnings"] as? [[String: Any]])
    #expect(warnings.compactMap { $0["line"] as? Int } == [4, 8])
    #expect(warnings.compactMap { $0["severity"] as? String } == ["note", "warning"])
  }

  @Test func strictCountsWarningsOnly() throws {
    func outcome(_ text: String, _ arguments: String...) throws -> ApusExit {
      let file = TemporaryFile(Array(text.utf8))
      do {
        var command = try Apus.parseAsRoot(["check"] + arguments + [file.path])
        try command.run()
        return .done
      } catch let failure as CommandFailure { return failure.code }
    }
    let sound = Self.model.replacing("ports: 22", with: "ports: 443")
    #expect(try outcome(Self.model, "--strict") == .no)
    #expect(try outcome(Self.model) == .done)
    #expect(try outcome(sound, "--strict", "--format", "sarif") == .done)
    #expect(try outcome("vpcs: 7", "--format", "sarif") == .refused)
  }

  /// Objects of JSON files, and those that no file has.
  @Test func placesAreOfYAMLAndJSON() {
    let json = TemporaryFile(Array("{\"vpcs\":\n[{\"id\": \"v\", \"vni\": 1}]}".utf8))
    let places = ObjectPlaces(paths: [json.path, "/nonexistent"])
    #expect(places["v"] == ObjectPlaces.Place(file: json.path, line: 2))
    #expect(places["w"] == nil)
  }
}
