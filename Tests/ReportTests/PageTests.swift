import Crypto
import Datapath
import Explanation
import FlowLogs
import Glibc
import Replay
import Testing
import VPCModel
import Wire

@testable import Report

@Suite struct PageTests {
  /// Every number of the summary that `--json` prints stands on the page.
  @Test(arguments: ["web", "scan", "services", "fragments-crafted", "pmtu"])
  func numbersAreThoseOfTheSummary(_ name: String) throws {
    let page = try Fixture.page(Fixture.file("\(name).yaml"), [Fixture.file("\(name).pcap")])
    let summary = page.result.summary
    for (id, value) in [
      ("packets", summary.packets), ("bytes", summary.bytes), ("forwarded", summary.forwarded),
      ("dropped", summary.dropped), ("replied", summary.replied),
      ("consumed", summary.consumed), ("ignored", summary.ignored),
      ("connections-begun", summary.connections),
    ] {
      #expect(Fixture.number("n-\(id)", page.html) == value, "\(id)")
    }
    for drop in summary.dropsByReason {
      #expect(Fixture.number("drop-\(drop.name)", page.html) == drop.count)
      #expect(page.html.contains("href=\"#reason-\(drop.name)\""))
      let text = try #require(DropReason(name: drop.name)?.text)
      #expect(page.html.contains(HTML(text.dropFirst()).source), "\(drop.name) is explained")
    }
    for hit in summary.ruleHits {
      #expect(page.html.contains("<code>\(hit.name)</code>"))
    }
  }

  /// A page is about the replay that would have been without it.
  @Test func observerChangesNothing() throws {
    for name in ["web.pcap", "fragments.pcap", "iperf.pcap"] {
      let rules = Fixture.file(name.replacing(".pcap", with: ".yaml"))
      let page = try Fixture.page(rules, [Fixture.file(name)])
      let plain = try Replay.run(
        model: ModelLoader.load(paths: [rules]),
        options: ReplayOptions(captures: [Fixture.file(name)]))
      var (first, second) = (page.result.summary, plain.summary)
      (first.seconds, second.seconds) = (0, 0)
      #expect(first.json == second.json)
    }
  }

  @Test func differencesAreThoseOfTheComparison() throws {
    let folder = Fixture.folder()
    defer { Fixture.remove(folder) }
    let tomorrow = "\(folder)/tomorrow.yaml"
    try Fixture.write(
      Fixture.text(Fixture.file("web.yaml")).replacing("ports: [80, 443]", with: "ports: 443"),
      to: tomorrow)
    let page = try Fixture.page(
      Fixture.file("web.yaml"), [Fixture.file("web.pcap")], against: tomorrow)
    let comparison = try #require(page.comparison)
    #expect(comparison.packets > 0)
    #expect(Fixture.number("n-changed", page.html) == comparison.packets)
    #expect(Fixture.number("n-changed-flows", page.html) == UInt64(comparison.flows.count))
    for group in comparison.groups {
      for example in group.examples {
        #expect(page.html.contains("packet \(example.packet) <code>\(HTML(example.flow).source)"))
      }
    }
  }

  @Test func rulesThatWereNeverHitAreListed() throws {
    let page = try Fixture.page(
      "\(Fixture.root)/examples/web-tier.yaml", [Fixture.file("web.pcap")])
    #expect(page.html.contains("<code>ask-dns-tcp</code>"))
    let never = page.html.ranges(of: "class=\"never\"").count
    #expect(Fixture.number("n-unused-rules", page.html) == UInt64(never))
    #expect(never == 1)
  }

  /// A capture of any length, with more flows than are kept, in every column of every plot.
  @Test func pageOfManyPacketsIsSmall() throws {
    let model = try ModelLoader.load(paths: [Fixture.file("web.yaml")])
    let page = try Fixture.page(Fixture.file("web.yaml"), [Fixture.file("web.pcap")])
    let collector = ReportCollector(model: model)
    for index in 0..<20000 {
      collector.observe(
        ObservedPacket(
          time: UInt64(index) * 777_777, bytes: 1514,
          outcome: Outcome(verdict: index % 2 == 0 ? .drop : .forward),
          tuple: FlowTuple(
            source: IPAddress(v6: 0x2001_0DB8_FFFF_FFFF, UInt64(index) << 40 | 0xFFFF_FFFF),
            destination: IPAddress(v6: 0x2001_0DB8_FFFF_FFFF, .max - UInt64(index) << 40),
            sourcePort: 65535, destinationPort: 65535, protocolNumber: 6)))
      _ = collector.sample(before: UInt64(index) * 777_777) { _ in UInt32(index) }
    }
    let html = ReportPage(
      model: model, options: ReplayOptions(captures: ["a.pcap"]), result: page.result,
      collector: collector, made: 0
    ).html
    #expect(html.utf8.count < 500_000)
    #expect(html.contains("space-saving"))
    // Paths are long, and whole.
    #expect(html.ranges(of: "V200Z\"").count >= 3)
    #expect(!html.contains("…"))
  }

  @Test func hashesOfThePolicyAreThoseOfTheText() {
    func hash(_ text: String) -> String {
      "sha256-" + Data(SHA256.hash(data: Array(text.utf8))).base64
    }
    #expect(ReportStyle.hash == hash(ReportStyle.text))
    #expect(ReportScript.hash == hash(ReportScript.text))
    #expect(!ReportScript.text.contains("</") && !ReportStyle.text.contains("<"))
  }

  /// Text of either scheme is readable on both of its backgrounds (WCAG 2.2, 1.4.3).
  @Test func contrastSuffices() throws {
    let schemes = ReportStyle.text.ranges(of: ":root{")
    for scheme in schemes.prefix(2) {
      var colors: [String: [Double]] = [:]
      for declaration in ReportStyle.text[scheme.upperBound...].prefix(while: { $0 != "}" })
        .split(separator: ";")
      {
        let parts = declaration.split(separator: ":")
        let name = parts[0].filter { !$0.isNewline && $0 != " " }
        guard parts.count == 2, let bits = UInt32(parts[1].filter(\.isHexDigit), radix: 16) else {
          continue
        }
        colors[name] = [16, 8, 0].map { Double(bits >> $0 & 255) / 255 }
      }
      func luminance(_ name: String) throws -> Double {
        let linear = try #require(colors[name]).map {
          $0 <= 0.04045 ? $0 / 12.92 : pow(($0 + 0.055) / 1.055, 2.4)
        }
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
      }
      func contrast(_ a: String, _ b: String) throws -> Double {
        let (x, y) = (try luminance(a), try luminance(b))
        return (max(x, y) + 0.05) / (min(x, y) + 0.05)
      }
      for ground in ["--bg", "--panel"] {
        for text in ["--fg", "--dim", "--link", "--mark"] {
          #expect(try contrast(text, ground) >= 4.5, "\(text) on \(ground)")
        }
      }
      // What is drawn needs 3 (1.4.11); what is ignored may stand back.
      for mark in ["--forward", "--drop", "--reply", "--consume"] {
        #expect(try contrast(mark, "--bg") >= 3, "\(mark)")
      }
    }
    #expect(schemes.count == 3)
  }
}

/// Bytes as base64 (RFC 4648), for hashes.
struct Data {
  var bytes: [UInt8]

  init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  var base64: String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let piece = bytes[start..<min(start + 3, bytes.count)]
      let bits = piece.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - piece.count))
      for index in 0..<4 {
        text.append(index <= piece.count ? letters[bits >> (18 - 6 * index) & 63] : "=")
      }
    }
    return text
  }
}
