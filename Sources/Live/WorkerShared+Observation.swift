import LockFree

// Who looks at packets: one observation for each worker at a time.

extension WorkerShared {
  /// Where a worker finds what looks at its packets.
  @inlinable @inline(__always)
  func observation(_ worker: Int) -> PublishedPointer<Observation> {
    PublishedPointer(control.line(3 + 3 * workers + worker))
  }

  /// The worker has let go of its observation; on the worker's thread.
  @usableFromInline
  func endObservation(_ worker: Int) { control.line(3 + 3 * workers + worker).store(0) }

  /// Has an observation look at a worker's packets; nothing, and false, when another one does.
  ///
  /// - Parameter observation: stays where it is until `isObserved` is false after its `end`.
  @unsafe public func observe(
    worker: Int, _ observation: UnsafeMutablePointer<Observation>
  ) -> Bool {
    // SAFETY: the control side begins on one thread at a time; the worker only lets go.
    guard unsafe self.observation(worker).load() == nil else { return false }
    unsafe self.observation(worker).publish(UnsafePointer(observation))
    wake(worker)
    return true
  }

  /// Whether a worker may still use its observation.
  public func isObserved(worker: Int) -> Bool {
    // SAFETY: only whether there is one is asked.
    unsafe observation(worker).load() != nil
  }
}
