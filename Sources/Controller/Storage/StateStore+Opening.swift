import GRDB
import Glibc

import struct Foundation.Data

/// What a state directory held when it was opened.
struct OpenedStore: Sendable {
  var store: StateStore
  var state: DesiredState
  /// The highest number that a generation ever had, acknowledged or not.
  var highestGeneration: UInt64
  /// The end of the audit log as the store knows it; nil when nothing is known.
  var auditHead: AuditHead?
  /// What the operator has to know.
  var warnings: [String]
}

extension StateStore {
  /// Opens the database of a state directory and reads the last good generation.
  ///
  /// What is damaged is moved aside, never deleted; then the copy made earlier is asked, and a new
  /// database is made of what is found.
  static func open(_ configuration: ControllerConfiguration) throws(StorageError) -> OpenedStore {
    let path = configuration.stateDirectory + "/state.sqlite"
    var warnings: [String] = []
    if Files.exists(path) {
      let found = inspect(path, configuration)
      if let good = found.good, found.isWhole { return try opened(path, good, warnings) }
      warnings.append(found.warning(path))
      let copy = found.good == nil ? inspect(path + ".backup", configuration) : nil
      let good = found.good ?? copy?.good
      var highest = max(found.highest, good?.highest ?? 0)
      // Numbers given out since the copy was made are not known; none of them shall mean two
      // states.
      if found.good == nil { highest += numbersLeftOut }
      let aside = try Files.moveAside(path, companions: ["-wal", "-shm"])
      warnings.append("the damaged file is kept as \(aside)")
      if found.good == nil {
        warnings.append(
          copy?.good.map { "the copy of generation \($0.stored.generation) is in force" }
            ?? "there is no copy that can be read: the state is empty until rules are applied")
      }
      return try opened(path, rebuilt(path, good, highest), warnings)
    }
    if Files.exists(path + ".backup"), let good = inspect(path + ".backup", configuration).good {
      warnings.append(
        "\(path) is gone; the copy of generation \(good.stored.generation) is in force")
      return try opened(path, rebuilt(path, good, good.highest + numbersLeftOut), warnings)
    }
    return try opened(path, rebuilt(path, nil, 0), warnings)
  }

  private static let numbersLeftOut: UInt64 = 1 << 20

  /// A generation that can be used.
  private struct Good {
    var stored: StoredState
    var desired: DesiredState
    var highest: UInt64
    var auditHead: AuditHead?
  }

  private struct Inspection {
    var good: Good?
    /// Nothing in the file is damaged.
    var isWhole = false
    var highest: UInt64 = 0
    var damage: [String] = []

    func warning(_ path: String) -> String {
      let outcome = good.map { "generation \($0.stored.generation) is in force" }
      return "\(path) is damaged (\(damage.joined(separator: "; ")))"
        + (outcome.map { ": \($0), the last good one" } ?? "")
    }
  }

  private static func opened(
    _ path: String, _ good: Good, _ warnings: [String]
  ) throws(StorageError) -> OpenedStore {
    do {
      let database = try connect(path)
      let store = StateStore(
        database: database, path: path, restored: good.stored,
        executor: DiskExecutor("apus.state"))
      return OpenedStore(
        store: store, state: good.desired, highestGeneration: good.highest,
        auditHead: good.auditHead, warnings: warnings)
    } catch {
      throw StorageError("the state cannot be opened", error)
    }
  }

