import Replay
import VPCModel
import Wire

/// A page about a replay: one HTML document that needs nothing else.
///
/// Names of captures, rules and interfaces are strangers' text and escaped everywhere. The page's
/// policy (Content Security Policy, level 3) lets a browser run and load nothing but the style
/// sheet and the script that stand in it.
public struct ReportPage {
  let model: VPCModel
  let options: ReplayOptions
  let result: ReplayResult
  let comparison: Comparison?
  let collector: ReportCollector
  /// Why the replay ended early, in words; nil when it did not.
  let failure: String?
  let made: UInt64
  let line: TimeLine

  /// - Parameters:
  ///   - model: today's rules.
  ///   - options: of the replay.
  ///   - result: of the replay.
  ///   - comparison: what a second rule set says, if one was asked.
  ///   - collector: that observed the replay.
  ///   - failure: why the replay ended early, in words.
  ///   - made: now, in nanoseconds since 1970.
  public init(
    model: VPCModel, options: ReplayOptions, result: ReplayResult, comparison: Comparison? = nil,
    collector: ReportCollector, failure: String? = nil, made: UInt64
  ) {
    self.model = model
    self.options = options
    self.result = result
    self.comparison = comparison
    self.collector = collector
    self.failure = failure
    self.made = made
    line = TimeLine(collector.time)
  }

  var summary: ReplaySummary { result.summary }

  /// The whole document.
  public var html: String {
    let sections = sections
    let links = sections.map { "<li><a href=\"#\($0.id)\">\($0.title)</a></li>" as HTML }
    let bodies = sections.map { section -> HTML in
      """
      <section id="\(section.id)" aria-labelledby="\(section.id)-h">
      <h2 id="\(section.id)-h">\(section.title)</h2>
      \(section.body)
      </section>
      """
    }
    let page: HTML = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta http-equiv="Content-Security-Policy" content="\(Self.policy)">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="referrer" content="no-referrer">
      <meta name="color-scheme" content="light dark">
      <title>Replay of \(HTML(title, limit: 80))</title>
      <style>\(.constant(ReportStyle.text))</style>
      </head>
      <body>
      <a class="skip" href="#main">Skip to the report</a>
      <header>
      \(heading)
      </header>
      <nav aria-label="Sections"><ul>\(links.joined(""))</ul></nav>
      <main id="main" tabindex="-1">
      \(bodies.joined())
      </main>
      <footer><p>Made \(Figures.date(made)) by Apus \(ProgramVersion.text). Times are those of the \
      capture. This page loads nothing and sends nothing.</p></footer>
      <script>\(.constant(ReportScript.text))</script>
      </body>
      </html>

      """
    return page.source
  }

  /// What a browser may do with the page: apply its style sheet and run its script.
  static let policy: HTML = .constant(
    "default-src 'none'; style-src '\(ReportStyle.hash)'; script-src '\(ReportScript.hash)'; "
      + "base-uri 'none'; form-action 'none'")

  struct Section {
    var id: String
    var title: String
    var body: HTML
  }

  private var sections: [Section] {
    var sections = [Section(id: "overview", title: "Overview", body: overview)]
    if let comparison {
      sections.append(
        Section(id: "changes", title: "What would change", body: changes(comparison)))
    }
    sections.append(Section(id: "verdicts", title: "Verdicts over time", body: verdicts))
    sections.append(Section(id: "drops", title: "Drops by reason", body: drops))
    sections.append(Section(id: "talkers", title: "Top talkers", body: talkers))
    sections.append(Section(id: "rules", title: "Rules", body: rules))
    if !collector.limited.isEmpty {
      sections.append(Section(id: "limits", title: "Allowances", body: limits))
    }
    sections.append(Section(id: "connections", title: "Connections", body: connections))
    return sections
  }

  private var title: String {
    let first = options.captures.first.map(Self.shown) ?? "nothing"
    return options.captures.count > 1 ? "\(first) and \(options.captures.count - 1) more" : first
  }

  /// A path for people.
  static func shown(_ path: String) -> String { path == "-" ? "standard input" : path }

  private var heading: HTML {
    var facts: [(String, HTML)] = [
      ("Captures", Self.paths(options.captures)), ("Model", Self.paths(options.models)),
    ]
    if !options.against.isEmpty { facts.append(("Against", Self.paths(options.against))) }
    if let filter = options.filter { facts.append(("Filter", ReportTable.name(filter))) }
    if let first = collector.first {
      let span = "\(Figures.date(first)) – \(Figures.date(collector.last))"
      facts.append(("Captured", HTML(span)))
    }
    let list = facts.map { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd></div>" as HTML }.joined("")
    return "<h1>Replay report</h1>\n<dl class=\"facts\">\(list)</dl>"
  }

  /// The first paths, and the rest folded.
  private static func paths(_ paths: [String]) -> HTML {
    let names = paths.map { ReportTable.name(shown($0)) }
    let first = names.prefix(3).joined(", ")
    if names.count <= 3 { return first }
    let rest = names.dropFirst(3).prefix(500).joined(", ")
    let more = names.count > 503 ? " and \(names.count - 503) more" : ""
    return "\(first)<details><summary>and \(names.count - 3) more</summary>\(rest)\(more)</details>"
  }
}
