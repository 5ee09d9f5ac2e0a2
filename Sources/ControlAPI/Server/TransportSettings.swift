import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore

/// gRPC's settings from the server's limits, and the hook that puts a guard into each call.
struct TransportSettings {
  private let state: ServerState

  init(_ state: ServerState) { self.state = state }

  func transport<Listener>(_ listener: Listener) -> HTTP2ServerTransport.Custom<Listener> {
    HTTP2ServerTransport.Custom(
      listenerFactory: listener,
      config: .init(
        compression: .defaults, connection: connection, http2: http2, rpc: rpc,
        channelDebuggingCallbacks: .init(
          onBindTCPListener: nil, onAcceptTCPConnection: nil, onAcceptHTTP2Stream: guardCall)))
  }

  private var connection: HTTP2ServerTransport.Config.Connection {
    let limits = state.limits
    return .init(
      maxAge: nil, maxGraceTime: limits.graceTime, maxIdleTime: nil,
      keepalive: .init(
        time: limits.keepalive, timeout: limits.keepaliveTimeout,
        clientBehavior: .init(
          minPingIntervalWithoutCalls: .seconds(10), allowWithoutCalls: true)))
  }

  private var http2: HTTP2ServerTransport.Config.HTTP2 {
    .init(
      maxFrameSize: 1 << 14, targetWindowSize: 1 << 20,
      maxConcurrentStreams: state.limits.callsPerConnection)
  }

  /// A little more than the guard takes, so that it is the guard who says why.
  private var rpc: HTTP2ServerTransport.Config.RPC {
    .init(maxRequestPayloadSize: state.limits.messageBytes + 1)
  }

  private func guardCall(_ call: any Channel) -> EventLoopFuture<Void> {
    let state = state
    return call.eventLoop.makeCompletedFuture {
      let gate = try? call.parent?.pipeline.syncOperations.handler(type: ConnectionGate.self)
      gate?.callBegan(call)
      try call.pipeline.syncOperations.addHandler(
        RequestGuard(state: state, identity: gate?.identity), position: .first)
    }
  }
}
