/// Joins refusals of the same kind: the first is recorded at once, those that follow within a
/// second are counted and told by the next record.
struct RefusalTally {
  private struct Key: Hashable {
    var method: String
    var caller: String
    var why: String
  }

  private struct Seen {
    var caller: Caller
    var recordedAt: UInt64
    var unrecorded: Int
  }

  private static let window: UInt64 = 1_000_000_000
  /// Kinds that are told apart at one time; all others count as one.
  private static let kinds = 256

  private var seen: [Key: Seen] = [:]

  /// The record to write for one more refusal; nil while it is only counted.
  mutating func next(
    _ method: String, _ caller: Caller, _ why: String, at now: UInt64
  ) -> AuditEntry? {
    var key = Key(method: method, caller: caller.name, why: why)
    if seen[key] == nil && seen.count >= Self.kinds {
      seen = seen.filter { now &- $0.value.recordedAt < Self.window || $0.value.unrecorded > 0 }
      if seen.count >= Self.kinds {
        key = Key(method: "several", caller: "several", why: "several reasons")
      }
    }
    let before = seen[key]
    if let before, now &- before.recordedAt < Self.window {
      seen[key]?.unrecorded += 1
      return nil
    }
    seen[key] = Seen(caller: caller, recordedAt: now, unrecorded: 0)
    var text = key.why
    if let before, before.unrecorded > 0 {
      text += " (and \(before.unrecorded) more since the record before)"
    }
    return Self.entry(key, by: caller, text)
  }

  /// Records of refusals that were only counted so far.
  mutating func rest() -> [AuditEntry] {
    let left = seen.filter { $0.value.unrecorded > 0 }
    seen = [:]
    return left.sorted { $0.value.recordedAt < $1.value.recordedAt }.map { key, seen in
      let text = "\(seen.unrecorded) more since the record before: \(key.why)"
      return Self.entry(key, by: seen.caller, text)
    }
  }

  private static func entry(_ key: Key, by caller: Caller, _ why: String) -> AuditEntry {
    var entry = AuditEntry(key.method, by: caller, outcome: "refused", why: why)
    entry.caller.name = key.caller
    return entry
  }
}
