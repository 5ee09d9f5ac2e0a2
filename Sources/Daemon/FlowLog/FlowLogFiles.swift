import FlowLogs
import Logging

/// Writes batches of records into files, removes the oldest of them, and remembers of which network
/// interfaces records could not be written, to tell that in the next file that can be.
///
/// One thread at a time.
final class FlowLogFiles {
  private struct Span {
    var start: UInt64
    var end: UInt64
  }

  private let plan: FlowLogPlan
  private let folder: FlowLogFolder
  private let logger: Logger
  private let counters: FlowLogCounters
  /// Seconds since 1970.
  private let now: () -> UInt64
  private var file: FlowLogFile?
  /// When what network interfaces lack was, by their ids.
  private var unwritten: [String: Span] = [:]
  /// Those of them that the file tells.
  private var told: Set<String> = []
  /// What the one before said of a file; nil when it was written.
  private var failing: FlowLogFailure?
  private var lost: UInt64 = 0

  /// - Parameter now: seconds since 1970.
  init(
    _ plan: FlowLogPlan, _ folder: FlowLogFolder, _ counters: FlowLogCounters, logger: Logger,
    now: @escaping () -> UInt64 = { MonotonicClock.timeOfDay() / 1_000_000_000 }
  ) {
    self.plan = plan
    self.folder = folder
    self.counters = counters
    self.logger = logger
    self.now = now
  }

  /// Finds what a crash left: its intervals are told as skipped.
  ///
  /// - Parameter interfaces: ids of all that are there.
  func begin(interfaces: [String]) {
    let length = UInt64(plan.interval.rawValue) * 1_000_000_000
    for name in folder.leftovers() {
      guard let start = FlowLogFolder.start(of: name) else { continue }
      for interface in interfaces {
        lack(interface, start, min(start + length, max(start, now() * 1_000_000_000)))
      }
      folder.discard(name)
      logger.warning(
        "a flow log was not finished; its records are missing and told as SKIPDATA",
        metadata: ["file": "\(name)"])
    }
    prune()
  }

  /// Makes the file of an interval that begins, which also shows after a crash that there was one.
  func open(start: UInt64) {
    if file != nil { return }
    do throws(FlowLogFailure) { try make(start: start) } catch { fail(error) }
  }

  private func make(start: UInt64) throws(FlowLogFailure) {
    let length = UInt64(plan.interval.rawValue) * 1_000_000_000
    let next = try FlowLogFile(
      folder, start: start / length * length, isCompressed: plan.isCompressed)
    try next.append(header: plan.format.header)
    file = next
    told = []
  }

  /// Writes records, and finishes the file when the interval is over.
  func write(_ batch: FlowLogBatch) {
    var written = 0
    do throws(FlowLogFailure) {
      if file == nil { try make(start: batch.start) }
      try tellLacks(batch)
      for record in batch.records {
        guard let names = batch.names[record.key.generation] else { continue }
        try file?.append(
          line: names.line(record), of: batch.interface(record), isFlow: true)
        written += 1
        if let bytes = file?.bytes, bytes >= plan.fileBytes {
          try finish()
          try make(start: batch.start)
        }
      }
      for (interface, status) in batch.statuses {
        try file?.append(
          line: batch.latest.line(status, interface: interface, start: batch.start, end: batch.end),
          of: interface, isFlow: false)
      }
      if !batch.isPart { try finish() }
    } catch {
      lose(batch, from: written)
      fail(error)
    }
  }

  /// Begins a file with what earlier ones lack.
  private func tellLacks(_ batch: FlowLogBatch) throws(FlowLogFailure) {
    for (interface, span) in unwritten.sorted(by: { $0.key < $1.key })
    where !told.contains(interface) {
      told.insert(interface)
      try file?.append(
        line: batch.latest.line(.skipData, interface: interface, start: span.start, end: span.end),
        of: interface, isFlow: false)
    }
  }

  private func finish() throws(FlowLogFailure) {
    guard let whole = file else { return }
    try whole.finish()
    file = nil
    for interface in told { unwritten[interface] = nil }
    told = []
    count {
      $0.files += 1
      $0.bytes += UInt64(whole.bytes)
      $0.records += UInt64(whole.lines)
    }
    logger.debug("flow log", metadata: ["file": "\(whole.name)", "records": "\(whole.lines)"])
    if failing != nil {
      logger.notice("the flow log is written again", metadata: ["lost records": "\(lost)"])
      failing = nil
      lost = 0
    }
    prune()
  }

  /// The file, and what was to follow in it, is lost.
  private func lose(_ batch: FlowLogBatch, from first: Int) {
    let rest = batch.records[first...]
    for interface in file?.interfaces ?? [] { lack(interface, batch.start, batch.end) }
    for interface in Set(rest.map { batch.interface($0) }) {
      lack(interface, batch.start, batch.end)
    }
    for (interface, _) in batch.statuses { lack(interface, batch.start, batch.end) }
    let records = UInt64(rest.count + (file?.flows ?? 0))
    lost += records
    count { $0.skippedRecords += records }
    file = nil
    told = []
  }

  private func lack(_ interface: String, _ start: UInt64, _ end: UInt64) {
    let known = unwritten[interface] ?? Span(start: start, end: end)
    unwritten[interface] = Span(start: min(known.start, start), end: max(known.end, end))
  }

  private func fail(_ failure: FlowLogFailure) {
    count {
      $0.failures += 1
      $0.lastFailure = now()
    }
    if failing == nil {
      logger.error(
        "the flow log cannot be written; traffic goes on",
        metadata: [
          "directory": "\(folder.path)", "what": "\(failure.what)",
          "why": "\(errorText(failure.code))",
        ])
    }
    failing = failure
  }

  /// Nothing follows: the file of an interval without records goes.
  func end() { file = nil }

  /// Removes the oldest files until no more are there than shall be kept.
  private func prune() {
    var files = folder.files()
    var bytes = files.reduce(0) { $0 + $1.bytes }
    while let oldest = files.first, files.count > plan.keptFiles || bytes > plan.keptBytes {
      files.removeFirst()
      bytes -= oldest.bytes
      do throws(FlowLogFailure) {
        try folder.remove(oldest.name)
        count { $0.removedFiles += 1 }
        logger.info("removed the oldest flow log", metadata: ["file": "\(oldest.name)"])
      } catch { return fail(error) }
    }
  }

  private func count(_ change: (inout FlowLogCounters.Values) -> Void) { counters.update(change) }
}
