import Foundation

/// The end of a vhost-user connection that a test plays a hypervisor with.
///
/// A message is a header of request, flags and payload size, 32 bits each, and the payload (QEMU
/// documentation, "Vhost-user Protocol", section "Header").
final class VhostConnection {
  fileprivate let descriptor: Int32

  enum Request: UInt32 {
    case getFeatures = 1
    case setFeatures = 2
    case setOwner = 3
    case getProtocolFeatures = 15
    case setProtocolFeatures = 16
    case getQueueCount = 17
  }

  /// - Parameter descriptor: connected; closed with this.
  init(descriptor: Int32) { self.descriptor = descriptor }

  /// Connects to a socket that is listened on.
  init(path: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = UnixAddress.of(path)
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Foundation.connect(descriptor, $0, size)
      }
    }
    guard result == 0 else {
      close(descriptor)
      throw LabError(description: "cannot connect to \(path): errno \(errno)")
    }
  }

  deinit { close(descriptor) }

  static func bytes(_ request: Request, _ payload: UInt64? = nil) -> [UInt8] {
    let words: [UInt32] = [request.rawValue, 1, payload == nil ? 0 : 8]
    let header = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
    return header + (0..<(payload == nil ? 0 : 8)).map { UInt8((payload ?? 0) >> (8 * $0) & 255) }
  }

  /// False when the other side has closed.
  @discardableResult
  func send(_ bytes: some Collection<UInt8>) -> Bool {
    let bytes = Array(bytes)
    return Foundation.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
  }

  /// A request with an answer of 64 bits.
  func ask(_ request: Request, seconds: Int = 10) throws -> UInt64 {
    send(Self.bytes(request))
    var reply: [UInt8] = []
    let end = ContinuousClock.now + .seconds(seconds)
    while reply.count < 20 {
      var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard ContinuousClock.now < end, poll(&event, 1, 1000) >= 0 else {
        throw LabError(description: "no answer to \(request) within \(seconds) s")
      }
      guard event.revents != 0 else { continue }
      var buffer = [UInt8](repeating: 0, count: 20 - reply.count)
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { throw LabError(description: "closed at \(request)") }
      reply += buffer.prefix(count)
    }
    return reply[12...].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// What a hypervisor asks a data plane before its guest's driver runs.
  func negotiate() throws {
    let protocolFeatures: UInt64 = 1 << 30
    guard try ask(.getFeatures) & protocolFeatures != 0 else {
      throw LabError(description: "no protocol features are offered")
    }
    let offered = try ask(.getProtocolFeatures)
    send(Self.bytes(.setProtocolFeatures, offered & 1))
    guard try ask(.getQueueCount) >= 1 else { throw LabError(description: "no queues") }
    send(Self.bytes(.setOwner))
    send(Self.bytes(.setFeatures, protocolFeatures | 1 << 32))
    _ = try ask(.getFeatures)
  }
}

enum UnixAddress {
  static func of(_ path: String) -> sockaddr_un {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    return address
  }
}

/// A hypervisor that stops in the middle of its first message, for as long as the test runs: what
/// it is sent away from it does again.
final class BrokenHypervisor: @unchecked Sendable {
  enum Way: Sendable {
    /// It listens, and sends half a header to who connects.
    case listensHalf(String)
    /// It connects, and sends a header without its payload.
    case connectsHalf(String)
    /// It connects, and sends a byte each second.
    case connectsSlowly(String)
  }

  private let lock = NSLock()
  private var hasEnded = false
  private var sessions = 0

  init(_ way: Way) {
    Thread.detachNewThread { [self] in
      switch way {
      case .listensHalf(let path): listen(path)
      case .connectsHalf(let path):
        let message = VhostConnection.bytes(.setFeatures, 0)
        again { try self.hold(VhostConnection(path: path), message.prefix(12), then: []) }
      case .connectsSlowly(let path):
        let message = VhostConnection.bytes(.getFeatures)
        again { try self.hold(VhostConnection(path: path), [], then: message) }
      }
    }
  }

  func end() { lock.withLock { hasEnded = true } }

  /// How often it has begun.
  var count: Int { lock.withLock { sessions } }
  private var isRunning: Bool { lock.withLock { !hasEnded } }

  private func again(_ session: () throws -> Void) {
    while isRunning {
      do { try session() } catch { usleep(50_000) }
    }
  }

  /// Sends some bytes at once and the rest one a second, until the other side closes.
  private func hold(_ connection: VhostConnection, _ first: ArraySlice<UInt8>, then: [UInt8]) {
    lock.withLock { sessions += 1 }
    guard connection.send(first) else { return }
    var rest = then
    while isRunning {
      usleep(1_000_000)
      // A slow one goes on with the next message; a silent one looks whether it is still heard.
      if then.isEmpty {
        guard !connection.isClosed else { return }
      } else {
        if rest.isEmpty { rest = then }
        guard connection.send([rest.removeFirst()]) else { return }
      }
    }
  }

  private func listen(_ path: String) {
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    var address = UnixAddress.of(path)
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    _ = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) }
    }
    Foundation.listen(listener, 4)
    let half = VhostConnection.bytes(.getFeatures).prefix(6)
    while isRunning {
      var event = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
      guard poll(&event, 1, 200) > 0 else { continue }
      let accepted = accept(listener, nil, nil)
      if accepted >= 0 { hold(VhostConnection(descriptor: accepted), half, then: []) }
    }
  }
}

extension VhostConnection {
  /// The other side has closed.
  var isClosed: Bool {
    var byte: UInt8 = 0
    let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
    return count == 0 || (count < 0 && errno != EAGAIN)
  }
}
