import Explanation
import FlowLogs
import Tables

/// Aggregates judged packets into AWS VPC flow log records.
///
/// Records cover at most an aggregation interval of capture time. They are written in the order of
/// their first packets when the interval ends, so memory is bounded by the flows of one interval.
final class FlowLog {
  /// More records than this are written before the interval ends.
  static let recordCapacity = 1 << 20

  private let sink: ByteSink
  private let names: FlowLogNames
  /// In nanoseconds.
  private let interval: UInt64
  private var table = FlowLogTable(capacity: FlowLog.recordCapacity + 2)
  private var windowEnd: UInt64 = 0

  /// - Parameter interval: seconds that a record covers at most.
  init(sink: ByteSink, names: FlowLogNames, interval: FlowLogInterval = .tenMinutes) {
    self.sink = sink
    self.names = names
    self.interval = UInt64(interval.rawValue) * 1_000_000_000
    sink.append(names.format.header + "\n")
  }

  /// Adds a judged packet.
  ///
  /// - Parameters:
  ///   - receiver: the local NIC that a `local` packet is for; `.none` when unknown.
  ///   - time: capture time, never less than before.
  func add(
    _ facts: FlowFacts, _ outcome: Outcome, receiver: TableIndex, time: UInt64
  ) {
    if time >= windowEnd || table.records.count >= Self.recordCapacity {
      writeRecords()
      windowEnd = time + interval
    }
    table.add(facts, outcome, receiver: receiver, time: time) { _ in }
  }

  private func writeRecords() {
    for record in table.takeAll() { sink.append(names.line(record)) }
  }

  /// Writes what is left, and reports the file's first failure.
  func close() throws(ReplayError) {
    writeRecords()
    try sink.close()
  }
}
