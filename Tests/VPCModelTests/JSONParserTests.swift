import Testing

@testable import VPCModel

/// The JSON parser against the YAML parser, of whose language JSON is a part.
@Suite struct JSONParserTests {
  /// A document in one line, every node with its place.
  private func text(_ node: SourceNode?) -> String {
    guard let node else { return "" }
    let place = "\(node.line):\(node.column) "
    switch node.content {
    case .alias: return place + "alias"
    case .scalar(let scalar): return place + (scalar.isPlain ? scalar.string : "'\(scalar.string)'")
    case .sequence(let items): return place + "[\(items.map(text).joined(separator: ", "))]"
    case .mapping(let fields):
      return place + "{\(fields.map { "\(text($0)): \(text($1))" }.joined(separator: ", "))}"
    }
  }

  /// What the JSON parser takes, the YAML parser reads alike.
  private func expectAgreement(_ json: String) -> Bool {
    guard let node = JSONParser.parse(json) else { return false }
    let yaml = try? SourceDocument(yaml: json)
    #expect(yaml != nil && text(.json(node)) == text(yaml?.root), "\(json)")
    return true
  }

  @Test(arguments: [
    "{}", "[]", " \n{ }\n", #"{"a":1}"#, #"{"a" : [true , false,null]}"#,
    "{\"é\": \"äöü\",\n  \"b\": [\n  {\"c\": \"d\"}, -1.5e+3, 0, 10]}",
    #"{"a":"\"\\\/\b\f\n\r\t\u00e9\u0041"}"#, "{\"a\":\r\n\t7}", #"{"aé":"é","b":1}"#,
    #"{"k":{"k":{"k":[[[]]]}}}"#,
  ])
  func readsJSON(_ text: String) { #expect(expectAgreement(text)) }

  @Test(arguments: [
    "", "7", "null", "a: 1", "{a: 1}", #"{"a":1,}"#, #"{"a":01}"#, #"{"a":1.}"#, #"{"a":+1}"#,
    #"{"a":.5}"#, #"{"a":1e}"#, #"{"a":tru}"#, #"{"a":1} x"#, #"{"a":"\x"}"#, #"{"a":"\ud83d"}"#,
    #"{"a":1,"a":2}"#, "{\"a\":\"\n\"}", #"{"a""#, #"{"a":"#, "[", "[1", "[1,", #"{"a":1 # x"#,
    String(repeating: "[", count: 100) + String(repeating: "]", count: 100),
  ])
  func leavesTheRestToTheOther(_ text: String) { #expect(JSONParser.parse(text) == nil) }

  @Test func manyFieldsAreToldApart() {
    let fields = (0..<100).map { "\"f\($0)\":\($0)" }
    #expect(expectAgreement("{\(fields.joined(separator: ","))}"))
    #expect(JSONParser.parse("{\((fields + ["\"f50\":1"]).joined(separator: ","))}") == nil)
  }

  @Test func damagedJSONIsReadAlikeOrLeft() throws {
    let original = Array(ModelWriter.document(try load(exampleText)).utf8)
    #expect(expectAgreement(String(decoding: original, as: UTF8.self)))
    var random = SeededGenerator(state: 5)
    var taken = 0
    for _ in 0..<3000 {
      var bytes = original
      let start = Int.random(in: 0..<bytes.count - 8, using: &random)
      switch Int.random(in: 0..<3, using: &random) {
      case 0: bytes.removeSubrange(start..<start + Int.random(in: 1..<4, using: &random))
      case 1:
        bytes.insert(
          contentsOf: Array("{}[]:,\"\\ué1 \n".utf8).shuffled(using: &random).prefix(2), at: start)
      default: bytes[start] = Array("{}[]:,\"\\9 \nx".utf8).randomElement(using: &random) ?? 0
      }
      if expectAgreement(String(decoding: bytes, as: UTF8.self)) { taken += 1 }
    }
    #expect(taken > 300 && taken < 2700, "\(taken)")
  }
}
