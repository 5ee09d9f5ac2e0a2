import Controller
import ControllerTestSupport
import Foundation

/// Applies one change after another until it is killed, and says so of each that is acknowledged:
///
///     killed-controller DIRECTORY [BYTES]
///
/// Lines on standard output: `start GENERATION NUMBER`, `begin NUMBER`, `acknowledged GENERATION
/// NUMBER`. A state that is a mix of two changes ends it with exit code 1. With BYTES, its files may
/// only grow so far until a change is refused (`refused WHY`); then it checks that the state is as
/// before and that changes are taken again when files may grow, and ends.
@main struct Program {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 2 || arguments.count == 3 else {
      FileHandle.standardError.write(Data("usage: killed-controller DIRECTORY [BYTES]\n".utf8))
      exit(2)
    }
    var limits = ControllerLimits()
    limits.auditFileBytes = 20_000
    let storage = try await ControllerStorage.open(
      ControllerConfiguration(stateDirectory: arguments[1], version: "0", limits: limits))
    let dataPlane = FakeDataPlane()
    var life = Life(controller: Controller(storage, dataPlane: dataPlane))
    try await life.begin(storage)
    guard arguments.count == 3, let bytes = UInt(arguments[2]) else {
      while true { try await life.change() }
    }
    limitFiles(to: bytes)
    try await life.changeUntilRefused(dataPlane)
    limitFiles(to: nil)
    try await life.change()
    try await life.change()
  }

  /// Sets how large files of this process may be; nil is as large as they like.
  private static func limitFiles(to bytes: UInt?) {
    // Else the first byte too many ends the process.
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit(rlim_cur: rlim_t(bytes ?? UInt.max), rlim_max: rlim_t(UInt.max))
    if setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) != 0 { exit(3) }
  }
}
