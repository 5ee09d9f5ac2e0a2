import Controller
import Live
import Synchronization

/// The one place for somebody who looks at packets: a host has one trace, capture or shadow at a
/// time.
final class ObservationSeat: Sendable {
  static let limit = 1

  private enum State {
    case free
    /// Ends who sits there.
    case taken(@Sendable (ObservationEnd) -> Void)
    /// Workers may still use the memory.
    case leaving
  }

  private struct Seat {
    var state = State.free
    var isClosed = false
  }

  private let seat = Mutex(Seat())

  /// Takes the seat.
  ///
  /// - Parameter end: called when the seat is closed.
  func take(_ end: @escaping @Sendable (ObservationEnd) -> Void) throws(ObservationError) {
    let refusal: ObservationError? = seat.withLock { seat in
      if seat.isClosed { return .ending }
      guard case .free = seat.state else { return .busy(limit: Self.limit) }
      seat.state = .taken(end)
      return nil
    }
    if let refusal { throw refusal }
  }

  /// Refuses, as `take` would, before something is done for it.
  func checkFree() throws(ObservationError) {
    let refusal: ObservationError? = seat.withLock { seat in
      if seat.isClosed { return .ending }
      if case .free = seat.state { return nil }
      return .busy(limit: Self.limit)
    }
    if let refusal { throw refusal }
  }

  /// Frees the seat as soon as no worker uses the memory any more.
  func leave(_ memory: ObservationMemory) {
    seat.withLock { $0.state = .leaving }
    Task.detached {
      if await !memory.end() {
        // A worker that does not run rounds may come back: it keeps what it looks into.
        _ = Unmanaged.passRetained(memory)
      }
      self.seat.withLock { $0.state = .free }
    }
  }

  var isClosed: Bool { seat.withLock { $0.isClosed } }

  /// Lets nobody in any more, ends who is there, and waits until workers use nothing of it.
  func close() async {
    let end = seat.withLock { seat -> (@Sendable (ObservationEnd) -> Void)? in
      seat.isClosed = true
      if case .taken(let end) = seat.state { return end }
      return nil
    }
    end?(.daemon)
    for _ in 0..<3_000 {
      let isFree = seat.withLock { seat in
        if case .free = seat.state { return true }
        return false
      }
      if isFree { return }
      try? await Task.sleep(for: .milliseconds(1))
    }
  }
}
