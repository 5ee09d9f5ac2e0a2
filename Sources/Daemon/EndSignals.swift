import Glibc

/// The signals that end the daemon, taken by its main thread only.
struct EndSignals: @unchecked Sendable {
  private var set = sigset_t()

  /// Blocks them for this thread and all that it starts; before any is.
  init() {
    sigemptyset(&set)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGINT)
    pthread_sigmask(SIG_BLOCK, &set, nil)
    // A scraper or broker that went away is an error of its call.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Waits for one of them.
  ///
  /// - Returns: its number, nil when the time is over first.
  func wait(milliseconds: Int) -> Int32? {
    var set = set
    var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    let signal = sigtimedwait(&set, nil, &time)
    return signal > 0 ? signal : nil
  }

  /// From here on the next of them ends the process at once, as if nobody had taken it.
  func endAtNext() {
    var set = set
    signal(SIGTERM, SIG_DFL)
    signal(SIGINT, SIG_DFL)
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
  }
}
