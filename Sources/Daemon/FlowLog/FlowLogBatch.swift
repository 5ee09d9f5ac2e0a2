import FlowLogs
import Tables

/// The records of an aggregation interval, or of a part of it, ready to be written.
struct FlowLogBatch: Sendable {
  /// Nanoseconds since 1970 in which packets were looked at.
  var start: UInt64
  var end: UInt64
  var records: [FlowLogRecord] = []
  /// By the generation in a record's key.
  var names: [UInt8: FlowLogNames] = [:]
  /// The last of them, for records that tell no flow.
  var latest: FlowLogNames
  /// Ids of network interfaces with records that are missing, and of those with any.
  var skipped: Set<String> = []
  var seen: Set<String> = []
  /// Records of any interface may be missing.
  var isSkippedByAll = false
  /// The interval goes on after this.
  var isPart = false

  /// The id of a record's network interface.
  func interface(_ record: FlowLogRecord) -> String {
    names[record.key.generation]?.interface(record.key.nic) ?? "-"
  }

  /// Records that tell no flow: SKIPDATA where something is missing, NODATA where nothing came.
  var statuses: [(interface: String, status: FlowLogStatus)] {
    if isPart { return [] }
    let known = latest.interfaces
    let gone = skipped.subtracting(known).sorted()
    return (known + gone).compactMap { id in
      if isSkippedByAll || skipped.contains(id) { return (id, .skipData) }
      return seen.contains(id) ? nil : (id, .noData)
    }
  }
}
