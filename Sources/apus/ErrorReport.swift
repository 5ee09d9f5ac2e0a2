import ArgumentParser
import CapturePort
import Glibc
import Replay
import VPCModel

/// The exit codes that docs promise to scripts.
enum ApusExit: Int32 {
  case done = 0
  /// Done, and the answer is no.
  case no = 1
  case usage = 2
  /// A model or configuration is refused.
  case refused = 3
  /// An input file cannot be read.
  case input = 4
  /// A resource of the machine is missing.
  case resource = 5
  /// A defect of ours.
  case defect = 70
}

/// Why a command ends without success: lines for standard error, and the exit code.
struct CommandFailure: Error {
  var code: ApusExit
  /// Without the `apus: ` that begins the first line; empty when all is said already.
  var lines: [String]

  init(_ code: ApusExit, _ lines: [String]) {
    self.code = code
    self.lines = lines
  }

  /// `WHAT: WHY (ADVICE)`.
  init(_ code: ApusExit, what: String, why: String, advice: String? = nil) {
    self.init(code, ["\(what): \(why)" + (advice.map { " (\($0))" } ?? "")])
  }

  func report() {
    for line in lines { ErrorReport.line(line) }
  }
}

/// Lines on standard error.
enum ErrorReport {
  /// Writes `apus: TEXT`.
  static func line(_ text: String) { write("apus: \(text)\n") }

  /// Writes text as it is.
  static func write(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let written = Glibc.write(STDERR_FILENO, Array(rest), rest.count)
        if written <= 0 { return }
        rest = rest.dropFirst(written)
      }
    }
  }

  /// Reports what the argument parser threw: help to standard output, errors to standard error.
  ///
  /// - Returns: the exit code.
  static func reportParserError(_ error: any Error) -> Int32 {
    let code = Apus.exitCode(for: error)
    if code.isSuccess {
      print(Apus.fullMessage(for: error))
      return ApusExit.done.rawValue
    }
    guard code == .validationFailure else {
      line("\(error): not expected here (this is a defect; please report it)")
      return ApusExit.defect.rawValue
    }
    line("usage: \(Apus.message(for: error)) (see 'apus --help')")
    return ApusExit.usage.rawValue
  }
}

extension CommandFailure {
  /// A model that the loader refused: every error with its place.
  init(_ errors: ModelErrors) {
    self.init(
      .refused,
      errors.errors.map { error in
        let path = error.path.isEmpty ? "" : "\(error.path): "
        return "\(error.file):\(error.line): \(path)\(error.reason)"
      })
  }

  init(_ error: ReplayError) {
    switch error {
    case .capture(.cannotOpen(let path, let why)):
      self.init(.input, what: path, why: "cannot be read: \(why)", advice: "check the path")
    case .capture(.notACapture(let path, let why)):
      self.init(
        .input, what: path, why: "not a capture: \(why)",
        advice: "pcap and pcapng files are read, also compressed with gzip")
    case .capture(.badFilter(let expression, let why)):
      self.init(
        .usage, what: "--filter '\(expression)'", why: why,
        advice: "the syntax is tcpdump's, see pcap-filter(7)")
    case .capture(.cannotWrite(let path, let why)), .cannotWrite(let path, let why):
      self.init(
        .resource, what: path, why: "cannot be written: \(why)",
        advice: "check the folder, its permissions and its free space, 'df -h'")
    case .usage(let what, let why):
      self.init(.usage, what: what, why: why)
    case .refused(let why):
      self.init(.refused, what: "the model cannot be compiled", why: why)
    case .defect(let why):
      self.init(.defect, what: "internal error", why: why, advice: "please report it")
    }
  }
}
