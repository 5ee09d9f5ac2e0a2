import Controller
import Synchronization

/// Hands the API's own refusals to the controller's audit log, in order, and never waits for it.
///
/// Strangers can cause refusals faster than a disk takes them. So the queue is bounded, and those
/// that find it full are only counted; the next record says how many.
final class RefusalRecorder: Sendable {
  struct Record: Sendable {
    var method: String
    var caller: Caller
    var why: String
  }

  private let records: AsyncStream<Record>
  private let queue: AsyncStream<Record>.Continuation
  private let uncounted = Mutex(0)

  /// - Parameter limit: records that may wait.
  init(limit: Int = 1024) {
    (records, queue) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(limit))
  }

  /// Notes a refusal. Never waits.
  func record(_ method: String, by caller: Caller, why: String) {
    switch queue.yield(Record(method: method, caller: caller, why: why)) {
    case .dropped: uncounted.withLock { $0 += 1 }
    case .enqueued, .terminated: break
    @unknown default: break
    }
  }

  /// Takes no more; `run` ends when it has recorded what waits.
  func finish() { queue.finish() }

  /// Records until `finish`.
  func run(_ plane: any ControlPlane) async {
    for await record in records {
      await plane.recordRefusal(method: record.method, by: record.caller, why: record.why)
      let missed = uncounted.withLock { count in
        defer { count = 0 }
        return count
      }
      if missed > 0 {
        await plane.recordRefusal(
          method: "", by: .unknown(at: "the API"),
          why: "\(missed) more refusals came faster than they could be recorded")
      }
    }
  }
}
