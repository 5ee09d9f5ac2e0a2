/// A request to stop, made once and seen by all.
@frozen @safe
public struct StopFlag: Sendable {
  @usableFromInline let word: AtomicWord

  /// - Parameter word: zero until the request.
  @inlinable public init(_ word: AtomicWord) { self.word = word }

  @inlinable public var isSet: Bool { word.loadRelaxed() != 0 }

  /// Asks all to stop; any thread, any number of times.
  public func set() { word.store(1) }
}
