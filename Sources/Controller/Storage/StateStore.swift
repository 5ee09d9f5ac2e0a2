import GRDB
import Glibc

import struct Foundation.Data

/// The desired state and its generations, in an SQLite database.
///
/// Objects are rows of (kind, id, generation): a change writes the rows that it changes and marks
/// those that they replace, in one transaction. The rows of the last generations stay, so that an
/// earlier state can be restored when the newest is damaged. docs/adr/0013 has the reasons.
actor StateStore {
  /// How many generations before the newest can be restored.
  static let kept: Int64 = 16

  private let executor: DiskExecutor
  let database: DatabaseQueue
  let path: String
  /// Of the acknowledged state.
  private var digest: StateDigest
  private var nextPosition: Int64
  private var rowCount: Int
  private var backupGeneration: UInt64
  private var pending: Pending?
  /// A generation that is to be taken back, but the disk did not take that yet.
  private var leftBehind: UInt64?

  private struct Pending {
    var generation: UInt64
    var digest: StateDigest
    var nextPosition: Int64
    var rowCount: Int
  }

  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  init(database: DatabaseQueue, path: String, restored: StoredState, executor: DiskExecutor) {
    self.database = database
    self.path = path
    self.executor = executor
    digest = restored.digest
    nextPosition = (restored.rows.map(\.position).max() ?? 0) + 1
    rowCount = restored.rows.count
    backupGeneration = restored.generation
  }

  // MARK: Changes

  /// Writes a change as pending: a restart before `acknowledge` goes back to what was before.
  func begin(
    _ generation: UInt64, _ changes: [PreparedChange.StateChange], head: AuditHead
  ) throws(StorageError) {
    var pending = Pending(
      generation: generation, digest: digest, nextPosition: nextPosition, rowCount: rowCount)
    try write("the state cannot be stored") { database in
      if let leftBehind { try Self.abandon(Int64(leftBehind), database) }
      for change in changes { try Self.apply(change, &pending, database) }
      try database.execute(
        sql: "INSERT INTO generation (number, digest, outcome) VALUES (?, ?, 'pending')",
        arguments: [Int64(generation), Data(pending.digest.bytes)])
      try Self.set(head, database)
    }
    self.pending = pending
    leftBehind = nil
  }

  /// Makes the pending change the one that a restart restores.
  func acknowledge(_ generation: UInt64, at time: UInt64) throws(StorageError) {
    try write("the state cannot be acknowledged") { database in
      try database.execute(
        sql: "UPDATE generation SET outcome = 'acknowledged', time = ? WHERE number = ?",
        arguments: [Int64(time), Int64(generation)])
      let horizon = Int64(generation) - Self.kept
      try database.execute(sql: "DELETE FROM object WHERE superseded <= ?", arguments: [horizon])
      try database.execute(
        sql: "DELETE FROM generation WHERE number < ?", arguments: [horizon])
    }
    guard let done = pending, done.generation == generation else { return }
    digest = done.digest
    nextPosition = done.nextPosition
    rowCount = done.rowCount
    pending = nil
  }

  /// Takes the pending change back; where the disk does not take that, the next change does it, or
  /// a restart.
  func abandon(_ generation: UInt64) throws(StorageError) {
    pending = nil
    leftBehind = generation
    try write("the state cannot be stored") { try Self.abandon(Int64(generation), $0) }
    leftBehind = nil
  }

  /// Notes the end of the audit log, so that records cut from it are missed.
  func note(_ head: AuditHead) throws(StorageError) {
    try write("the end of the audit log cannot be stored") { try Self.set(head, $0) }
  }

  /// Ends the use of the database; whatever comes later is refused.
  func close() {
    try? database.close()
  }

  /// Copies the database when the last copy is old, so that a file that cannot be read any more
  /// costs little. The older half of a large state is copied as rarely as it is costly.
  func backUpIfDue(_ generation: UInt64) throws(StorageError) {
    guard generation >= backupGeneration + UInt64(max(64, rowCount / 64)) else { return }
    try backUp(generation)
  }

  func backUp(_ generation: UInt64) throws(StorageError) {
    let copy = path + ".backup"
    do {
      unlink(copy + ".new")
      try database.inDatabase { try $0.execute(sql: "VACUUM INTO ?", arguments: [copy + ".new"]) }
      guard rename(copy + ".new", copy) == 0 else {
        throw StorageError("the state cannot be copied", errno: errno)
      }
      try Files.synchronize(copy)
      backupGeneration = generation
    } catch {
      unlink(copy + ".new")
      throw error as? StorageError ?? StorageError("the state cannot be copied", error)
    }
  }

  private func write(
    _ what: String, _ updates: (Database) throws -> Void
  ) throws(StorageError) {
    do {
      try database.inDatabase { database in
        try database.inTransaction(.immediate) {
          try updates(database)
          return .commit
        }
      }
    } catch {
      throw StorageError(what, error)
    }
  }

  // MARK: Rows

  private static func apply(
    _ change: PreparedChange.StateChange, _ pending: inout Pending, _ database: Database
  ) throws {
    let (kind, id) = (change.reference.kind.rawValue, change.reference.id)
    let generation = Int64(pending.generation)
    let find = try database.cachedStatement(
      sql: """
        SELECT generation, position, digest FROM object
        WHERE kind = ? AND id = ? AND superseded IS NULL
        """)
    var position = pending.nextPosition
    if let old = try Row.fetchOne(find, arguments: [kind, id]) {
      let bytes: Data = old["digest"]
      position = old["position"]
      if let term = StateDigest(bytes: Array(bytes)) { pending.digest -= term }
      pending.rowCount -= 1
      let mark = try database.cachedStatement(
        sql: "UPDATE object SET superseded = ? WHERE kind = ? AND id = ? AND generation = ?")
      let before: Int64 = old["generation"]
      try mark.execute(arguments: [generation, kind, id, before])
    } else {
      pending.nextPosition += 1
    }
    guard let json = change.json else { return }
    let term = StateDigest(kind: kind, id: id, position: position, json: json)
    pending.digest += term
    pending.rowCount += 1
    let insert = try database.cachedStatement(
      sql: """
        INSERT INTO object (kind, id, generation, position, json, digest) VALUES (?, ?, ?, ?, ?, ?)
        """)
    try insert.execute(arguments: [kind, id, generation, position, json, Data(term.bytes)])
  }

  /// Takes back what a generation wrote; its number is not used again.
  static func abandon(_ generation: Int64, _ database: Database) throws {
    try database.execute(sql: "DELETE FROM object WHERE generation = ?", arguments: [generation])
    try database.execute(
      sql: "UPDATE object SET superseded = NULL WHERE superseded = ?", arguments: [generation])
    try database.execute(
      sql: "UPDATE generation SET outcome = 'abandoned' WHERE number = ?", arguments: [generation])
  }

  private static func set(_ head: AuditHead, _ database: Database) throws {
    // Calls that share a flush may come here in any order.
    try database.execute(
      sql: "UPDATE audit SET sequence = ?1, hash = ?2 WHERE sequence < ?1",
      arguments: [Int64(head.sequence), head.hash])
  }
}
