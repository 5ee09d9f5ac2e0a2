import ControlProtocol
import Controller
import GRPCCore

// Traces and captures: streams that end at a limit, or when the caller goes.
extension ControlService {
  func trace(
    request: ServerRequest<Apus_V1_TraceRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Apus_V1_TraceResponse> {
    let caller = try state.caller(request.metadata)
    let asked = try TraceRequest(api: request.message)
    let packets = try await asking { () async throws(ControlError) in
      try await plane.trace(asked, by: caller)
    }
    return StreamingServerResponse { writer in
      try await Self.send(packets, to: writer, until: context.cancellation) {
        Apus_V1_TraceResponse($0)
      }
      return [:]
    }
  }

  func capture(
    request: ServerRequest<Apus_V1_CaptureRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Apus_V1_CaptureResponse> {
    let caller = try state.caller(request.metadata)
    let asked = try CaptureRequest(api: request.message)
    let packets = try await asking { () async throws(ControlError) in
      try await plane.capture(asked, by: caller)
    }
    return StreamingServerResponse { writer in
      try await Self.send(packets, to: writer, until: context.cancellation) {
        Apus_V1_CaptureResponse($0)
      }
      return [:]
    }
  }

  /// Ends with the stream, or when the caller goes, which ends the stream.
  private static func send<Packet: Sendable, Message: Sendable>(
    _ batches: AsyncStream<ObservationBatch<Packet>>, to writer: RPCWriter<Message>,
    until cancellation: ServerContext.RPCCancellationHandle,
    _ message: @escaping @Sendable (ObservationBatch<Packet>) -> Message
  ) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask { for await batch in batches { try await writer.write(message(batch)) } }
      group.addTask { try await cancellation.cancelled }
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}
