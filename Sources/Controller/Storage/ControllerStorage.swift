/// What of a controller survives a restart: the desired state and the audit log.
///
/// Opened before ports open, so that they open with the rules of before.
public struct ControllerStorage: Sendable {
  let configuration: ControllerConfiguration
  let lock: StateLock
  let store: StateStore
  let audit: AuditLog
  let state: DesiredState
  let highestGeneration: UInt64

  /// The state to begin with; nil until something was applied: nothing may be forwarded.
  public var restored: PublishedState? { state.generation == 0 ? nil : state.published() }

  /// What the operator has to know, such as that the newest stored generation could not be read.
  public let warnings: [String]

  /// Opens the state directory, and makes it when it is not there.
  ///
  /// - Parameter patience: how long to wait for another process that has the directory, such as the
  ///   one that this one takes over from.
  /// - Throws: `unavailable` when the directory cannot be used. A damaged state is no error: the
  ///   last good generation is taken and `warnings` tells.
  /// - Complexity: O(n) in the size of the stored state; it is checked whole.
  @concurrent public static func open(
    _ configuration: ControllerConfiguration, patience: Duration = .zero
  ) async throws(ControlError) -> ControllerStorage {
    let directory = configuration.stateDirectory
    do throws(StorageError) {
      try Files.makePrivateDirectory(directory)
      let lock = try await lock(directory, patience)
      let opened = try StateStore.open(configuration)
      let log = try AuditLog.open(
        stateDirectory: directory, fileBytes: configuration.limits.auditFileBytes,
        known: opened.auditHead)
      for finding in log.findings { try await log.log.append(finding) }
      return ControllerStorage(
        configuration: configuration, lock: lock, store: opened.store, audit: log.log,
        state: opened.state,
        highestGeneration: opened.highestGeneration, warnings: opened.warnings + log.warnings)
    } catch {
      throw error.refusal(directory: directory)
    }
  }
  private static func lock(
    _ directory: String, _ patience: Duration
  ) async throws(StorageError) -> StateLock {
    let deadline = ContinuousClock.now + patience
    while true {
      do throws(StorageError) {
        return try StateLock(directory: directory)
      } catch {
        guard error.isTaken, ContinuousClock.now < deadline else { throw error }
        // A caller who gives up ends the wait.
        guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { throw error }
      }
    }
  }
}
