import Glibc
import Replay
import Testing

/// The page in a browser: headless Chromium, driven by Browser/look.py.
enum Chromium {
  static let path = ["/usr/bin/chromium", "/usr/bin/chromium-browser"]
    .first { (path: String) in access(path, X_OK) == 0 }
  static let python = "/usr/bin/python3"
  static let canRun = path != nil && access(python, X_OK) == 0

  /// Runs a program to its end, and gives what it printed.
  static func output(_ program: String, _ arguments: [String], to path: String) throws -> String {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var child: pid_t = 0
    try #require(posix_spawn(&child, program, &actions, nil, words, environ) == 0)
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    #expect(status == 0, "\(program) ended with \(status)")
    return Fixture.text(path)
  }
}

@Suite(.enabled(if: Chromium.canRun, "no chromium: scripts/bootstrap --tests"))
struct BrowserTests {
  /// What the browser says of a page, of which pictures are made.
  private static func look(_ page: String, _ folder: String) throws -> String {
    try Chromium.output(
      Chromium.python,
      [
        "\(Fixture.root)/Tests/ReportTests/Browser/look.py", Chromium.path ?? "", page,
        "\(folder)/shot",
      ], to: "\(folder)/said.json")
  }

  @Test(.timeLimit(.minutes(3))) func pageIsUsable() throws {
    let folder = Fixture.folder()
    defer { Fixture.remove(folder) }
    let page = try Fixture.page(
      "\(Fixture.root)/examples/web-tier.yaml", [Fixture.file("web.pcap")])
    try Fixture.write(page.html, to: "\(folder)/page.html")
    let said = try Self.look("\(folder)/page.html", folder)
    #expect(said.contains(#""heading": "Replay report""#))
    #expect(said.contains(#""problems": []"#), "\(said)")
    #expect(said.contains(#""requests": []"#), "\(said)")
    #expect(said.contains(#""narrow": 360"#), "no horizontal scrolling: \(said)")
    #expect(said.contains(#""firstFocus": "skip""#))
    #expect(said.contains(#""focusSeen": true"#))
    #expect(said.contains(#""unnamed": 0"#))
    #expect(said.contains(#""filtered": 0"#))
    #expect(said.contains(#""injected": false"#), "the policy holds")
    // Numbers fall first, then rise.
    let falling = page.result.summary.ruleHits.map(\.count).sorted(by: >) + [0]
    #expect(
      said.contains(#""sortedOnce": {"sort": "descending", "values": \#(falling)}"#), "\(said)")
    #expect(
      said.contains(
        #""sortedTwice": {"sort": "ascending", "values": \#(falling.reversed() as [UInt64])}"#))
    #expect(said.contains(#""light": "rgb(255, 255, 255)""#))
    #expect(said.contains(#""dark": "rgb(20, 24, 29)""#))
    #expect(said.contains(#""paper": "rgb(255, 255, 255)""#), "paper is white, dark screens too")
    #expect(said.contains(#""paperKey": "rgb(209, 73, 12)""#), "with the colours made for white")
    #expect(said.contains(#""paperWidth": 794"#), "nothing is cut off on A4: \(said)")
    for name in ["light", "dark", "narrow", "print"] {
      #expect(Fixture.text("\(folder)/shot-\(name).png").utf8.count > 10_000)
    }
  }

  /// Bars, and examples with the capture's long name beside them, are what is widest.
  @Test(.timeLimit(.minutes(3))) func whatWouldChangeFitsOnPaper() throws {
    let folder = Fixture.folder()
    defer { Fixture.remove(folder) }
    let tomorrow = "\(folder)/tomorrow.yaml"
    let web = Fixture.text(Fixture.file("web.yaml"))
    try Fixture.write(web.replacing("ports: [80, 443]", with: "ports: 443"), to: tomorrow)
    let capture = "\(folder)/what-passed-at-the-web-tier-on-the-third-of-november.pcap"
    try #require(symlink(Fixture.file("web.pcap"), capture) == 0)
    let page = try Fixture.page(Fixture.file("web.yaml"), [capture], against: tomorrow)
    try Fixture.write(page.html, to: "\(folder)/page.html")
    #expect(page.html.contains("such as"))
    let said = try Self.look("\(folder)/page.html", folder)
    #expect(said.contains(#""narrow": 360"#), "\(said)")
    #expect(said.contains(#""paperWidth": 794"#), "\(said)")
  }
}
