import Glibc
import Replay
import Testing
import VPCModel

@testable import Report

/// Names of captures, rules and interfaces are strangers' text.
@Suite struct HostileTextTests {
  @Test(arguments: [
    ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
    ("\" onload='x' `&amp;", "&quot; onload=&#39;x&#39; &#96;&amp;amp;"),
    ("a\u{0}b\u{7}\n\u{1B}[31m", "a\\u{0}b\\u{7}\\u{a}\\u{1b}[31m"),
    ("\u{202E}gpj.exe \u{2066}x\u{200B}\u{FEFF}", "\\u{202e}gpj.exe \\u{2066}x\\u{200b}\\u{feff}"),
    ("Straße 東京 é", "Straße 東京 é"),
  ])
  func isEscaped(_ text: String, _ escaped: String) {
    #expect(HTML(text).source == escaped)
    #expect(("<b>\(text)</b>" as HTML).source == "<b>\(escaped)</b>")
  }

  @Test func longTextIsCut() {
    let text = HTML(String(repeating: "<", count: 100_000)).source
    #expect(text == String(repeating: "&lt;", count: 50) + "…")
  }

  /// The strangest names that a model may have, all the way to the page.
  @Test func hostileNamesStayText() throws {
    // Loaders refuse spaces and what cannot be seen in ids, and nothing else.
    let evil = "</style></script><script>alert(1)</script><img/src=x/onerror=alert(2)>\"'`&#60;"
    let folder = Fixture.folder()
    defer { Fixture.remove(folder) }
    let capture = "\(folder)/<script>alert(3)<!--\"'.pcap"
    let rules = "\(folder)/<b onclick=alert(4)>.yaml"
    let other = "\(folder)/other.yaml"
    guard symlink(Fixture.file("web.pcap"), capture) == 0 else {
      Issue.record("no link")
      return
    }
    let quoted = JSONText.quote(evil)
    let nic = JSONText.quote("<script>alert(5)<img\"'`&lt;")
    let text = Fixture.text(Fixture.file("web.yaml"))
      .replacing("eni-web", with: nic).replacing(
        "{protocol: tcp,", with: "{id: \(quoted), protocol: tcp,")
    try Fixture.write(text, to: rules)
    try Fixture.write(text.replacing("ports: [80, 443]", with: "ports: 443"), to: other)
    let page = try Fixture.page(rules, [capture], against: other)
    #expect(page.comparison?.differs == true)
    #expect(page.html.contains("&lt;/style&gt;&lt;/script&gt;&lt;script&gt;alert(1)"))
    // Of markup there is only the page's own.
    #expect(page.html.ranges(of: "<script").count == 1)
    #expect(page.html.ranges(of: "</script").count == 1)
    #expect(page.html.ranges(of: "</style").count == 1)
    for text in ["<img", "<b ", "<!--", "\u{202E}", "http:", "https:", "src="] {
      #expect(!page.html.replacing("src=x", with: "").contains(text), "\(text)")
    }
    #expect(!page.html.unicodeScalars.contains { $0.value < 32 && $0 != "\n" })
  }

  @Test func namesDoNotMakeThePageLarge() throws {
    var model = VPCModel()
    let name = String(repeating: "\u{1}", count: 5000)
    var group = SecurityGroup(id: name, vpc: "v", ingress: [], egress: [])
    for index in 0..<20000 {
      group.ingress.append(
        SecurityGroupRule(id: "\(index)\(name)", match: TrafficMatch(), peers: []))
    }
    model.securityGroups = [group]
    let collector = ReportCollector(model: model)
    let result = try Replay.run(
      model: VPCModel(), options: ReplayOptions(captures: [Fixture.file("web.pcap")]),
      observer: collector)
    let page = ReportPage(
      model: model, options: ReplayOptions(captures: [name]), result: result,
      collector: collector, made: 0)
    #expect(page.html.utf8.count < 2_000_000)
  }
}
