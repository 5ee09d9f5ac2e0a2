import CFileDescriptors
import Foundation

@testable import VhostBroker

/// A folder of a test's own, mode 0700, that goes with it.
final class TestFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/apus-broker.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Missing("a folder in /tmp") }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }
}

/// `apus-vhostd`, running.
final class BrokerProcess {
  private let process = Process()
  private let folder: TestFolder
  let runDirectory: String

  /// The program of this build: it lies beside the tests.
  static let program = URL(filePath: CommandLine.arguments[0])
    .deletingLastPathComponent().appending(path: "apus-vhostd")

  /// Starts it and waits until it is ready.
  init(_ folder: TestFolder, guests: [String]) throws {
    self.folder = folder
    runDirectory = folder.file("run")
    process.executableURL = Self.program
    process.arguments =
      ["--run-dir", runDirectory] + guests.flatMap { ["--guest", $0] }
      + (guests.isEmpty ? ["--without-guests"] : [])
    let output = Pipe()
    process.standardOutput = output
    _ = FileManager.default.createFile(atPath: folder.file("log"), contents: nil)
    process.standardError = FileHandle(forWritingAtPath: folder.file("log"))
    try process.run()
    guard output.fileHandleForReading.availableData == Data("ready\n".utf8) else {
      throw Missing("apus-vhostd: \(log)")
    }
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  var log: String { (try? String(contentsOfFile: folder.file("log"), encoding: .utf8)) ?? "" }

  var descriptors: Int {
    let path = "/proc/\(process.processIdentifier)/fd"
    return (try? FileManager.default.contentsOfDirectory(atPath: path).count) ?? -1
  }

  /// Memory that is resident, in KiB.
  var resident: Int {
    let path = "/proc/\(process.processIdentifier)/statm"
    let words = (try? String(contentsOfFile: path, encoding: .utf8))?.split(separator: " ")
    return (words?.dropFirst().first.flatMap { Int($0) } ?? -1) * 4
  }

  var isRunning: Bool { process.isRunning }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Sends SIGTERM and waits for the end, 10 s at most.
  func stop() -> Int32 {
    signal(SIGTERM)
    guard eventually({ !self.process.isRunning }) else { return -1 }
    return process.terminationStatus
  }

  func innerSocket(_ eni: String) -> String { "\(runDirectory)/\(eni).sock" }
}

/// Waits until something holds, 10 s at most.
func eventually(_ condition: () -> Bool) -> Bool {
  let end = Instant.now() + 10_000
  while Instant.now() < end {
    if condition() { return true }
    usleep(5000)
  }
  return condition()
}

/// The tests' sockets have no broker to stop them.
func testChannel(_ raw: Int32) throws -> Channel {
  guard raw >= 0, let stop = StopSignal() else { throw Missing("a socket: errno \(errno)") }
  return Channel(Descriptor(raw), stop: stop)
}

/// A hypervisor with one guest, at the other end of the broker's outer socket.
final class FakeFrontend {
  let channel: Channel
  let memory: GuestMemory
  /// By ring: kick and call.
  var kicks: [Descriptor] = []
  var calls: [Descriptor] = []

  init(_ channel: Channel) throws {
    self.channel = channel
    memory = try GuestMemory()
  }

  /// Waits for the broker's connection.
  convenience init(acceptedFrom listener: Listener) throws {
    var accepted: Descriptor?
    guard
      eventually({
        accepted = listener.accept()
        return accepted != nil
      }), let socket = accepted, let stop = StopSignal()
    else { throw Missing("a connection") }
    try self.init(Channel(socket, stop: stop))
  }

  func send(_ message: Message) throws {
    try channel.send(message, until: Instant.now() + 10_000)
  }

  func receive() throws -> Message {
    try channel.receive(until: Instant.now() + 15_000) { (_, _, size) in Int(min(size, 512)) }
  }

  func ask(_ message: Message) throws -> Message {
    try send(message)
    return try receive()
  }

  /// Asks for an acknowledgement; 0 is a good one.
  func acknowledged(_ message: Message) throws -> UInt64 {
    var message = message
    message.flags |= Message.needReplyFlag
    return try ask(message).value
  }

  /// The broker has closed the connection.
  var isClosed: Bool {
    eventually {
      var byte: UInt8 = 0
      let count = recv(self.channel.descriptor, &byte, 1, Int32(MSG_DONTWAIT))
      return count == 0 || (count < 0 && errno == ECONNRESET)
    }
  }

