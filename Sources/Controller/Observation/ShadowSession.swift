import VPCModel

/// What a data plane is to judge packets by beside its tables.
public struct ShadowPlan: Sendable {
  public var candidate: VPCModel
  /// Interface, protocol and ends; always both ways.
  public var filter: PacketFilter
  /// One connection in so many; 1 is all.
  public var oneIn: Int
  public var seconds: Int

  public init(_ candidate: VPCModel, filter: PacketFilter, oneIn: Int, seconds: Int) {
    self.candidate = candidate
    self.filter = filter
    self.oneIn = oneIn
    self.seconds = seconds
  }
}

/// A candidate that a data plane judges packets by; letting go of it ends it.
public protocol ShadowSession: Sendable {
  /// The next report, about a second after the one before; nil after the last one, and once `stop`
  /// was called.
  func next() async -> ShadowReport?

  /// Judges what is waiting, and no more.
  ///
  /// - Returns: the last report, whose end is nil unless it had ended before.
  func stop() async -> ShadowReport
}

/// A shadow with the change that its promotion makes.
final class ControllerShadow: Shadow {
  let generation: UInt64
  let preview: ChangeOutcome
  private let candidate: Controller.Candidate
  private let session: any ShadowSession
  private let controller: Controller

  init(
    _ candidate: Controller.Candidate, preview: ChangeOutcome, session: any ShadowSession,
    of controller: Controller
  ) {
    generation = preview.generation
    self.preview = preview
    self.candidate = candidate
    self.session = session
    self.controller = controller
  }

  func next() async -> ShadowReport? { await session.next() }

  func promote(ifSame: Bool) async throws(ControlError) -> ShadowReport {
    var report = await session.stop()
    if ifSame && !report.counts.areSame {
      await controller.recordUnlike(report.counts, candidate)
      report.end = .notSame
      return report
    }
    report.outcome = try await controller.promote(candidate)
    report.end = .promoted
    return report
  }

  func drop() async -> ShadowReport {
    var report = await session.stop()
    report.end = report.end ?? .caller
    return report
  }
}
