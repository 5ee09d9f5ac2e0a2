import Controller
import NIOCore
import NIOSSL
import NIOTLS

/// Stands at the start of a connection: who calls, and does the next call come in time?
///
/// gRPC's own limit for idle connections is not used: with it, grpc-swift-nio-transport 2.9 keeps
/// each connection's handler and its timer for ever, as they hold each other when the connection
/// is gone.
final class ConnectionGate: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  /// A caller, and the number of the connection in `ConnectionTable`.
  struct Identity: Sendable {
    var number: UInt64
    var caller: Caller
  }

  private(set) var identity: Identity?
  private let state: ServerState
  private let listener: String
  private let slots: ConnectionSlots
  private let local: Caller?
  private var context: ChannelHandlerContext?
  private var calls = 0
  private var deadline: Scheduled<Void>?
  private var isRefused = false

  /// - Parameters:
  ///   - listener: where the connection came in, for records.
  ///   - slots: holds one slot for this connection, which the gate gives back.
  ///   - local: the caller when the kernel told who it is; nil: the certificate will.
  init(state: ServerState, listener: String, slots: ConnectionSlots, local: Caller?) {
    self.state = state
    self.listener = listener
    self.slots = slots
    self.local = local
  }

  /// A call is here, which lasts as long as its stream is open.
  func callBegan(_ stream: any Channel) {
    calls += 1
    stopWaiting()
    let bound = NIOLoopBound(self, eventLoop: stream.eventLoop)
    stream.closeFuture.whenComplete { _ in bound.value.callEnded() }
  }

  private func callEnded() {
    calls -= 1
    guard calls == 0 else { return }
    wait(state.limits.idleTimeout) { gate, context in
      // Not closed at once: a call may be on its way (RFC 9113 section 6.8).
      context.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
      gate.wait(gate.state.limits.graceTime) { $1.close(promise: nil) }
    }
  }

  private func wait(
    _ time: Duration, then act: @escaping @Sendable (ConnectionGate, ChannelHandlerContext) -> Void
  ) {
    stopWaiting()
    guard let context else { return }
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    deadline = context.eventLoop.scheduleTask(in: TimeAmount(time)) {
      act(bound.value.0, bound.value.1)
    }
  }

  private func stopWaiting() {
    deadline?.cancel()
    deadline = nil
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    let time = state.limits.handshakeTimeout
    wait(time) { gate, context in
      gate.refuse(context, "no call came within \(time.components.seconds) s")
    }
    if let local { identify(local, context) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    stopWaiting()
    self.context = nil
    if let identity { state.connections.remove(identity.number) }
    identity = nil
    slots.give()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent { readCertificate(context) }
    context.fireUserInboundEventTriggered(event)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard identity != nil else { return }
    context.fireChannelRead(data)
  }

  func channelInactive(context: ChannelHandlerContext) {
    if identity == nil { refuse(context, "it closed the connection before it proved who it is") }
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Afterwards errors are those of a connection that breaks, which HTTP/2 deals with.
    guard identity == nil else { return context.fireErrorCaught(error) }
    refuse(context, "TLS handshake: \(HandshakeFailure.reason(error))")
  }

  private func readCertificate(_ context: ChannelHandlerContext) {
    do {
      guard let certificate = try context.pipeline.syncOperations.nioSSL_peerCertificate() else {
        return refuse(context, "no client certificate")
      }
      let identity = try CertificateIdentity(der: certificate.toDERBytes())
      identify(state.policy.caller(identity), context)
    } catch let problem as CertificateIdentity.Problem {
      refuse(context, problem.why)
    } catch {
      refuse(context, "the certificate cannot be read")
    }
  }

  private func identify(_ caller: Caller, _ context: ChannelHandlerContext) {
    do {
      identity = Identity(number: try state.connections.add(caller), caller: caller)
    } catch {
      refuse(context, error.text, caller)
    }
  }

  private func refuse(_ context: ChannelHandlerContext, _ why: String, _ caller: Caller? = nil) {
    guard !isRefused else { return }
    isRefused = true
    state.refusals.record(
      "connect", by: caller ?? identity?.caller ?? .unknown(at: listener), why: why)
    context.close(promise: nil)
  }
}

extension TimeAmount {
  init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
  }
}
