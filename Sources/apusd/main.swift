import ArgumentParser
import Daemon
import Glibc

/// Writes `apus: TEXT` for each line to standard error.
func report(_ lines: [String]) {
  for line in lines {
    let text = Array("apus: \(line)\n".utf8)
    // Standard error may be gone; then there is nobody to tell.
    _ = write(STDERR_FILENO, text, text.count)
  }
}

do {
  var command = try DaemonCommand.parseAsRoot()
  try command.run()
} catch let failure as DaemonFailure {
  report(failure.lines)
  exit(failure.code.rawValue)
} catch {
  let code = DaemonCommand.exitCode(for: error)
  if code.isSuccess {
    print(DaemonCommand.fullMessage(for: error))
    exit(0)
  }
  guard code == .validationFailure else {
    report(["\(error): not expected here (this is a defect; please report it)"])
    exit(DaemonFailure.Code.defect.rawValue)
  }
  report(["usage: \(DaemonCommand.message(for: error)) (see 'apus run --help')"])
  exit(DaemonFailure.Code.usage.rawValue)
}
