import Glibc
import HostPlan
import Logging

/// How a data plane comes into its place: it is free, or the one that serves is asked to leave when
/// this one has everything ready.
final class Succession {
  /// Milliseconds that a process which was killed just now may take to be gone.
  static let patience = 2_000
  /// Milliseconds that the one before may take to leave, before it is killed.
  static let courtesy = 10_000

  private var seat: DataPlaneSeat?
  private let runDirectory: String
  private let logger: Logger
  /// The one that serves, until it has left.
  private var predecessor: Int32?
  /// This one has taken over from another.
  private(set) var isSuccessor = false

  /// Takes the place in a run directory if it is free, or notes who is in it.
  ///
  /// - Parameter takesOver: the one that serves is to leave; else finding one is an error.
  init(
    runDirectory: String, takesOver: Bool, logger: Logger
  ) throws(DaemonFailure) {
    self.runDirectory = runDirectory
    self.logger = logger
    let seat = try DataPlaneSeat(runDirectory: runDirectory)
    if !seat.take(milliseconds: takesOver ? 0 : Self.patience) {
      guard takesOver else { throw Self.taken(runDirectory, by: seat.holder) }
      guard let holder = seat.holder else { throw Self.taken(runDirectory, by: nil) }
      predecessor = holder
      logger.info("taking over", metadata: ["from": "\(holder)"])
    }
    self.seat = consume seat
  }

  /// Has the one before leave, and takes its place; does nothing when the place is taken already.
  ///
  /// - Throws: when a third one took it, or it cannot be freed.
  func complete() throws(PortError) {
    guard let before = predecessor else { return }
    predecessor = nil
    let start = MonotonicClock.now()
    // It held the lock a moment ago, so the number is still its own.
    kill(before, SIGTERM)
    if seat?.take(milliseconds: Self.courtesy) != true {
      guard seat?.holder == before else { throw failure("another one took it over before") }
      logger.warning("the one before does not end; killing it", metadata: ["pid": "\(before)"])
      kill(before, SIGKILL)
      guard seat?.take(milliseconds: Self.patience) == true else {
        throw failure("process \(before) does not end")
      }
    }
    isSuccessor = true
    let time = (MonotonicClock.now() - start) / 1000
    logger.info("took over", metadata: ["from": "\(before)", "microseconds": "\(time)"])
  }

  /// Gives the place back; the ports are closed.
  func leave() { seat = nil }

  private func failure(_ why: String) -> PortError {
    PortError(.machine, "data plane in \(runDirectory)", why: why, remedy: "start again")
  }

  private static func taken(_ runDirectory: String, by holder: Int32?) -> DaemonFailure {
    let who = holder.map { "process \($0)" } ?? "another process"
    return DaemonFailure(
      .resource, what: "data plane in \(runDirectory)", why: "\(who) serves it already",
      advice: "end that, or take over from it with --takeover")
  }
}
