import Glibc
import Testing

@testable import apus

/// `apus replay --report` as a user types it.
@Suite struct CommandTests {
  private static let rules = Fixture.file("web.yaml")
  private static let capture = Fixture.file("web.pcap")

  @Test func pageIsWrittenWholeAndAlone() throws {
    let folder = Fixture.folder()
    defer { Fixture.remove(folder) }
    let path = "\(folder)/page.html"
    try Fixture.write("old", to: path)
    chmod(path, 0o640)
    #expect(
      try Fixture.run(["--rules", Self.rules, "--report", path, "--json", Self.capture]) == .done)
    let text = Fixture.text(path)
    #expect(text.hasPrefix("<!DOCTYPE html>") && text.hasSuffix("</html>\n"))
    #expect(Fixture.names(folder) == ["page.html"])
    var status = stat()
    stat(path, &status)
    #expect(status.st_mode & 0o777 == 0o640)
  }

  @Test func exitCodesAreThoseOfReplay() throws {
    let folder = Fixture.folder()
    defer { Fixture.remove(folder) }
    let path = "\(folder)/page.html"
    let other = "\(folder)/other.yaml"
    try Fixture.write(
      Fixture.text(Self.rules).replacing("ports: [80, 443]", with: "ports: 443"), to: other)
    #expect(
      try Fixture.run([
        "--rules", Self.rules, "--against", other, "--json", "--report", path, Self.capture,
      ]) == .no)
    #expect(Fixture.text(path).contains("What would change"))
    let common = ["--rules", Self.rules, "--json", Self.capture, "--report"]
    #expect(try Fixture.run(common + ["\(folder)/none/page.html"]) == .resource)
    #expect(try Fixture.run(common + [folder]) == .resource)
    #expect(try Fixture.run(common + [Self.rules]) == .usage)
    #expect(try Fixture.run(common + ["-"]) == .usage)
    #expect(Fixture.names(folder) == ["other.yaml", "page.html"])
  }

  @Test func linkIsFollowed() throws {
    let folder = Fixture.folder()
    defer { Fixture.remove(folder) }
    try Fixture.write("old", to: "\(folder)/real.html")
    #expect(symlink("real.html", "\(folder)/link.html") == 0)
    try Fixture.write("new", to: "\(folder)/link.html")
    #expect(Fixture.text("\(folder)/real.html") == "new")
    var status = stat()
    #expect(lstat("\(folder)/link.html", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
  }
}
