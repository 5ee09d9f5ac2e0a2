import Synchronization

/// What the flow log has done; any thread may ask.
final class FlowLogCounters: Sendable {
  struct Values: Sendable, Equatable {
    /// Lines of finished files, NODATA and SKIPDATA among them.
    var records: UInt64 = 0
    /// Packets that are in no record, and records that are in no file.
    var skippedPackets: UInt64 = 0
    var skippedRecords: UInt64 = 0
    var files: UInt64 = 0
    /// Of finished files, as they are on the disk.
    var bytes: UInt64 = 0
    /// Finished files that were removed to make room.
    var removedFiles: UInt64 = 0
    var failures: UInt64 = 0
    /// Seconds since 1970 of the last failure; 0 for none.
    var lastFailure: UInt64 = 0
    /// Records that are not yet in a file.
    var openRecords: UInt64 = 0
  }

  private let values = Mutex(Values())

  var current: Values { values.withLock { $0 } }

  func update(_ change: (inout Values) -> Void) { values.withLock { change(&$0) } }
}
