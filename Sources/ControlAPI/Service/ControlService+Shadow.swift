import ControlProtocol
import Controller
import GRPCCore

extension ControlService {
  func shadow(
    request: StreamingServerRequest<Apus_V1_ShadowRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Apus_V1_ShadowResponse> {
    let caller = try state.caller(request.metadata)
    let messages = MessageReader(request.messages)
    let upload = try await ShadowUpload.receive(
      messages, budget: state.uploads, timeout: state.limits.requestTimeout)
    let asked = try upload.request
    let shadow = try await asking { () async throws(ControlError) in
      try await plane.shadow(asked, by: caller)
    }
    let conversation = ShadowConversation(shadow: shadow, messages: messages)
    return StreamingServerResponse { writer in
      try await conversation.run(writer, until: context.cancellation)
      return [:]
    }
  }
}

/// A shadow and its caller: reports go one way, a promotion may come the other.
private struct ShadowConversation: Sendable {
  private enum Wish: Sendable {
    case promotion(ifSame: Bool)
    /// The caller has no more messages.
    case end
  }

  private enum Event: Sendable {
    case reportsOver(haveEnd: Bool)
    case wish(Wish)
    case callerGone
  }

  let shadow: any Shadow
  let messages: MessageReader<Apus_V1_ShadowRequest>

  /// Ends with the shadow, or when the caller goes.
  func run(
    _ writer: RPCWriter<Apus_V1_ShadowResponse>,
    until cancellation: ServerContext.RPCCancellationHandle
  ) async throws {
    try await withThrowingTaskGroup(of: Event.self) { group in
      defer { group.cancelAll() }
      group.addTask { .reportsOver(haveEnd: try await sendReports(writer)) }
      group.addTask { .wish(try await nextWish()) }
      group.addTask {
        try await cancellation.cancelled
        return .callerGone
      }
      guard case .wish(let wish) = try await group.next() else { return }
      let last = try await fulfil(wish)
      // A report that is being sent comes before the last one.
      while let event = try await group.next() {
        switch event {
        case .reportsOver(let haveEnd):
          if haveEnd, last.outcome == nil { return }
          return try await writer.write(
            Apus_V1_ShadowResponse(last, generation: shadow.generation))
        case .callerGone: return
        case .wish: break
        }
      }
    }
  }

  /// - Returns: whether the last one that was sent says why it ends.
  private func sendReports(_ writer: RPCWriter<Apus_V1_ShadowResponse>) async throws -> Bool {
    var isFirst = true
    while let report = await shadow.next() {
      var message = Apus_V1_ShadowResponse(report, generation: shadow.generation)
      if isFirst { message.change = Apus_V1_ApplyResponse(shadow.preview) }
      isFirst = false
      try await writer.write(message)
      if report.end != nil { return true }
    }
    return false
  }

  private func nextWish() async throws -> Wish {
    guard let message = try await messages.next() else { return .end }
    guard case .promotion(let promotion) = message.part else {
      throw RPCError.wrong("after begin only promotion is taken (begin another shadow)")
    }
    return .promotion(ifSame: promotion.ifSame)
  }

  /// - Returns: the last report.
  private func fulfil(_ wish: Wish) async throws -> ShadowReport {
    switch wish {
    case .end: return await shadow.drop()
    case .promotion(let ifSame):
      return try await asking { () async throws(ControlError) in
        try await shadow.promote(ifSame: ifSame)
      }
    }
  }
}
