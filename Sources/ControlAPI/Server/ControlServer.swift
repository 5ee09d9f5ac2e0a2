import Controller
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOPosix
import Synchronization

/// Serves the control API over a Unix socket, and over TCP with mutual TLS if asked to.
///
/// Passive: it listens and answers, and begins no connection of its own.
public final class ControlServer: Sendable {
  public struct Configuration: Sendable {
    /// Where the Unix socket is to be; its folder is made, for this user only, when it is missing.
    public var socket: String
    /// Where to listen for TCP, if at all.
    public var tls: TLSEndpoint?
    public var policy = AccessPolicy.ownersOnly()
    public var limits = ServerLimits()

    public init(socket: String) { self.socket = socket }
  }

  /// An address to listen at, and the files of its TLS.
  public struct TLSEndpoint: Sendable, Equatable {
    /// An IPv4 or IPv6 address.
    public var host: String
    /// 0: the system chooses.
    public var port: Int
    public var files: TLSFiles

    public init(host: String, port: Int, files: TLSFiles) {
      self.host = host
      self.port = port
      self.files = files
    }
  }

  private enum Phase {
    case waiting
    /// What ends it in order.
    case serving([@Sendable () -> Void])
    case ending
  }

  private let configuration: Configuration
  private let plane: any ControlPlane
  private let state: ServerState
  private let services: [any RegistrableRPCService]
  private let tls: TLSContextSource?
  private let phase = Mutex(Phase.waiting)

  /// What `grpc.health.v1` says; serving at first.
  public var health: HealthState { state.health }

  /// - Parameters:
  ///   - plane: what the API is of.
  ///   - audit: the plane's audit log, if it can be read.
  /// - Throws: when the files of TLS cannot be used.
  public init(
    _ configuration: Configuration, plane: any ControlPlane, audit: (any AuditSource)? = nil
  ) throws(ServerError) {
    self.configuration = configuration
    self.plane = plane
    state = ServerState(policy: configuration.policy, limits: configuration.limits)
    services = [
      ControlService(plane: plane, audit: audit, state: state),
      HealthService(state: state), ReflectionService(),
    ]
    guard let endpoint = configuration.tls else {
      tls = nil
      return
    }
    tls = try TLSContextSource(endpoint.files)
  }

  /// Serves until `beginGracefulShutdown`, or until the task is cancelled, which ends calls at
  /// once. Once for a server.
  ///
  /// - Parameter onListening: called when all sockets are there, with the TCP port, if any.
  /// - Throws: `ServerError` when it cannot listen.
  public func run(onListening: @Sendable (Int?) -> Void = { _ in }) async throws {
    // One thread: the processors are the workers'.
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let recording = Task { [state, plane] in await state.refusals.run(plane) }
    let outcome: Result<Void, any Error>
    do {
      outcome = .success(try await serve(on: group, onListening))
    } catch {
      outcome = .failure((error as? RuntimeError)?.cause ?? error)
    }
    phase.withLock { $0 = .ending }
    try? await group.shutdownGracefully()
    state.refusals.finish()
    await recording.value
    try outcome.get()
  }

  private func serve(
    on group: MultiThreadedEventLoopGroup, _ onListening: @Sendable (Int?) -> Void
  ) async throws {
    let settings = TransportSettings(state)
    let slots = configuration.limits.connections
    let path = configuration.socket
    let local = GRPCServer(
      transport: settings.transport(
        UnixListener(
          path: path, state: state, eventLoopGroup: group, slots: ConnectionSlots(slots))),
      services: services)
    var remote: GRPCServer<HTTP2ServerTransport.Custom<TLSListener>>?
    if let endpoint = configuration.tls, let tls {
      remote = GRPCServer(
        transport: settings.transport(
          TLSListener(
            host: endpoint.host, port: endpoint.port, state: state, tls: tls,
            eventLoopGroup: group, slots: ConnectionSlots(slots))),
        services: services)
    }
    begin([local.beginGracefulShutdown] + (remote.map { [$0.beginGracefulShutdown] } ?? []))
    try await withThrowingTaskGroup { tasks in
      tasks.addTask { try await local.serve() }
      if let remote { tasks.addTask { try await remote.serve() } }
      let isListening = await local.transport.listeningAddress != nil
      let address = await remote?.transport.listeningAddress
      let socket = SocketFile.identity(of: path)
      defer { if isListening { SocketFile.remove(path, ifStill: socket) } }
      if isListening { onListening(address?.ipv4?.port ?? address?.ipv6?.port) }
      try await tasks.waitForAll()
    }
  }

  private func begin(_ ends: [@Sendable () -> Void]) {
    let isEnding = phase.withLock { phase in
      if case .ending = phase { return true }
      phase = .serving(ends)
      return false
    }
    if isEnding { for end in ends { end() } }
  }

  /// Takes no more calls, and ends when those under way have ended.
  public func beginGracefulShutdown() {
    state.health.set(isServing: false)
    let ends = phase.withLock { phase -> [@Sendable () -> Void] in
      defer { phase = .ending }
      if case .serving(let ends) = phase { return ends }
      return []
    }
    for end in ends { end() }
  }
}
