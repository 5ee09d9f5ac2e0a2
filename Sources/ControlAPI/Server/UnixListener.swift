import Controller
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
import NIOCore
import NIOPosix

/// Takes connections of a Unix socket; the kernel tells who is at the other end.
struct UnixListener: HTTP2ServerTransport.ListenerFactory {
  let path: String
  let state: ServerState
  let eventLoopGroup: any EventLoopGroup
  let slots: ConnectionSlots

  func makeListeningChannel(
    listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
    connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
  ) async throws -> NIOAsyncChannel<
    HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel, Never
  > {
    try SocketFile.prepareDirectory(of: path)
    // Bound under another name and then put in place, so that the socket never lacks its mode and
    // a server that hands over to this one is reachable until this one is.
    let temporary = "\(path).\(getpid())"
    let server = try await ServerBootstrap(group: eventLoopGroup)
      .serverChannelInitializer { listenerConfigurator.configure(channel: $0) }
      .bind(unixDomainSocketPath: temporary, cleanupExistingSocketFile: true) { channel in
        accept(channel, connectionConfigurator)
      }
    try SocketFile.put(temporary, at: path)
    return server
  }

  private func accept(
    _ channel: any Channel, _ configurator: HTTP2ServerTransport.ConnectionConfigurator
  ) -> EventLoopFuture<HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel> {
    guard let provider = channel as? any SocketOptionProvider, slots.take() else {
      state.refusals.record(
        "connect", by: .unknown(at: "unix:\(path)"),
        why: "\(slots.limit) connections, which is the limit")
      channel.close(promise: nil)
      return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
    }
    let credentials: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
      level: SocketOptionLevel(SOL_SOCKET), name: SocketOptionName(SO_PEERCRED))
    let (state, slots) = (state, slots)
    let gate = credentials.flatMapThrowing { credentials in
      let caller = state.policy.caller(credentials)
      try channel.pipeline.syncOperations.addHandler(
        ConnectionGate(state: state, listener: "unix socket", slots: slots, local: caller))
    }
    // Without its gate nothing would give the slot back.
    gate.whenFailure { _ in slots.give() }
    return gate.flatMap { configurator.configure(channel: channel, tls: .none) }
  }
}
