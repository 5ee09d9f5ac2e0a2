import CThreads
import Datapath
import Live
import LockFree
import Tables
import Wire

/// What the service thread does, round by round: answers the workers' punts and keeps the next hops
/// of the underlay.
struct ServiceLoop {
  /// Punts of one worker that a round takes.
  static let burst = 32
  /// Between two looks at what is due by time.
  static let interval: UInt64 = 100_000_000

  private let shared: WorkerShared
  private var desk: ServiceDesk
  private var neighbors: UnderlayNeighbors
  /// The words as workers have them.
  private var published: [UInt64]
  private var nextTick: UInt64 = 0
  /// What workers use, and what comes after it.
  private var current: Publication
  private let queue: PublicationQueue

  /// - Parameter current: published, with nothing known of its next hops.
  init(
    shared: WorkerShared, current: Publication, neighbors: UnderlayNeighbors,
    queue: PublicationQueue
  ) {
    self.shared = shared
    self.current = current
    self.neighbors = neighbors
    self.queue = queue
    desk = current.desk ?? ServiceDesk(current.compiled)
    published = neighbors.words.map { _ in NeighborWord.unresolved }
  }

  /// Takes some punts of every worker, and does what is due.
  ///
  /// - Parameter now: nanoseconds of a clock that never goes back.
  /// - Returns: how many punts there were.
  mutating func round(now: UInt64) -> Int {
    var taken = 0
    for worker in 0..<shared.workers { taken += drain(worker, now: now) }
    for order in queue.take() { order.finish(publish(order.publication)) }
    if now >= nextTick || neighbors.isAwaited {
      nextTick = now + Self.interval
      let channel = shared.slowPath(worker: 0)
      var sent = 0
      neighbors.tick(now: now) { frame in
        sent += Self.send(frame, by: channel) ? 1 : 0
      }
      if sent > 0 { shared.wake(0) }
      publishNextHops()
    }
    return taken
  }

  /// Whether a worker waits for an answer.
  var isWorkWaiting: Bool {
    !queue.isEmpty || (0..<shared.workers).contains { shared.slowPath(worker: $0).puntCount > 0 }
  }

  // MARK: Publication

  /// Has every worker use a generation: rules, ports, services and next hops in one step.
  ///
  /// - Returns: false when a worker does not pass. The generation before is published again then,
  ///   and what the worker may still read is never freed.
  private mutating func publish(_ next: Publication) -> Bool {
    let hasOtherEndpoints = !next.compiled.hasEndpoints(of: current.compiled)
    if hasOtherEndpoints { neighbors.replaceEndpoints(next.compiled.endpointAddresses) }
    let words = neighbors.words
    guard shared.publish(next.tables(words: words)) else {
      if hasOtherEndpoints { neighbors.replaceEndpoints(current.compiled.endpointAddresses) }
      _ = Unmanaged.passRetained(next.compiled)
      published = neighbors.words
      _ = shared.publish(current.tables(words: published))
      return false
    }
    published = words
    current = next
    if let desk = next.desk { self.desk = desk }
    // New endpoints are looked up at once.
    if hasOtherEndpoints { nextTick = 0 }
    return true
  }

  // MARK: Punts

  private mutating func drain(_ worker: Int, now: UInt64) -> Int {
    let channel = shared.slowPath(worker: worker)
    var taken = 0
    // A punt is left where it is while its answers have no room: its worker has to catch up.
    while taken < Self.burst, channel.answerRoom >= ServiceDesk.answersPerPunt,
      let (punt, frame) = channel.nextPunt()
    {
      handle(punt, frame, channel, now: now)
      channel.finishPunt()
      taken += 1
    }
    if taken > 0 { shared.wake(worker) }
    return taken
  }

  private mutating func handle(
    _ punt: Punt, _ frame: UnsafeRawBufferPointer, _ channel: SlowPathChannel, now: UInt64
  ) {
    switch punt.kind {
    case .underlayNeighbor:
      if let answer = neighbors.receive(frame, now: now) { _ = Self.send(answer, by: channel) }
      publishNextHops()
    case .unresolvedNextHop:
      neighbors.ask(endpoint: Int(punt.endpoint), now: now)
      publishNextHops()
    case .service, .tooBig, .fragment:
      desk.serve(punt, frame) { answer, bytes in _ = channel.answer(answer, frame: bytes) }
    }
  }

  private static func send(_ frame: [UInt8], by channel: SlowPathChannel) -> Bool {
    frame.withUnsafeBytes { channel.answer(Answer(.underlay), frame: $0) }
  }

  /// Shows workers the next hops that are others than before.
  private mutating func publishNextHops() {
    guard neighbors.takeChange() else { return }
    let words = neighbors.words
    for (endpoint, word) in words.enumerated() where published[endpoint] != word {
      let isResolved = word != NeighborWord.unresolved
      shared.setNextHop(TableIndex(endpoint), isResolved ? MACAddress(word) : nil)
    }
    published = words
  }
}

extension ServiceLoop {
  /// Rounds until the workers have stopped.
  ///
  /// - Parameters:
  ///   - wakeDescriptor: an eventfd, by which workers end the thread's sleep.
  ///   - isEnding: asked once a round.
  mutating func run(wakeDescriptor: Int32, until isEnding: () -> Bool) {
    shared.sleepers.setDescriptor(shared.workers, wakeDescriptor)
    while !isEnding() {
      if round(now: MonotonicClock.now()) > 0 { continue }
      shared.sleepers.announceSleep(shared.workers)
      if !isWorkWaiting, !isEnding() {
        apus_eventfd_wait(wakeDescriptor, neighbors.isAwaited ? 5 : 100)
      }
      shared.sleepers.announceAwake(shared.workers)
    }
    queue.close()
  }
}
