import Controller
import GRPCCore

/// Why the API itself refuses a call, before the controller is asked.
struct Refusal: Error, Sendable, Equatable {
  var code: Status.Code
  /// What, why, and what to do.
  var text: String

  init(_ code: Status.Code, _ text: String) {
    self.code = code
    self.text = text
  }

  static func unknownMethod(_ path: String) -> Refusal {
    Refusal(
      .unimplemented,
      "\(Refusal.printable(path)): no such method (server reflection lists what there is)")
  }

  static let anonymous = Refusal(
    .unauthenticated,
    "nothing proves who calls (use the Unix socket, or TLS with a client certificate)")

  static func denied(_ caller: Caller, to action: String) -> Refusal {
    Refusal(
      .permissionDenied,
      "\(caller.name) may not \(action) (permissions are granted in the daemon's configuration)")
  }

  static func tooManyCalls(_ what: String, limit: Int) -> Refusal {
    Refusal(
      .resourceExhausted,
      "\(limit) \(what), which is the limit (try again when others are done)")
  }

  static func messageTooLong(_ bytes: Int, limit: Int) -> Refusal {
    Refusal(
      .resourceExhausted,
      "a message of \(bytes) bytes: at most \(limit) are taken (send documents in chunks)")
  }

  static func tooSlow(_ timeout: Duration) -> Refusal {
    Refusal(
      .deadlineExceeded,
      "nothing of the request came for \(timeout.components.seconds) s (send it without pauses)")
  }

  static func tooLong(_ timeout: Duration) -> Refusal {
    Refusal(
      .deadlineExceeded,
      "the call took over \(timeout.components.seconds) s (ask for less, or read answers faster)")
  }

  /// Text of a stranger's, cut, without control characters, for messages and records.
  static func printable(_ text: String) -> String {
    let cut = text.unicodeScalars.prefix(120).map { scalar in
      (0x20..<0x7F).contains(scalar.value) ? Character(scalar) : "?"
    }
    return String(cut)
  }
}
