import Controller
import GRPCCore
import NIOCore
import NIOHPACK
import NIOHTTP2

/// The door of each call: says who calls, and refuses what the services shall not see.
///
/// It stands between HTTP/2 and gRPC in a call's pipeline. It writes the connection's number into
/// the request's metadata; refuses unknown methods, callers that may not, calls that are too many
/// and requests that are too long or too slow, with gRPC's status and a text; and records refusals,
/// also those that gRPC gives for malformed messages.
final class RequestGuard: ChannelDuplexHandler {
  typealias InboundIn = HTTP2Frame.FramePayload
  typealias InboundOut = HTTP2Frame.FramePayload
  typealias OutboundIn = HTTP2Frame.FramePayload
  typealias OutboundOut = HTTP2Frame.FramePayload

  private enum Phase { case request, answer, refused }

  private let state: ServerState
  private let identity: ConnectionGate.Identity?
  private var phase = Phase.request
  private var path = ""
  private var rule: MethodRule?
  private var framing = MessageFraming()
  private var lastProgress = NIODeadline.now()
  private var progressCheck: RepeatedTask?
  private var callDeadline: Scheduled<Void>?
  private var hasAnswerBegun = false
  private var hasRequestEnded = false

  init(state: ServerState, identity: ConnectionGate.Identity?) {
    self.state = state
    self.identity = identity
  }

  private var caller: Caller { identity?.caller ?? .unknown(at: "the API") }

  // MARK: Life

  func handlerAdded(context: ChannelHandlerContext) {
    let timeout = TimeAmount(state.limits.requestTimeout)
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    progressCheck = context.eventLoop.scheduleRepeatedTask(initialDelay: timeout, delay: timeout) {
      task in
      let (door, context) = bound.value
      door.checkProgress(context)
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) { end() }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  private func end() {
    progressCheck?.cancel()
    callDeadline?.cancel()
    if let identity, let rule { state.calls.leave(identity.caller, stays: rule.stays) }
    rule = nil
  }

  // MARK: Requests

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard phase != .refused else { return }
    lastProgress = .now()
    var payload = unwrapInboundIn(data)
    do throws(Refusal) {
      switch payload {
      case .headers(var headers):
        if path.isEmpty { try admit(&headers.headers, context) }
        if headers.endStream { endRequest() }
        payload = .headers(headers)
      case .data(let content):
        if case .byteBuffer(let bytes) = content.data { try measure(bytes) }
        if content.endStream { endRequest() }
      default: break
      }
    } catch {
      return refuse(error, context)
    }
    context.fireChannelRead(wrapInboundOut(payload))
  }

  private func admit(_ headers: inout HPACKHeaders, _ context: ChannelHandlerContext)
    throws(Refusal)
  {
    path = headers.first(name: ":path") ?? "/"
    guard let identity else { throw .anonymous }
    guard let rule = MethodRule.all[path] else { throw .unknownMethod(path) }
    let caller = identity.caller
    if !rule.permissions.isEmpty && rule.permissions.isDisjoint(with: caller.permissions) {
      throw .denied(caller, to: rule.action)
    }
    try state.calls.enter(caller, stays: rule.stays)
    self.rule = rule
    headers.remove(name: ServerState.connectionKey)
    headers.add(name: ServerState.connectionKey, value: "\(identity.number)")
    if !rule.stays { limitDuration(context) }
  }

  private func measure(_ bytes: ByteBuffer) throws(Refusal) {
    let longest = framing.read(bytes)
    let limit = state.limits.messageBytes
    if longest > limit { throw .messageTooLong(longest, limit: limit) }
  }

  /// The rest is up to the server.
  private func endRequest() {
    hasRequestEnded = true
    progressCheck?.cancel()
    progressCheck = nil
  }

  private func checkProgress(_ context: ChannelHandlerContext) {
    guard phase == .request, rule?.isConversation != true else { return }
    let timeout = state.limits.requestTimeout
    guard NIODeadline.now() - lastProgress >= TimeAmount(timeout) else { return }
    refuse(.tooSlow(timeout), context)
  }

  private func limitDuration(_ context: ChannelHandlerContext) {
    let timeout = state.limits.callTimeout
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    callDeadline = context.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
      let (door, context) = bound.value
      if door.phase != .refused { door.refuse(.tooLong(timeout), context) }
    }
  }

  // MARK: Answers

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard phase != .refused else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    guard case .headers(var answer) = unwrapOutboundIn(data) else {
      return context.write(data, promise: promise)
    }
    hasAnswerBegun = true
    if answer.endStream {
      recordStatus(&answer.headers)
      phase = .answer
    }
    context.write(wrapOutboundOut(.headers(answer)), promise: promise)
  }

  /// Records a refusal that the controller does not know of.
  private func recordStatus(_ trailers: inout HPACKHeaders) {
    let isRecorded = trailers.contains(name: ServerState.recordedKey)
    trailers.remove(name: ServerState.recordedKey)
    guard !isRecorded, let status = trailers.first(name: "grpc-status"), status != "0" else {
      return
    }
    // A call that its caller ended is no refusal.
    if status == "\(Status.Code.cancelled.rawValue)" { return }
    let text = trailers.first(name: "grpc-message") ?? "status \(status)"
    state.refusals.record(Refusal.printable(path), by: caller, why: Refusal.printable(text))
  }

  private func refuse(_ refusal: Refusal, _ context: ChannelHandlerContext) {
    phase = .refused
    state.refusals.record(Refusal.printable(path), by: caller, why: refusal.text)
    var headers = HPACKHeaders()
    if !hasAnswerBegun {
      headers.add(name: ":status", value: "200")
      headers.add(name: "content-type", value: "application/grpc")
    }
    headers.add(name: "grpc-status", value: "\(refusal.code.rawValue)")
    headers.add(name: "grpc-message", value: StatusText.encoded(refusal.text))
    context.writeAndFlush(
      wrapOutboundOut(.headers(.init(headers: headers, endStream: true))), promise: nil)
    end()
    if !hasRequestEnded {
      // The caller need not send the rest (RFC 9113, section 8.1).
      context.writeAndFlush(wrapOutboundOut(.rstStream(.noError)), promise: nil)
    }
    context.close(promise: nil)
  }
}
