import CFileDescriptors
import Glibc
import Logging
import Synchronization

/// Why the broker cannot start.
public enum BrokerError: Error, CustomStringConvertible {
  /// A guest's description is refused.
  case guest(String, String)
  /// Another broker serves the run directory.
  case running(runDirectory: String)
  case runDirectory(String, String)
  case socket(path: String, code: Int32)
  case system(String, code: Int32)

  public var description: String {
    switch self {
    case .guest(let text, let why): "guest \(text): \(why)"
    case .running(let path): "\(path): another apus-vhostd serves this directory"
    case .runDirectory(let path, let why): "\(path): \(why)"
    case .socket(let path, let code): "\(path): \(String(cString: strerror(code)))"
    case .system(let what, let code): "\(what): \(String(cString: strerror(code)))"
    }
  }
}

/// The vhost-user broker: a session of its own thread for each guest, between the hypervisor and
/// the data plane. Packets do not pass through it.
///
/// The data plane connects to `RUN-DIRECTORY/ENI.sock` of each guest; there it is served when the
/// guest is there, and again after a restart, with the guest's session replayed. Guests come and go
/// while others are served.
public final class Broker: Sendable {
  private struct Session: Sendable {
    var guest: GuestConfiguration
    var stop: StopSignal
    var thread: pthread_t
  }

  private let runDirectory: String
  private let logger: Logger
  private let lock: Descriptor
  private let sessions = Mutex<[String: Session]>([:])
  private let door: Mutex<(thread: pthread_t, stop: StopSignal)?> = Mutex(nil)

  /// Takes the run directory and listens on all sockets; the guests are served from then on.
  ///
  /// - Parameters:
  ///   - runDirectory: made with mode 0700 when it is not there; one that others may enter is
  ///     refused, for who reaches an inner socket gets the guest's memory.
  ///   - guests: those to begin with; names and sockets differ.
  ///   - isVerbose: log each request as well; the log goes to standard error.
  public init(
    runDirectory: String, guests: [GuestConfiguration], isVerbose: Bool = false
  ) throws(BrokerError) {
    var logger = Logger(label: "apus-vhostd") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = isVerbose ? .debug : .info
    self.logger = logger
    self.runDirectory = runDirectory
    // A peer that went is an error of its call.
    signal(SIGPIPE, SIG_IGN)
    try Self.check(guests)
    lock = try Self.lock(runDirectory)
    do throws(BrokerError) {
      for guest in guests { try add(guest) }
      try openDoor()
    } catch {
      stop()
      throw error
    }
  }

  /// Where the data plane connects to for a guest.
  public static func innerSocket(of guest: GuestConfiguration, in runDirectory: String) -> String {
    "\(runDirectory)/\(guest.networkInterface).sock"
  }

  // MARK: Guests

  /// Serves another guest from now on.
  ///
  /// - Throws: a name or socket that a guest has already, or a socket that cannot be opened.
  public func add(_ guest: GuestConfiguration) throws(BrokerError) {
    let present = sessions.withLock { $0.values.map(\.guest) }
    try Self.check(present + [guest])
    guard let stop = StopSignal() else { throw .system("eventfd", code: errno) }
    let inner = try Listener(path: Self.innerSocket(of: guest, in: runDirectory))
    let outer = guest.listens ? try Listener(path: guest.socket) : nil
    let start = GuestSession.Start(
      guest: guest, inner: inner, outer: outer, stop: stop, logger: logger)
    let thread = try Self.startThread {
      var session = GuestSession(start)
      session.run()
    }
    sessions.withLock {
      $0[guest.networkInterface] = Session(guest: guest, stop: stop, thread: thread)
    }
  }

  /// Ends a guest's session and closes its sockets.
  ///
  /// - Returns: false when there is no such guest.
  public func remove(_ networkInterface: String) -> Bool {
    guard let session = sessions.withLock({ $0.removeValue(forKey: networkInterface) }) else {
      return false
    }
    session.stop.set()
    pthread_join(session.thread, nil)
    return true
  }

  /// Ends all sessions, closes their sockets and waits for their threads: each notices within what
  /// it is doing, none waits for a peer.
  public func stop() {
    if let (thread, signal) = door.withLock({ door in
      defer { door = nil }
      return door
    }) {
      signal.set()
      pthread_join(thread, nil)
    }
    let ended = sessions.withLock { sessions in
      defer { sessions = [:] }
      return Array(sessions.values)
    }
    for session in ended { session.stop.set() }
    for session in ended { pthread_join(session.thread, nil) }
  }

  // MARK: Requests

  private func openDoor() throws(BrokerError) {
    guard let stop = StopSignal() else { throw .system("eventfd", code: errno) }
    let listener = try Listener(path: BrokerDoor.path(in: runDirectory))
    let serving = BrokerDoor(listener: listener, stop: stop) { [weak self] line in
      self?.answer(line) ?? "refused: the broker ends"
    }
    let thread = try Self.startThread { serving.run() }
    door.withLock { $0 = (thread, stop) }
  }

  private func answer(_ line: String) -> String {
    let words = line.split(separator: " ", maxSplits: 1).map(String.init)
    switch (words.first, words.count) {
    case ("list", 1):
      let guests = sessions.withLock { $0.values.map(\.guest.text) }.sorted()
      return (guests + ["ok"]).joined(separator: "\n")
    case ("add", 2):
      do throws(BrokerError) {
        try add(GuestConfiguration(parsing: words[1]))
        return "ok"
      } catch {
        return "refused: \(error)"
      }
    case ("remove", 2): return remove(words[1]) ? "ok" : "refused: \(words[1]) is not served"
    default: return "refused: '\(line)' is none of add, remove, list"
    }
  }

  private static func check(_ guests: [GuestConfiguration]) throws(BrokerError) {
    var (names, sockets): (Set<String>, Set<String>) = ([], [])
    for guest in guests {
      guard names.insert(guest.networkInterface).inserted else {
        throw .guest(guest.networkInterface, "given twice")
      }
      guard sockets.insert(guest.socket).inserted else {
        throw .guest(guest.networkInterface, "socket \(guest.socket) is given twice")
      }
    }
  }

  /// Locks `broker.lock` in the run directory for the life of this process; the file tells the
  /// process's id.
  private static func lock(_ runDirectory: String) throws(BrokerError) -> Descriptor {
    if mkdir(runDirectory, 0o700) != 0 && errno != EEXIST {
      throw .system("mkdir \(runDirectory)", code: errno)
    }
    var status = stat()
    guard lstat(runDirectory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw .runDirectory(runDirectory, "is no directory")
    }
    guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
      throw .runDirectory(runDirectory, "is open to others (chmod 700 \(runDirectory))")
    }
    let path = runDirectory + "/broker.lock"
    let raw = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard raw >= 0 else { throw .system(path, code: errno) }
    let file = Descriptor(raw)
    // Who looks whether a broker runs may hold it for a moment.
    var attempts = 1
    while flock(raw, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK else { throw .system(path, code: errno) }
      guard attempts < 10 else { throw .running(runDirectory: runDirectory) }
      attempts += 1
      usleep(10_000)
    }
    let text = Array("\(getpid())\n".utf8)
    guard ftruncate(raw, 0) == 0, pwrite(raw, text, text.count, 0) == text.count else {
      throw .system(path, code: errno)
    }
    return file
  }

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private static func startThread(
    _ run: @escaping @Sendable () -> Void
  ) throws(BrokerError) -> pthread_t {
    let body = Unmanaged.passRetained(Body(run))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, body.toOpaque())
    if code != 0 {
      body.release()
      throw .system("pthread_create", code: code)
    }
    return thread
  }
}