  private static func connect(_ path: String) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.label = "state"
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA journal_mode = WAL")
      try database.execute(sql: "PRAGMA synchronous = FULL")
      // Pages that a crash left half written do not pass for data.
      try database.execute(sql: "PRAGMA cell_size_check = ON")
      try database.execute(sql: "PRAGMA wal_autocheckpoint = 1000")
      try database.execute(sql: "PRAGMA journal_size_limit = 67108864")
    }
    let database = try DatabaseQueue(path: path, configuration: configuration)
    for file in [path, path + "-wal", path + "-shm"] { _ = chmod(file, 0o600) }
    return database
  }

  private static let schema = """
    CREATE TABLE generation (
      number INTEGER PRIMARY KEY, digest BLOB NOT NULL, outcome TEXT NOT NULL, time INTEGER);
    CREATE TABLE object (
      kind TEXT NOT NULL, id TEXT NOT NULL, generation INTEGER NOT NULL,
      position INTEGER NOT NULL, json TEXT NOT NULL, digest BLOB NOT NULL, superseded INTEGER,
      PRIMARY KEY (kind, id, generation)) WITHOUT ROWID;
    CREATE INDEX superseded ON object (superseded) WHERE superseded IS NOT NULL;
    CREATE TABLE audit (sequence INTEGER NOT NULL, hash TEXT NOT NULL);
    """

  /// A new database with a state, or without any.
  private static func rebuilt(
    _ path: String, _ good: Good?, _ highest: UInt64
  ) throws(StorageError) -> Good {
    // Made beside its place: a process that is killed here leaves no half of a database.
    let made = path + ".new"
    for suffix in ["", "-wal", "-shm"] { unlink(made + suffix) }
    do {
      let database = try connect(made)
      try database.write { database in
        try database.execute(sql: "PRAGMA application_id = 1097889139")
        try database.execute(sql: schema)
        if let head = good?.auditHead {
          try database.execute(
            sql: "INSERT INTO audit VALUES (?, ?)", arguments: [Int64(head.sequence), head.hash])
        } else {
          try database.execute(sql: "INSERT INTO audit VALUES (0, '')")
        }
        if highest > 0, highest != good?.stored.generation {
          try database.execute(
            sql: "INSERT INTO generation (number, digest, outcome) VALUES (?, x'', 'abandoned')",
            arguments: [Int64(highest)])
        }
        if let good { try insert(good.stored, database) }
      }
      try database.close()
      try Files.synchronize(made)
      guard rename(made, path) == 0 else {
        throw StorageError("a new database cannot be made", errno: errno)
      }
      try Files.synchronize(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    } catch {
      throw error as? StorageError ?? StorageError("a new database cannot be made", error)
    }
    if var good {
      good.highest = highest
      return good
    }
    return Good(stored: StoredState(), desired: DesiredState(), highest: highest)
  }

  private static func insert(_ stored: StoredState, _ database: Database) throws {
    if stored.generation == 0 { return }
    try database.execute(
      sql: """
        INSERT INTO generation (number, digest, outcome, time) VALUES (?, ?, 'acknowledged', ?)
        """,
      arguments: [Int64(stored.generation), Data(stored.digest.bytes), Int64(stored.time)])
    let statement = try database.makeStatement(
      sql: """
        INSERT INTO object (kind, id, generation, position, json, digest) VALUES (?, ?, ?, ?, ?, ?)
        """)
    for row in stored.rows {
      let digest = StateDigest(
        kind: row.kind, id: row.id, position: row.position, json: row.json)
      try statement.execute(arguments: [
        row.kind, row.id, Int64(stored.generation), row.position, row.json, Data(digest.bytes),
      ])
    }
  }

  // MARK: Inspection

  /// Looks for the newest generation of a file that can be used.
  private static func inspect(
    _ path: String, _ configuration: ControllerConfiguration
  ) -> Inspection {
    var inspection = Inspection()
    guard Files.exists(path) else { return inspection }
    guard !Files.isEmpty(path) else {
      inspection.damage.append("it is empty")
      return inspection
    }
    do {
      let database = try connect(path)
      defer { try? database.close() }
      try database.inDatabase { try inspect($0, configuration, &inspection) }
    } catch {
      inspection.damage.append("\((error as? DatabaseError)?.message ?? "\(error)")")
    }
    return inspection
  }

  private static func inspect(
    _ database: Database, _ configuration: ControllerConfiguration,
    _ inspection: inout Inspection
  ) throws {
    let check = try String.fetchAll(database, sql: "PRAGMA integrity_check(3)")
    if check != ["ok"] { inspection.damage += check }
    try abandonPending(database)
    inspection.highest = UInt64(
      try Int64.fetchOne(database, sql: "SELECT max(number) FROM generation") ?? 0)
    let head = try Row.fetchOne(database, sql: "SELECT sequence, hash FROM audit").map {
      AuditHead(sequence: UInt64($0["sequence"] as Int64? ?? 0), hash: $0["hash"] ?? "")
    }
    let numbers = try Int64.fetchAll(
      database,
      sql: "SELECT number FROM generation WHERE outcome = 'acknowledged' ORDER BY number DESC")
    for number in numbers {
      do {
        let stored = try StoredState.read(number, database)
        let desired = try stored.desired(configuration)
        inspection.good = Good(
          stored: stored, desired: desired, highest: inspection.highest, auditHead: head)
        break
      } catch let damage as StoredState.Damage {
        inspection.damage.append("generation \(number) cannot be used: \(damage.why)")
      }
    }
    if numbers.isEmpty {
      let count = try Int.fetchOne(database, sql: "SELECT count(*) FROM object") ?? 0
      if count == 0 {
        inspection.good = Good(
          stored: StoredState(), desired: DesiredState(), highest: inspection.highest,
          auditHead: head)
      } else {
        inspection.damage.append("no generation is there, but objects are")
      }
    }
    inspection.isWhole = inspection.damage.isEmpty
  }

  /// Takes back what was pending when the process ended: nobody was told that it is in force.
  private static func abandonPending(_ database: Database) throws {
    let pending = try Int64.fetchAll(
      database, sql: "SELECT number FROM generation WHERE outcome = 'pending'")
    if pending.isEmpty { return }
    try database.inTransaction(.immediate) {
      for number in pending { try abandon(number, database) }
      return .commit
    }
  }
}
