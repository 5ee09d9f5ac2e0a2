import CThreads
import Glibc
import LockFree

/// A thread of the daemon, and how far it has come.
final class DaemonThread: @unchecked Sendable {
  /// What others see of the thread.
  enum State: Equatable {
    case starting, running, ended
    /// It could not be bound to its processor: the number of the error.
    case refused(Int32)
  }

  private static let runningMark: UInt64 = 1
  private static let endedMark: UInt64 = 2
  private static let refusedMark: UInt64 = 1 << 32

  let name: String
  private let processor: Int?
  private let body: @Sendable () -> Void
  /// One word: written by the thread, read by others. Never given back, as a thread that does not
  /// end may write to it for as long as the process lives.
  private let progress = SharedMemory(lines: 1)

  private init(name: String, processor: Int?, _ body: @escaping @Sendable () -> Void) {
    self.name = name
    self.processor = processor
    self.body = body
  }

  /// Starts a thread.
  ///
  /// - Parameters:
  ///   - name: as `ps -L` shows it, up to 15 bytes.
  ///   - processor: that it stays on; nil for any.
  ///   - body: what it does once it is there.
  /// - Throws: when the system has no thread left.
  static func start(
    name: String, processor: Int? = nil, _ body: @escaping @Sendable () -> Void
  ) throws(DaemonFailure) -> DaemonThread {
    let thread = DaemonThread(name: name, processor: processor, body)
    let context = Unmanaged.passRetained(thread)
    var handle = pthread_t()
    let result = pthread_create(
      &handle, nil,
      { context in
        if let context { Unmanaged<DaemonThread>.fromOpaque(context).takeRetainedValue().main() }
        return nil
      }, context.toOpaque())
    guard result == 0 else {
      context.release()
      throw DaemonFailure(
        .resource, what: "thread \(name)", why: "cannot be started: \(errorText(result))",
        advice: "raise the limit, 'ulimit -u'")
    }
    pthread_detach(handle)
    return thread
  }

  var state: State {
    let word = progress.word(0).load()
    switch word {
    case 0: return .starting
    case Self.runningMark: return .running
    case Self.endedMark: return .ended
    default: return .refused(Int32(truncatingIfNeeded: word & 0xFFFF_FFFF))
    }
  }

  private func main() {
    apus_name_thread(name)
    if let processor {
      let result = Processors.pin(to: processor)
      if result != 0 { return progress.word(0).store(Self.refusedMark | UInt64(result)) }
    }
    progress.word(0).store(Self.runningMark)
    body()
    progress.word(0).store(Self.endedMark)
  }

  /// Waits until none of some threads is in a state any more.
  ///
  /// - Returns: false when the time is over first.
  static func wait(
    _ threads: [DaemonThread], seconds: Int, while isPending: (State) -> Bool
  ) -> Bool {
    for _ in 0..<seconds * 1000 {
      if !threads.contains(where: { isPending($0.state) }) { return true }
      usleep(1000)
    }
    return false
  }
}

/// The system's text for an error number.
func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }
