import GRDB

/// What a check of an audit log found.
public struct AuditReport: Sendable, Equatable {
  /// Where the chain does not hold.
  public struct Problem: Sendable, Equatable, CustomStringConvertible {
    public var file: String
    /// From 1; 0 for the whole file.
    public var line: Int
    public var what: String

    public var description: String { line > 0 ? "\(file):\(line): \(what)" : "\(file): \(what)" }
  }

  public var files = 0
  public var records: UInt64 = 0
  /// The number of the first record that was looked at, 0 without any.
  public var firstSequence: UInt64 = 0
  /// The number of the last record.
  public var lastSequence: UInt64 = 0
  /// Hexadecimal SHA-256 of the last record; who keeps it elsewhere can tell a rewritten log.
  public var lastHash = ""
  /// Whether the store knew the end of the log: a cut end is only found then.
  public var isEndKnown = false
  /// The record that the store names as the last one; there may be later ones.
  public var storedSequence: UInt64?
  /// Empty when the log is whole; at most 1,000.
  public var problems: [Problem] = []

  public var isWhole: Bool { problems.isEmpty }
}

extension AuditLog {
  /// Checks the audit log of a state directory: every record's hash, the chain over all files, and
  /// that the end which the store knows is there. Reads only.
  ///
  /// Finds records that were edited, removed, moved or cut off. Who can write the directory can
  /// also write a new chain and its end in the store: to find that, keep `lastHash` elsewhere.
  ///
  /// - Parameter stateDirectory: as in the controller's configuration; may be in use.
  /// - Throws: the reason when a file cannot be read.
  /// - Complexity: O(n) in the size of the log.
  public static func verify(stateDirectory: String) throws(ControlError) -> AuditReport {
    // Read first: what is appended meanwhile comes after it.
    let (known, unreadable) = storedHead(stateDirectory)
    var check = ChainCheck(known: known)
    if let unreadable {
      check.begin("state.sqlite")
      check.fail(0, "the end of the log that it knows cannot be read: \(unreadable)")
    }
    let directory = stateDirectory + "/audit"
    for file in AuditReader.files(directory) {
      check.begin(file)
      do throws(StorageError) {
        let rest = try AuditReader.lines(of: "\(directory)/\(file)") { check.read($0, $1) }
        if rest > 0 { check.fail(0, "ends with \(rest) bytes of a record that is not whole") }
      } catch {
        throw error.refusal(directory: directory)
      }
    }
    return check.finish()
  }

  /// The end of the log as the store has it, or why that cannot be read; neither without a store.
  private static func storedHead(_ stateDirectory: String) -> (AuditHead?, unreadable: String?) {
    let path = stateDirectory + "/state.sqlite"
    guard Files.exists(path) else { return (nil, nil) }
    var configuration = Configuration()
    configuration.readonly = true
    do {
      let database = try DatabaseQueue(path: path, configuration: configuration)
      let row = try database.read {
        try Row.fetchOne($0, sql: "SELECT sequence, hash FROM audit")
      }
      guard let row, let sequence = row["sequence"] as Int64?, let hash = row["hash"] as String?
      else { return (nil, "it is not there") }
      return (AuditHead(sequence: UInt64(max(0, sequence)), hash: hash), nil)
    } catch {
      return (nil, StorageError("", error).why)
    }
  }
}

/// Follows the chain from record to record.
struct ChainCheck {
  private let known: AuditHead?
  private var report = AuditReport()
  private var file = ""
  private var hasKnown = false
  /// The number that the first record should have; nil for any.
  private let start: UInt64?

  /// - Parameter start: the number of the first record, which follows from nothing if it is 1; nil
  ///   for whichever it is.
  init(known: AuditHead?, start: UInt64? = 1) {
    self.known = known
    self.start = start
    report.isEndKnown = known != nil
    report.storedSequence = known?.sequence
    report.lastSequence = start.map { max($0, 1) - 1 } ?? 0
  }

  mutating func begin(_ file: String) {
    self.file = file
    if file != "state.sqlite" { report.files += 1 }
  }

  mutating func fail(_ line: Int, _ what: String) {
    guard report.problems.count < 1000 else { return }
    report.problems.append(AuditReport.Problem(file: file, line: line, what: what))
  }

  mutating func read(_ bytes: ArraySlice<UInt8>, _ number: Int) {
    guard let line = AuditLine(bytes) else {
      fail(number, "is no record")
      return
    }
    report.records += 1
    let isFirst = report.records == 1
    if isFirst {
      report.firstSequence = line.sequence
      if start == nil { report.lastSequence = max(line.sequence, 1) - 1 }
    }
    // Of a part of a log the record before the first one is not known.
    let follows = line.previous == report.lastHash || isFirst && line.sequence > 1
    if !line.isIntact { fail(number, "record \(line.sequence) was edited: its hash is another") }
    let expected = report.lastSequence + 1
    if line.sequence > expected {
      let last = line.sequence - 1
      let missing = last == expected ? "record \(last) is" : "records \(expected) to \(last) are"
      fail(number, "\(missing) missing before it")
    } else if line.sequence < expected {
      fail(number, "record \(line.sequence) stands after record \(report.lastSequence)")
    } else if !follows {
      fail(number, "record \(line.sequence) does not follow from the record before it")
    }
    if let known, line.sequence == known.sequence {
      hasKnown = true
      if line.hash != known.hash {
        fail(number, "record \(line.sequence) is not the one that the store knows")
      }
    }
    report.lastSequence = max(report.lastSequence, line.sequence)
    report.lastHash = line.hash
  }

  mutating func finish() -> AuditReport {
    if let known, known.sequence > 0, !hasKnown {
      let (first, last) = (report.lastSequence + 1, known.sequence)
      if first <= last {
        let missing = first == last ? "record \(last) is" : "records \(first) to \(last) are"
        fail(0, "the end is cut off: \(missing) missing")
      }
    }
    return report
  }
}
