import Controller
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import NIOPosix
import NIOSSL

/// Takes TCP connections, with mutual TLS 1.3 and nothing else.
struct TLSListener: HTTP2ServerTransport.ListenerFactory {
  let host: String
  let port: Int
  let state: ServerState
  let tls: TLSContextSource
  let eventLoopGroup: any EventLoopGroup
  let slots: ConnectionSlots

  func makeListeningChannel(
    listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
    connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
  ) async throws -> NIOAsyncChannel<
    HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel, Never
  > {
    let address: NIOCore.SocketAddress
    do {
      // Only numeric addresses: the daemon asks no name server.
      address = try NIOCore.SocketAddress(ipAddress: host, port: port)
    } catch {
      throw ServerError.listen(
        address: "\(host):\(port)", why: "not an IP address and a port",
        advice: "such as 192.0.2.1 and 7443")
    }
    do {
      return try await ServerBootstrap(group: eventLoopGroup)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .serverChannelInitializer { listenerConfigurator.configure(channel: $0) }
        .bind(to: address) { accept($0, connectionConfigurator) }
    } catch {
      throw ServerError.listen(
        address: "\(host):\(port)", why: "\(error)",
        advice: "check that the address is this host's and the port free: ss -ltn")
    }
  }

  private func accept(
    _ channel: any Channel, _ configurator: HTTP2ServerTransport.ConnectionConfigurator
  ) -> EventLoopFuture<HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel> {
    let peer = channel.remoteAddress?.ipAddress ?? "unknown address"
    guard slots.take() else {
      state.refusals.record(
        "connect", by: .unknown(at: peer), why: "\(slots.limit) connections, which is the limit")
      channel.close(promise: nil)
      return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
    }
    let (state, slots, tls) = (state, slots, tls)
    let gate = channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      try pipeline.addHandler(NIOSSLServerHandler(context: tls.current()))
      try pipeline.addHandler(
        ConnectionGate(state: state, listener: peer, slots: slots, local: nil))
    }
    gate.whenFailure { _ in slots.give() }
    return gate.flatMap {
      configurator.configure(channel: channel, tls: .configured(requireALPN: true))
    }
  }
}
