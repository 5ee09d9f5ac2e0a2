import Datapath
import LockFree
import Tables

/// A question to one worker about its connections: which they are, or how many of them other tables
/// would refuse.
///
/// Made by the control side, given to the worker by `WorkerShared.inspect`, and freed when it is
/// done. The worker looks at some records between two bursts.
@safe
public struct FlowInspection: ~Copyable {
  let wanted: FlowFilter
  let records: WorkerMemory<FlowRecord>
  /// Refused connections by NIC.
  let refused: WorkerMemory<UInt64>
  /// Rules whose connections are asked about; none for those of all.
  let doubtful: WorkerMemory<UInt64>
  /// The tables that are asked; nil for a list.
  let tables: UnsafePointer<LiveTables>?
  /// Zero until the worker is done.
  private let progress: SharedMemory
  /// Where the worker goes on.
  var cursor: UInt32 = 0
  var count = 0

  /// Asks for connections.
  ///
  /// - Parameter limit: of those that are copied.
  public init(listing wanted: FlowFilter, limit: Int) {
    self.wanted = wanted
    records = WorkerMemory(count: limit)
    refused = WorkerMemory(count: 0)
    doubtful = WorkerMemory(count: 0)
    // SAFETY: nothing is led to.
    unsafe tables = nil
    progress = SharedMemory(lines: 1)
  }

  /// Asks how many connections other tables would refuse.
  ///
  /// - Parameters:
  ///   - tables: stay until the worker is done.
  ///   - doubtful: a bit for each rule whose connections may be refused; nil for all connections.
  @unsafe public init(
    refusedBy tables: UnsafePointer<LiveTables>, doubtful rules: [UInt64]?, nicCapacity: Int
  ) {
    wanted = FlowFilter()
    records = WorkerMemory(count: 0)
    refused = WorkerMemory(count: nicCapacity)
    doubtful = WorkerMemory(count: rules?.count ?? 0)
    if let rules {
      for word in 0..<rules.count { doubtful[word] = rules[word] }
    }
    unsafe self.tables = unsafe tables
    progress = SharedMemory(lines: 1)
  }

  deinit {
    records.deallocate()
    refused.deallocate()
    doubtful.deallocate()
    progress.deallocate()
  }

  /// Whether there is no step after the next one.
  @usableFromInline func isNextStepLast(_ highWater: UInt32) -> Bool {
    Int(cursor) &+ Worker.inspectionStep >= Int(highWater)
  }

  /// The worker's next step. Nothing of this may be touched after the last one.
  @usableFromInline mutating func advance(_ engine: inout Worker, now: UInt64) {
    // SAFETY: whoever asked keeps the tables.
    if let tables = unsafe tables {
      unsafe engine.countRefusedFlows(
        &cursor, by: tables.pointee.rules, doubtful: doubtful, now: now, into: refused)
    } else {
      engine.listFlows(&cursor, matching: wanted, now: now, into: records, count: &count)
    }
    if cursor == .none { progress.line(0).store(1) }
  }

  // MARK: Control side

  /// Whether the worker has looked at all its connections; only then the rest may be asked.
  public var isDone: Bool { progress.line(0).load() != 0 }
  /// Whether more connections match than were copied.
  public var isCut: Bool { count > records.count }
  public var recordCount: Int { min(count, records.count) }
  /// A connection that matches, below `recordCount`.
  public func record(_ index: Int) -> FlowRecord { records[index] }
  /// Connections of a NIC that the tables would refuse.
  public func refusedCount(_ nic: TableIndex) -> UInt64 { refused[nic] }
}
