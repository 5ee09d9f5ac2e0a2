import CConfinement
import Glibc
import HostPlan
import Logging
import Synchronization

/// `apus-vhostd`, started when it does not run, and left alone when this process ends: guests keep
/// their sessions over a restart of the data plane.
///
/// It serves the guests that the data plane has at a time.
final class BrokerProcess: Sendable {
  /// Milliseconds that it may take to get ready.
  static let patience = 10_000

  private struct State {
    /// Guests behind the broker, by the number of their port.
    var guests: [Int: BrokerPlan.Guest]
    var nextStart: UInt64 = 0
  }

  let plan: BrokerPlan
  private let logger: Logger
  /// Asks the process that may start the broker when this one may start nothing any more.
  private let launcher: Int32
  private let state: Mutex<State>

  /// Finds the broker of the run directory, or starts one if a guest wants it already.
  ///
  /// - Parameter ports: the numbers of the plan's guests, in their order.
  init(_ plan: BrokerPlan, ports: [Int], logger: Logger) throws(DaemonFailure) {
    self.plan = plan
    self.logger = logger
    if let obstacle = plan.obstacle {
      throw DaemonFailure(.refused, what: "broker", why: obstacle)
    }
    state = Mutex(
      State(guests: Dictionary(uniqueKeysWithValues: zip(ports, plan.guests))))
    launcher = try Self.launcher(plan)
    if !plan.guests.isEmpty { try ensure() }
  }

  /// Starts the broker again if it has ended; at most once a second.
  func watch() {
    let now = MonotonicClock.now()
    let isDue = state.withLock { state in
      guard now >= state.nextStart, !state.guests.isEmpty,
        Self.runningID(plan.runDirectory) == nil
      else { return false }
      state.nextStart = now + 1_000_000_000
      return true
    }
    guard isDue else { return }
    logger.warning("the broker has ended; starting it again")
    do { try ensure() } catch { logger.error("\(error.lines.joined(separator: "; "))") }
  }

  // MARK: Guests that come and go

  /// Has the broker serve a guest.
  ///
  /// - Returns: the guest's port as the data plane opens it.
  func attach(_ guest: GuestPlan, port: Int) throws(PortError) -> GuestPlan {
    guard case .vhostUser(let device) = guest.device, device.isBrokered else { return guest }
    let served = BrokerPlan.Guest(networkInterface: guest.networkInterface, device: device)
    let what = "guest \(guest.networkInterface)"
    let one = BrokerPlan(runDirectory: plan.runDirectory, guests: [served])
    if let obstacle = one.obstacle {
      throw PortError(.configuration, what, why: obstacle, remedy: "rename it")
    }
    state.withLock { $0.guests[port] = served }
    do throws(DaemonFailure) {
      try ensure()
    } catch {
      state.withLock { $0.guests[port] = nil }
      throw PortError(
        .machine, what, why: error.lines.joined(separator: "; "), remedy: "see the broker's log")
    }
    return one.redirected(guest)
  }

  /// Has the broker forget the guest of a port, which the data plane has closed.
  func detach(port: Int) {
    guard let guest = state.withLock({ $0.guests.removeValue(forKey: port) }) else { return }
    guard Self.runningID(plan.runDirectory) != nil else { return }
    let answer = BrokerRequest.remove(guest.networkInterface).answer(in: plan.runDirectory)
    if let why = answer.refusal {
      logger.warning("the broker still serves \(guest.networkInterface): \(why)")
    }
  }

