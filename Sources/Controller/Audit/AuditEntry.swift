import Crypto
import VPCModel

/// The end of the audit log: the number and hash of its last record.
struct AuditHead: Sendable, Equatable {
  var sequence: UInt64
  /// Hexadecimal SHA-256; empty before the first record.
  var hash: String
}

/// What one record of the audit log says of a call; never payload.
struct AuditEntry: Sendable {
  enum Phase: String, Sendable {
    /// A change is about to take effect.
    case begin
    /// The end of a change that has begun, or a call that is one step.
    case done
  }

  var method: String
  var phase: Phase = .done
  var caller: Caller
  /// `done`, `denied`, `refused`, `failed`.
  var outcome: String
  var why: String?
  /// What was asked, where the objects do not say it.
  var detail: String?
  var generation: UInt64?
  /// The objects that the call is about, the first of them.
  var objects: [ObjectReference] = []
  /// How many objects there are.
  var objectCount = 0

  /// Names in one record.
  static let namedObjects = 100

  init(_ method: String, by caller: Caller, outcome: String = "done", why: String? = nil) {
    self.method = method
    self.caller = caller
    self.outcome = outcome
    self.why = why
  }

  /// The record as a line of JSON without its hash and the brace at its end.
  ///
  /// `sequence` and `previous` come first, so that a reader finds them without parsing the rest.
  func line(sequence: UInt64, previous: String, time: UInt64) -> String {
    var record = JSONObject()
    record.add("sequence", sequence)
    record.add("previous", previous)
    record.add("time", time)
    record.add("caller", caller.name.bounded)
    record.add("proof", caller.proof.text)
    record.add("method", method.bounded)
    record.add("phase", phase.rawValue)
    record.add("outcome", outcome)
    if let why { record.add("why", why.bounded) }
    if let detail { record.add("detail", detail.bounded) }
    if let generation { record.add("generation", generation) }
    if objectCount > 0 {
      record.add("objectCount", objectCount)
      record.add("objects", objects.prefix(Self.namedObjects).map(\.description))
    }
    return record.text
  }
}

/// The hash that chains a record to the one before, which its text names.
func auditHash(_ line: some StringProtocol) -> String {
  SHA256.hash(data: Array(line.utf8)).map { byte in
    let digits = String(byte, radix: 16)
    return byte < 16 ? "0" + digits : digits
  }.joined()
}

extension Caller.Proof {
  /// For people, such as `process 812, user 0, group 0`.
  var text: String {
    switch self {
    case .process(let user, let group, let process):
      "process \(process), user \(user), group \(group)"
    case .certificate(let fingerprint): "certificate \(fingerprint)"
    case .none: "none"
    }
  }
}

extension String {
  /// Callers choose some texts: none of them fills the log.
  fileprivate var bounded: String {
    utf8.count <= 1000 ? self : String(decoding: utf8.prefix(1000), as: UTF8.self) + "…"
  }
}