  /// Brings the device up with two rings, as QEMU does.
  func start(features: UInt64 = 1 << 32 | Feature.protocolFeatures) throws {
    _ = try ask(Message(.getFeatures))
    _ = try ask(Message(.getProtocolFeatures))
    try send(Message(.setProtocolFeatures, value: ProtocolFeature.relayed))
    _ = try ask(Message(.getQueueCount))
    try send(Message(.setOwner))
    try send(Message(.setFeatures, value: features))
    _ = try acknowledged(Message(.setMTU, value: 1500))
    _ = try acknowledged(memory.table)
    for ring in 0..<2 as Range<UInt32> {
      kicks.append(Descriptor(apus_event_open()))
      calls.append(Descriptor(apus_event_open()))
      let index = UInt64(ring)
      try send(Message(.setRingSize, ring: ring, number: 256))
      try send(Message(.setRingBase, ring: ring, number: 0))
      _ = try acknowledged(GuestMemory.address(ring: ring))
      try send(Message(.setRingKick, value: index, descriptors: [kicks[Int(ring)]]))
      try send(Message(.setRingCall, value: index, descriptors: [calls[Int(ring)]]))
      try send(Message(.setRingError, value: index | 0x100))
      try send(Message(.setRingEnable, ring: ring, number: 1))
    }
    _ = try acknowledged(Message(.setStatus, value: 15))
  }
}

/// A data plane: answers on a thread of its own, and keeps what it was told.
final class FakeBackend: @unchecked Sendable {
  struct Behaviour {
    var features: UInt64 = 1 << 32 | 1 << 33 | 1 << 34 | Feature.protocolFeatures
    var protocolFeatures: UInt64 = 0xffff_ffff
    /// Closes the connection instead of taking this request.
    var diesAt: Request?
    /// Answers acknowledgements of this request with 1.
    var refuses: Request?
  }

  private let lock = NSLock()
  private var taken: [Message] = []
  private var isOpen = true
  private let channel: Channel
  private let behaviour: Behaviour

  /// Connects, with retries for 10 s as rte_vhost does.
  init(_ path: String, _ behaviour: Behaviour = Behaviour()) throws {
    var raw: Int32 = -1
    _ = eventually {
      raw = apus_unix_connect(path)
      return raw >= 0
    }
    channel = try testChannel(raw)
    self.behaviour = behaviour
    Thread.detachNewThread { [self] in serve() }
  }

  deinit { close() }

  /// As a process that dies.
  func close() { shutdown(channel.descriptor, Int32(SHUT_RDWR)) }

  /// Forgets what it was told, and closes what came with it.
  func forget() { lock.withLock { taken = [] } }

  var messages: [Message] { lock.withLock { taken } }
  /// The broker (or `close`) has ended the connection.
  var isClosed: Bool { lock.withLock { !isOpen } }

  var requests: [Request] { messages.compactMap { Request(rawValue: $0.request) } }

  func last(_ request: Request) -> Message? { messages.last { $0.request == request.rawValue } }

  private func serve() {
    while let message = try? channel.receive(
      until: Instant.now() + 120_000, size: { (_, _, size) in Int(min(size, 512)) })
    {
      if let request = behaviour.diesAt, message.request == request.rawValue { break }
      lock.withLock { taken.append(message) }
      guard let answer = answer(message) else { continue }
      try? channel.send(answer, until: Instant.now() + 10_000)
    }
    close()
    lock.withLock { isOpen = false }
  }

  private func answer(_ message: Message) -> Message? {
    guard let request = Request(rawValue: message.request) else { return nil }
    switch request {
    case .getFeatures: return .reply(to: message.request, value: behaviour.features)
    case .getProtocolFeatures:
      return .reply(to: message.request, value: behaviour.protocolFeatures)
    case .getQueueCount: return .reply(to: message.request, value: 2)
    case .getStatus: return .reply(to: message.request, value: 9)
    case .getRingBase:
      var reply = Message(.getRingBase, ring: UInt32(message.ring), number: 77)
      reply.flags = 5
      return reply
    case .setLogBase: return Message(request: message.request, flags: 5)
    default:
      guard message.needsReply else { return nil }
      return .reply(to: message.request, value: behaviour.refuses == request ? 1 : 0)
    }
  }
}

/// A broker with one guest, whose hypervisor listens.
struct Bench {
  let folder: TestFolder
  let listener: Listener
  let broker: BrokerProcess

  init() throws {
    folder = try TestFolder()
    listener = try Listener(path: folder.file("guest.sock"))
    broker = try BrokerProcess(folder, guests: ["eni=eni-a,socket=\(listener.path)"])
  }

  var inner: String { broker.innerSocket("eni-a") }

  func backend(_ behaviour: FakeBackend.Behaviour = FakeBackend.Behaviour()) throws -> FakeBackend {
    try FakeBackend(inner, behaviour)
  }

  func frontend() throws -> FakeFrontend { try FakeFrontend(acceptedFrom: listener) }

  /// The broker has noticed that the data plane is gone so and so many times.
  func hasLost(_ times: Int) -> Bool {
    eventually { broker.log.components(separatedBy: "data plane is gone").count == times + 1 }
  }
}
