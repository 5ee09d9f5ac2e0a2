import ArgumentParser
import Glibc
import Replay
import Report
import Testing
import VPCModel

@testable import apus

/// Captures of the repository, replayed with a page.
enum Fixture {
  /// The project's folder.
  static let root = #filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/\($1)" }

  static func file(_ name: String) -> String { "\(root)/pcaps/\(name)" }

  /// A folder for one test, removed by it.
  static func folder() -> String {
    var template = Array("/tmp/apus-report-tests-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { return "/nonexistent" }
    return String(cString: made)
  }

  static func remove(_ folder: String) {
    for name in names(folder) { unlink("\(folder)/\(name)") }
    rmdir(folder)
  }

  static func names(_ folder: String) -> [String] {
    guard let open = opendir(folder) else { return [] }
    defer { closedir(open) }
    var names: [String] = []
    while let entry = readdir(open) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func text(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &piece, piece.count)
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += piece[..<count]
    }
  }

  static func write(_ text: String, to path: String) throws { try ReportFile.write(text, to: path) }

  /// What `apus replay` ends with.
  static func run(_ arguments: [String]) throws -> ApusExit {
    do {
      var command = try Apus.parseAsRoot(["replay"] + arguments)
      try command.run()
      return .done
    } catch let failure as CommandFailure { return failure.code }
  }

  /// The page of a replay, and the result that it is about.
  static func page(
    _ rules: String, _ captures: [String], against: String? = nil
  ) throws -> (html: String, result: ReplayResult, comparison: Comparison?) {
    let model = try ModelFiles.load([rules])
    var options = ReplayOptions(captures: captures)
    options.models = [rules]
    let collector = ReportCollector(model: model)
    let result: ReplayResult
    var comparison: Comparison?
    if let against {
      options.against = [against]
      let both = try Replay.compare(
        model: model, against: try ModelFiles.load([against]), options: options,
        observer: collector)
      result = both.result
      comparison = both.comparison
    } else {
      result = try Replay.run(model: model, options: options, observer: collector)
    }
    let page = ReportPage(
      model: model, options: options, result: result, comparison: comparison,
      collector: collector, made: 0)
    return (page.html, result, comparison)
  }

  /// The number that an element of the page has.
  static func number(_ id: String, _ html: String) -> UInt64? {
    guard let start = html.range(of: "<data id=\"\(id)\" value=\"") else { return nil }
    return UInt64(html[start.upperBound...].prefix { $0 != "\"" })
  }
}

extension String {
  /// The first place of a text.
  func range(of text: String) -> Range<String.Index>? { ranges(of: text).first }
}