  /// Sees to it that a broker runs and serves all guests.
  private func ensure() throws(DaemonFailure) {
    let id = Self.runningID(plan.runDirectory)
    if id == nil { try start() }
    let wanted = state.withLock { Array($0.guests.values) }
    let served = BrokerRequest.list.answer(in: plan.runDirectory)
    guard served.refusal == nil else {
      throw DaemonFailure(
        .resource, what: "broker", why: served.refusal ?? "",
        advice: "end it with 'kill \(id ?? 0)', which cuts the guests that it serves, and start "
          + "again")
    }
    let lines = Set(served.lines)
    for guest in wanted where !lines.contains(guest.text) {
      // One of the same name and another socket is not wanted any more.
      if lines.contains(where: { $0.hasPrefix("eni=\(guest.networkInterface),") }) {
        _ = BrokerRequest.remove(guest.networkInterface).answer(in: plan.runDirectory)
      }
      let answer = BrokerRequest.add(guest.text).answer(in: plan.runDirectory)
      if let why = answer.refusal { throw DaemonFailure(.resource, what: "broker", why: why) }
    }
    if let id { logger.info("using the broker that runs", metadata: ["pid": "\(id)"]) }
  }

  /// The launcher lives until the descriptor is closed, which is when this process ends.
  private static func launcher(_ plan: BrokerPlan) throws(DaemonFailure) -> Int32 {
    var words: [UnsafeMutablePointer<CChar>?] =
      plan.arguments(sibling("apus-vhostd")).map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    let launcher = apus_launcher_start(words)
    guard launcher >= 0 else {
      throw DaemonFailure(.resource, what: "broker", why: errorText(-launcher))
    }
    return launcher
  }

  private func start() throws(DaemonFailure) {
    let executable = Self.sibling("apus-vhostd")
    guard access(executable, X_OK) == 0 else {
      throw DaemonFailure(
        .resource, what: "broker", why: "\(executable) is not there",
        advice: "build it with 'swift build -c release --product apus-vhostd' and keep it beside "
          + "apusd, or set `broker: false`")
    }
    makeParent()
    var output: Int32 = -1
    let result = apus_launcher_spawn(launcher, &output)
    guard result > 0 else {
      throw DaemonFailure(
        .resource, what: "broker", why: "\(executable) cannot be started: \(errorText(-result))")
    }
    defer { close(output) }
    guard Self.isReady(output) else {
      throw DaemonFailure(
        .resource, what: "broker", why: "\(executable) does not get ready",
        advice: "see its messages above")
    }
    logger.info("started the broker", metadata: ["pid": "\(result)"])
  }

  /// Waits until the broker writes `ready`; false when it ends or the time is over.
  private static func isReady(_ descriptor: Int32) -> Bool {
    var text: [UInt8] = []
    let deadline = MonotonicClock.now() + UInt64(patience) * 1_000_000
    while MonotonicClock.now() < deadline, text.count < 256 {
      var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&wait, 1, 100) > 0 else { continue }
      var chunk = [UInt8](repeating: 0, count: 64)
      let count = read(descriptor, &chunk, chunk.count)
      if count <= 0 { return false }
      text += chunk[..<count]
      if String(decoding: text, as: UTF8.self).contains("ready") { return true }
    }
    return false
  }

  /// The folder above the run directory; the broker makes the last one.
  private func makeParent() {
    guard let slash = plan.runDirectory.lastIndex(of: "/") else { return }
    mkdir(String(plan.runDirectory[..<slash]), 0o755)
  }

  /// The process that holds the lock of a run directory.
  static func runningID(_ runDirectory: String) -> Int32? {
    let descriptor = open(runDirectory + "/broker.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // Shared, so that two who look do not take each other for the broker.
    if flock(descriptor, LOCK_SH | LOCK_NB) == 0 { return nil }
    var text = [UInt8](repeating: 0, count: 16)
    let count = read(descriptor, &text, text.count)
    let digits = text[..<max(0, count)].prefix { (0x30...0x39).contains($0) }
    return Int32(String(decoding: digits, as: UTF8.self)) ?? 0
  }

  /// Another executable in the folder of this one.
  static func sibling(_ name: String) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = max(0, readlink("/proc/self/exe", &buffer, buffer.count))
    let path = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard let slash = path.lastIndex(of: "/") else { return name }
    return path[...slash] + name
  }
}
