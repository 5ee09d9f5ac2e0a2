import GRDB
import HostPlan
import VPCModel

import struct Foundation.Data

/// A generation as it stands in a database, checked against its digest.
struct StoredState: Sendable {
  struct StoredRow: Sendable {
    var kind: String
    var id: String
    var position: Int64
    var json: String
  }

  /// Zero for a database in which nothing was acknowledged.
  var generation: UInt64 = 0
  var time: UInt64 = 0
  var digest = StateDigest()
  /// In order of their position.
  var rows: [StoredRow] = []

  /// Why a generation cannot be used.
  struct Damage: Error {
    var why: String
  }

  /// Reads a generation and checks its rows against its digest.
  static func read(_ generation: Int64, _ database: Database) throws -> StoredState {
    guard
      let head = try Row.fetchOne(
        database, sql: "SELECT time, digest FROM generation WHERE number = ?",
        arguments: [generation])
    else { throw Damage(why: "its record is missing") }
    var state = StoredState()
    state.generation = UInt64(generation)
    state.time = UInt64(head["time"] as Int64? ?? 0)
    let rows = try Row.fetchCursor(
      database,
      sql: """
        SELECT kind, id, position, json FROM object
        WHERE generation <= ?1 AND (superseded IS NULL OR superseded > ?1) ORDER BY position
        """, arguments: [generation])
    while let row = try rows.next() {
      guard let kind = row["kind"] as String?, let id = row["id"] as String?,
        let position = row["position"] as Int64?, let json = row["json"] as String?
      else { throw Damage(why: "a row has no text") }
      let stored = StoredRow(kind: kind, id: id, position: position, json: json)
      state.digest += StateDigest(kind: kind, id: id, position: position, json: json)
      state.rows.append(stored)
    }
    guard let bytes = head["digest"] as Data?, StateDigest(bytes: Array(bytes)) == state.digest
    else { throw Damage(why: "its objects do not have its digest") }
    return state
  }

  /// The desired state that the rows say.
  func desired(_ configuration: ControllerConfiguration) throws(Damage) -> DesiredState {
    let collector = PortCollector(present: [], isPatch: false, runtime: nil)
    let changed: ChangedModel
    do throws(ModelErrors) {
      changed = try ModelLoader.replace(
        VPCModel(), by: [(name: "the stored state", text: document)], other: collector.section)
    } catch {
      throw Damage(why: "it is no valid model: \(error.errors[0])")
    }
    return DesiredState(
      generation: generation, changedAt: time, model: changed.model, ports: collector.plans)
  }

  /// The rows as one document.
  private var document: String {
    var sections: [String: [String]] = [:]
    for row in rows { sections[row.kind, default: []].append(row.json) }
    let texts = ObjectKind.allCases.compactMap { kind -> String? in
      guard let objects = sections[kind.rawValue], let first = objects.first else { return nil }
      let isSingle = kind == .host || kind == .policy
      return "\"\(kind.rawValue)\":"
        + (isSingle ? first : "[\n" + objects.joined(separator: ",\n") + "]")
    }
    return "{" + texts.joined(separator: ",\n") + "}"
  }
}
