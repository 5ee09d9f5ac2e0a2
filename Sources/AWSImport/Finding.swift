import VPCModel

/// Something that an import has to say about its input.
public struct Finding: Sendable, Equatable {
  /// What it is about; the names are part of the JSON report.
  public enum Code: String, Sendable, CaseIterable {
    /// A file cannot be read, or is no JSON of a kind that is known.
    case unreadable
    /// A field is missing, of the wrong type or out of range.
    case malformed
    /// Two places say different things of one object.
    case conflict
    /// Something that would change verdicts is in no file.
    case missing
    /// The model that came out is refused.
    case refused
    /// The model has no way to say it.
    case unsupported
    /// The model says it in another way than AWS does, or needs what AWS does not have.
    case assumed
    /// It stands in the files and has no effect.
    case unused
  }

  public enum Severity: String, Sendable {
    case error, warning, note
  }

  public var severity: Severity
  public var code: Code
  /// The path of the file as it was given, or found in a folder.
  public var file: String
  /// Counts from 1.
  public var line: Int
  /// Such as `SecurityGroups[3].IpPermissions[0]`; empty for the whole file.
  public var path: String
  /// The AWS id of the object; empty when it has none.
  public var id: String
  public var reason: String
}

extension Finding: CustomStringConvertible {
  /// `FILE:LINE: PATH: ID: REASON`, the form that editors jump to, on one line.
  public var description: String {
    // Names of files and of their fields may hold what a terminal obeys.
    let parts = [
      "\(oneLine(file, limit: 4_096)):\(line)", oneLine(path, limit: 4_096), id, reason,
    ]
    return "\(severity.rawValue): " + parts.filter { !$0.isEmpty }.joined(separator: ": ")
  }

  /// One JSON object on one line.
  public var json: String {
    var object = JSONObject()
    object.add("severity", severity.rawValue)
    object.add("code", code.rawValue)
    object.add("file", file)
    object.add("line", line)
    object.add("path", path)
    object.add("id", id)
    object.add("reason", reason)
    return object.closed
  }
}

/// Findings as they are collected, with the files that their places are in.
struct Findings {
  var files: [String] = []
  var isMissingAllowed = false
  private(set) var list: [(finding: Finding, file: Int, order: Int)] = []

  mutating func add(_ code: Finding.Code, _ place: Place, id: String = "", _ reason: String) {
    let severity: Finding.Severity =
      switch code {
      case .unreadable, .malformed, .conflict, .refused: .error
      case .missing: isMissingAllowed ? .warning : .error
      case .unsupported: .warning
      case .assumed, .unused: .note
      }
    let finding = Finding(
      severity: severity, code: code, file: files[place.file], line: place.line,
      path: place.path?.text ?? "", id: id, reason: reason)
    list.append((finding, place.file, list.count))
  }

  mutating func add(_ malformed: Malformed, id: String = "") {
    add(.malformed, malformed.place, id: id, malformed.reason)
  }

  var hasErrors: Bool { list.contains { $0.finding.severity == .error } }

  /// `FILE:LINE` of a place, for findings that name two.
  func text(_ place: Place) -> String { "\(files[place.file]):\(place.line)" }

  /// In order of file and line, errors as well as notes; each once.
  var inOrder: [Finding] {
    let sorted = list.sorted { a, b in
      (a.file, a.finding.line, a.order) < (b.file, b.finding.line, b.order)
    }
    var result: [Finding] = []
    var seen: Set<String> = []
    for entry in sorted where seen.insert(entry.finding.json).inserted {
      result.append(entry.finding)
    }
    return result
  }
}
