import CFileDescriptors
import Glibc
import Logging

/// One guest's broker: the hypervisor's connection on one side, the data plane's on the other, and
/// what the one has told the other.
///
/// Everything runs on one thread of its own, with `poll` and deadlines, so that a front-end that
/// stops in the middle of a message holds up its own guest only.
struct GuestSession {
  /// What a session begins with.
  struct Start: Sendable {
    var guest: GuestConfiguration
    var inner: Listener
    /// nil when the hypervisor listens.
    var outer: Listener?
    var stop: StopSignal
    var logger: Logger
  }

  /// A hypervisor sends a message at once or not at all: from its first byte to its last, in
  /// milliseconds.
  static let messageTime: Int64 = 1000
  /// How long a request that only a data plane can answer waits for one, in milliseconds; the
  /// hypervisor stands still meanwhile.
  static let outageTime: Int64 = 10_000
  /// A session at which so many data planes fail in a row is to blame itself.
  static let replayLimit = 3

  let start: Start
  let logger: Logger

  var frontend: Channel?
  var backend: Backend?
  /// A second data plane, connected before the first leaves: it takes over without a gap.
  var standby: Channel?
  var record = SessionRecord()

  /// When the session began, for its log line and the next connection's delay.
  var began = Instant.now()
  var failedReplays = 0
  var connecting = Backoff()
  var accepting = Backoff()

  init(_ start: Start) {
    self.start = start
    var logger = start.logger
    logger[metadataKey: "eni"] = "\(start.guest.networkInterface)"
    self.logger = logger
  }

  /// Serves the guest until the stop signal.
  mutating func run() {
    var isRunning = true
    while isRunning {
      do throws(End) {
        isRunning = try step()
      } catch {
        if error == .stopped { isRunning = false }
        endSession(error)
      }
    }
    logger.info("guest is served no more")
  }

  /// Why a front-end's session ends.
  enum End: Error, Equatable, CustomStringConvertible {
    case stopped
    case frontend(String)
    case packedRing
    case refused(Int)
    case noBackend

    var description: String {
      switch self {
      case .stopped: "the broker ends"
      case .frontend(let why): "hypervisor: \(why)"
      case .packedRing: "a packed ring does not outlive its data plane"
      case .refused(let count): "\(count) data planes in a row failed at its replay"
      case .noBackend: "no data plane came to answer a request"
      }
    }
  }

  // MARK: Events

  /// What is waited for.
  private enum Source { case stop, inner, outer, backend, standby, frontend }

  /// Waits for one round of events and serves them.
  /// - Returns: false when the broker is to end.
  private mutating func step() throws(End) -> Bool {
    connectToHypervisor()
    let ready = wait(frontendToo: true, until: nextAttempt)
    if ready.contains(.stop) { throw .stopped }
    // The data plane first: a request behind its end is for its successor.
    try serveDataPlane(ready)
    if ready.contains(.outer), frontend == nil, let socket = start.outer?.accept() {
      beginSession(Channel(socket, stop: start.stop))
    }
    if ready.contains(.frontend), let frontend { try serve(frontend) }
    return true
  }

  private mutating func serveDataPlane(_ ready: [Source]) throws(End) {
    if ready.contains(.standby) {
      logger.info("the data plane in waiting is gone")
      standby = nil
    }
    if ready.contains(.backend) { try loseBackend("it closed the connection") }
    if ready.contains(.inner), let socket = start.inner.accept() {
      let channel = Channel(socket, stop: start.stop)
      if backend == nil {
        try adopt(channel)
      } else {
        logger.info("another data plane waits")
        standby = channel
      }
    }
  }

