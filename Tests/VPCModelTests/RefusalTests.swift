import Testing
import VPCModel

/// A way to spoil the example, and the error that must come of it.
struct Refusal: Sendable, CustomTestStringConvertible {
  var testDescription: String
  /// Text of the example and what takes its place; empty for none.
  var edit: (String, String) = ("", "")
  /// A second file.
  var extra = ""
  /// Text on the line of the error: of the second file if there is one.
  var at: String
  var path: String
  var reason: String
  /// All errors that follow from it.
  var count = 1

  init(
    _ name: String, edit: (String, String) = ("", ""), extra: String = "", at: String? = nil,
    _ path: String, _ reason: String, count: Int = 1
  ) {
    testDescription = name
    self.edit = edit
    self.extra = extra
    self.at = at ?? (extra.isEmpty ? edit.1 : extra)
    self.path = path
    self.reason = reason
    self.count = count
  }

  var spoiled: String {
    guard !edit.0.isEmpty, let range = exampleText.firstRange(of: edit.0) else {
      return exampleText
    }
    return exampleText.replacingCharacters(in: range, with: edit.1)
  }

  /// The line of `at`.
  var line: Int? {
    let text = extra.isEmpty ? spoiled : extra
    guard let range = text.firstRange(of: at) else { return nil }
    return text[..<range.lowerBound].count { $0 == "\n" } + 1
  }
}

extension String {
  func replacingCharacters(in range: Range<String.Index>, with other: String) -> String {
    var copy = self
    copy.replaceSubrange(range, with: other)
    return copy
  }
}

@Suite struct RefusalTests {
  @Test(
    arguments: structureRefusals + scalarRefusals + ruleRefusals + referenceRefusals
      + addressRefusals)
  func isRefusedWithFileLineAndPath(_ refusal: Refusal) throws {
    if !refusal.edit.0.isEmpty { #expect(exampleText.contains(refusal.edit.0)) }
    let line = try #require(refusal.line)
    var texts = [(name: "a.yaml", text: refusal.spoiled)]
    if !refusal.extra.isEmpty { texts.append(("b.yaml", refusal.extra)) }
    var found: [ModelError] = []
    do { _ = try ModelLoader.load(texts: texts) } catch { found = error.errors }
    #expect(found.count == refusal.count, "\(found)")
    let expected = found.first {
      $0.path == refusal.path && $0.reason.contains(refusal.reason) && $0.line == line
    }
    #expect(expected != nil, "line \(line): \(found)")
    #expect(expected?.file == (refusal.extra.isEmpty ? "a.yaml" : "b.yaml"))
  }

  @Test func allErrorsOfAllFilesAreListed() {
    let spoiledTwice = """
      vpcs:
        - {id: vpc-a, vni: x, cidrs: [10.0.0.0/33, 10.1.0.0/16, 10.300.0.0/16]}
        - {id: vpc-b, vni: 7, cidrs: [10.0.0.0/16], color: blue}
      prefixLists:
        - id: pl-a
          id: pl-b
          entries: [nonsense]
      """
    let found = errors(("a.yaml", spoiledTwice), ("b.yaml", "a: [1"), ("c.yaml", "policy: 7"))
    #expect(
      found.map { "\($0.file):\($0.line): \($0.path)" } == [
        "a.yaml:2: vpcs[0].vni", "a.yaml:2: vpcs[0].cidrs[0]", "a.yaml:2: vpcs[0].cidrs[2]",
        "a.yaml:3: vpcs[1].color", "a.yaml:6: prefixLists[0].id",
        "a.yaml:7: prefixLists[0].entries[0]", "b.yaml:1: ", "c.yaml:1: policy",
      ])
  }

  @Test func duplicateIdsNameBothPlaces() {
    let list = "prefixLists: [{id: pl-a, entries: []}]"
    let found = errors(("one.yaml", "\n\n" + list), ("two.yaml", "\n" + list))
    #expect(
      found.map(\.description) == [
        "two.yaml:2:20: prefixLists[0].id: duplicate id `pl-a`; first at one.yaml:3"
      ])
  }

  @Test func filesThatCannotBeReadAreErrors() throws {
    var found: [ModelError] = []
    do {
      _ = try ModelLoader.load(paths: ["/nonexistent/a.yaml", "/", "/nonexistent/b.yaml"])
    } catch { found = error.errors }
    #expect(found.map(\.file) == ["/nonexistent/a.yaml", "/", "/nonexistent/b.yaml"])
    #expect(found.allSatisfy { $0.line == 1 && $0.reason.contains("cannot be read") })
  }

  @Test func repeatedKeysAreListedWithEverythingElse() {
    let text = """
      host: {address: 192.0.2.1, mac: 02:aa:00:00:00:01, mac: 02:aa:00:00:00:02, mac: x}
      vpcs:
        - {"id": a, "vni": 1, "vni": 2, cidrs: [bad]}
      """
    #expect(
      errors(("a", text)).map { "\($0.line):\($0.column ?? 0) \($0.path)" } == [
        "1:7 host.gatewayMAC", "1:52 host.mac", "1:76 host.mac", "3:25 vpcs[0].vni",
        "3:43 vpcs[0].cidrs[0]",
      ])
  }

  @Test func tunnelsOverIPv6NeedALargerMTU() {
    let host = "mac: 02:aa:00:00:00:01, gatewayMAC: 02:aa:00:00:00:fe, mtu:"
    let found = errors(("a", "host: {address: 2001:db8::1, \(host) 1349}"))
    #expect(found.map(\.path) == ["host.mtu"])
    #expect(errors(("a", "host: {address: 2001:db8::1, \(host) 1350}")).isEmpty)
    #expect(errors(("a", "host: {address: 192.0.2.1, \(host) 576}")).isEmpty)
  }

  @Test func unquotedColonsAreExplained() {
    let found = errors(("a", "prefixLists:\n  - {id: a, entries: [10.0.0.0/8, ::/0]}"))
    #expect(found.map(\.line) == [2])
    #expect(found.first?.reason.contains("needs quotes") == true)
    #expect(
      errors(("a", "prefixLists:\n  - id: a\n    entries:\n    - ::/0\n    - fd00::/8")).isEmpty)
  }

  @Test func aliasesDoNotGrow() {
    let rule = "{protocol: all, from: *a}"
    let rules = repeatElement(rule, count: 400).joined(separator: ", ")
    let grown = """
      prefixLists:
        - {id: pl-0, entries: &a [\(repeatElement("10.0.0.0/8", count: 500).joined(separator: ", "))]}
      vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/8]}]
      securityGroups: [{id: g, vpc: v, ingress: [\(rules)]}]
      """
    #expect(errors(("a", grown)).map(\.reason) == ["YAML aliases grow beyond the size of the file"])
  }
}
