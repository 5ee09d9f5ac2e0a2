import GRPCCore
import Glibc

/// Why a command ends without success: lines for standard error, and the exit code.
struct ToolFailure: Error {
  enum Code: Int32 {
    case done = 0
    /// Done, and the answer is no.
    case no = 1
    case usage = 2
    /// A model is refused.
    case refused = 3
    /// A file cannot be read.
    case input = 4
    /// The daemon, a right or room is missing.
    case resource = 5
    /// A defect of ours.
    case defect = 70
  }

  var code: Code
  var lines: [String]

  init(_ code: Code, _ lines: [String]) {
    self.code = code
    self.lines = lines
  }

  /// `WHAT: WHY (ADVICE)`.
  init(_ code: Code, what: String, why: String, advice: String) {
    self.init(code, ["\(what): \(why) (\(advice))"])
  }

  /// What the daemon answered instead of doing it.
  ///
  /// - Parameter sentModel: the request had a model, so what is wrong with it is the model.
  init(_ error: RPCError, from address: String, sentModel: Bool) {
    let text = error.message.isEmpty ? "refused without a reason" : error.message
    let lines = text.split(separator: "\n").map(String.init)
    switch error.code {
    case .invalidArgument: self.init(sentModel ? .refused : .usage, lines)
    case .aborted, .notFound, .failedPrecondition: self.init(.no, lines)
    case .permissionDenied, .unauthenticated, .resourceExhausted, .unavailable, .deadlineExceeded:
      self.init(.resource, ["\(address): \(lines[0])"] + lines.dropFirst())
    default: self.init(.defect, ["\(address): \(error.code): \(lines[0])"] + lines.dropFirst())
    }
  }

  func report() {
    for line in lines {
      let text = Array("apus: \(line)\n".utf8)
      // Standard error may be gone; then there is nobody to tell.
      _ = write(STDERR_FILENO, text, text.count)
    }
  }
}