  /// Waits for the sockets that matter in the present state.
  private func wait(frontendToo: Bool, until deadline: Instant?) -> [Source] {
    var sources: [Source] = [.stop]
    var polled = [pollfd(fd: start.stop.descriptor, events: Int16(POLLIN), revents: 0)]
    func add(_ source: Source, _ descriptor: Int32?) {
      guard let descriptor else { return }
      sources.append(source)
      polled.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
    }
    // One waits at most; others stay in the queue of the socket.
    if standby == nil && accepting.isOver { add(.inner, start.inner.descriptor) }
    add(.backend, backend?.channel.descriptor)
    add(.standby, standby?.descriptor)
    // Without a data plane nothing could be answered, and a hypervisor waits for its answers.
    if frontend == nil && backend != nil { add(.outer, start.outer?.descriptor) }
    if frontendToo { add(.frontend, frontend?.descriptor) }
    let timeout = deadline?.remaining ?? -1
    guard poll(&polled, nfds_t(polled.count), timeout) > 0 else { return [] }
    return zip(sources, polled).filter { $0.1.revents != 0 }.map(\.0)
  }

  /// When there is something to do without an event.
  private var nextAttempt: Instant? {
    var times: [Instant] = []
    if !accepting.isOver { times.append(accepting.until) }
    if frontend == nil && backend != nil && start.outer == nil { times.append(connecting.until) }
    return times.min()
  }

  // MARK: The hypervisor

  /// Connects to a hypervisor that listens, when a data plane is there to answer it.
  private mutating func connectToHypervisor() {
    guard frontend == nil, backend != nil, start.outer == nil, connecting.isOver else { return }
    let raw = apus_unix_connect(start.guest.socket)
    if raw < 0 {
      if connecting.attempts == 0 {
        let why = String(cString: strerror(errno))
        logger.info("waiting for the hypervisor", metadata: ["why": "\(why)"])
      }
      connecting.extend()
    } else {
      beginSession(Channel(Descriptor(raw), stop: start.stop))
    }
  }

  private mutating func beginSession(_ channel: Channel) {
    logger.info("hypervisor connected", metadata: ["socket": "\(start.guest.socket)"])
    frontend = channel
    record = SessionRecord()
    failedReplays = 0
    began = Instant.now()
  }

  /// Drops everything of the session, and the data plane's connection with it: that is how a data
  /// plane hears that the guest is gone.
  private mutating func endSession(_ end: End) {
    if frontend != nil {
      let level: Logger.Level = end == .stopped || end == .frontend(closed) ? .info : .error
      logger.log(level: level, "session ends", metadata: ["why": "\(end)"])
    }
    if Instant.now() < began + Backoff.longest { connecting.extend() } else { connecting.clear() }
    frontend = nil
    backend = nil
    record = SessionRecord()
    guard end != .stopped, let next = standby else {
      standby = nil
      return
    }
    standby = nil
    backend = Backend(channel: next)
  }

  private var closed: String { ChannelError.closed.description }

  /// Reads one message whole, has it answered, and answers it.
  private mutating func serve(_ frontend: Channel) throws(End) {
    let message: Message
    let request: Request
    do throws(ChannelError) {
      message = try frontend.receive(
        until: Instant.now() + Self.messageTime, size: MessageRules.payloadSize)
      do { request = try MessageRules.check(message) } catch { throw .malformed(error) }
    } catch {
      throw Self.end(error)
    }
    logger.debug("request", metadata: ["request": "\(request)"])
    guard let reply = try relay(request, message) else { return }
    do {
      try frontend.send(reply, until: Instant.now() + Self.messageTime)
    } catch {
      throw Self.end(error)
    }
  }

  private static func end(_ error: ChannelError) -> End {
    if case .stopped = error { return .stopped }
    return .frontend(error.description)
  }

  // MARK: Relaying

  /// Has a request answered by the data plane, or from the record while there is none.
  /// - Returns: the answer for the hypervisor, if the request has one.
  private mutating func relay(_ request: Request, _ message: Message) throws(End) -> Message? {
    let isAcknowledged =
      message.needsReply && request.answer == .none && record.hasAcknowledgements
    let before = record
    do { try record.apply(request, message) } catch { throw .frontend(error.description) }
    if request == .setMemoryTable, record.table?.seal() == false {
      logger.notice("guest memory cannot be sealed: the hypervisor may cut it short")
    }
    guard request.answer != .none else {
      // What is lost on the way is in the record, and so in the replay.
      guard let reply = try exchange(request, message, isAcknowledged) else {
        return isAcknowledged ? record.answer(request, message) : nil
      }
      if reply.value != 0 { record = before }
      return Message.reply(to: reply.request, value: reply.value)
    }
    let deadline = Instant.now() + Self.outageTime
    while true {
      if let reply = try exchange(request, message, false) {
        return record.apply(reply: reply, to: request)
      }
      // A successor that has taken over already is asked again.
      if backend != nil { continue }
      if let answer = record.answer(request, message) { return answer }
      try awaitBackend(until: deadline)
    }
  }

  /// Sends a request to the data plane, and waits for its answer if it has one.
  /// - Returns: nil without an answer, be it that there is none, no data plane, or none any more.
  private mutating func exchange(
    _ request: Request, _ message: Message, _ isAcknowledged: Bool
  ) throws(End) -> Message? {
    guard let backend else { return nil }
    do throws(ChannelError) {
      return try backend.exchange(request, message, isAcknowledged: isAcknowledged)
    } catch {
      if case .stopped = error { throw .stopped }
      try loseBackend(error.description)
      return nil
    }
  }

  /// Waits for a data plane, for a request that only it can answer.
  private mutating func awaitBackend(until deadline: Instant) throws(End) {
    while backend == nil {
      guard Instant.now() < deadline else { throw .noBackend }
      let ready = wait(frontendToo: false, until: min(deadline, nextAttempt ?? deadline))
      if ready.contains(.stop) { throw .stopped }
      try serveDataPlane(ready)
    }
  }

  // MARK: The data plane

  /// Makes a fresh connection the data plane of the guest.
  private mutating func adopt(_ channel: Channel) throws(End) {
    let candidate = Backend(channel: channel)
    guard frontend != nil else {
      logger.info("data plane connected")
      backend = candidate
      return
    }
    let began = Instant.now()
    do throws(ReplayError) {
      try Replay(record: record, backend: candidate).run()
    } catch {
      try refuse(error)
      return
    }
    backend = candidate
    failedReplays = 0
    accepting.clear()
    let time = Instant.now().milliseconds - began.milliseconds
    logger.info("data plane took the session over", metadata: ["milliseconds": "\(time)"])
  }

  /// A data plane that cannot take the session over is sent away. One that fails on it three times
  /// in a row meets a session that no data plane takes, such as one with a ring outside its memory.
  private mutating func refuse(_ error: ReplayError) throws(End) {
    if case .connection(.stopped) = error { throw .stopped }
    logger.error("data plane cannot take the session over", metadata: ["why": "\(error)"])
    accepting.extend()
    if case .connection = error { failedReplays += 1 }
    if failedReplays >= Self.replayLimit { throw .refused(failedReplays) }
  }

  /// Notes that the data plane is gone; the one in waiting takes over at once.
  private mutating func loseBackend(_ why: String) throws(End) {
    backend = nil
    logger.notice("data plane is gone", metadata: ["why": "\(why)"])
    if frontend != nil && record.hasRunningPackedRing { throw .packedRing }
    guard let next = standby else { return }
    standby = nil
    try adopt(next)
  }
}

/// The time between attempts: 50 ms, then twice as long each time, at most a second.
struct Backoff {
  static let shortest: Int64 = 50
  static let longest: Int64 = 1000

  private(set) var until = Instant(milliseconds: 0)
  private(set) var attempts = 0

  var isOver: Bool { Instant.now() >= until }

  /// After an attempt that failed.
  mutating func extend() {
    until = Instant.now() + min(Self.longest, Self.shortest << min(attempts, 5))
    attempts += 1
  }

  /// After one that went well.
  mutating func clear() { self = Backoff() }
}
