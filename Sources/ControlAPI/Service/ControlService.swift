import ControlProtocol
import Controller
import GRPCCore

/// `apus.v1.Control` over a controller.
struct ControlService: Apus_V1_Control.ServiceProtocol {
  /// How many items of a list go into a message.
  static let batch = 1000

  let plane: any ControlPlane
  let audit: (any AuditSource)?
  let state: ServerState

  func apply(
    request: StreamingServerRequest<Apus_V1_ApplyRequest>, context: ServerContext
  ) async throws -> ServerResponse<Apus_V1_ApplyResponse> {
    let caller = try state.caller(request.metadata)
    let upload = try await Upload.receive(request.messages, budget: state.uploads)
    let outcome = try await asking { () async throws(ControlError) in
      try await plane.apply(upload.change, by: caller)
    }
    return ServerResponse(message: Apus_V1_ApplyResponse(outcome))
  }

  func get(
    request: ServerRequest<Apus_V1_GetRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Apus_V1_GetResponse> {
    let caller = try state.caller(request.metadata)
    let name = request.message.kind
    let kind = name.isEmpty ? nil : try ObjectKind(api: name)
    let ids = request.message.ids
    if kind == nil && !ids.isEmpty { throw RPCError.wrong("ids: without kind (name the kind too)") }
    let list = try await asking { () async throws(ControlError) in
      try await plane.objects(kind, ids: ids, by: caller)
    }
    return StreamingServerResponse { writer in
      try await Apus_V1_GetResponse.messages(list) { try await writer.write($0) }
      return [:]
    }
  }

  func status(
    request: ServerRequest<Apus_V1_StatusRequest>, context: ServerContext
  ) async throws -> ServerResponse<Apus_V1_StatusResponse> {
    let caller = try state.caller(request.metadata)
    let status = try await asking { () async throws(ControlError) in
      try await plane.status(by: caller)
    }
    return ServerResponse(message: Apus_V1_StatusResponse(status))
  }

  func counters(
    request: ServerRequest<Apus_V1_CountersRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Apus_V1_CountersResponse> {
    let caller = try state.caller(request.metadata)
    let counters = try await asking { () async throws(ControlError) in
      try await plane.counters(by: caller)
    }
    let selection = request.message
    return StreamingServerResponse { writer in
      for message in Apus_V1_CountersResponse.messages(counters, selection) {
        try await writer.write(message)
      }
      return [:]
    }
  }

  func connections(
    request: ServerRequest<Apus_V1_ConnectionsRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Apus_V1_ConnectionsResponse> {
    let caller = try state.caller(request.metadata)
    let filter = try ConnectionFilter(api: request.message)
    let limit = try Self.limit(request.message.limit)
    let list = try await asking { () async throws(ControlError) in
      try await plane.connections(filter, limit: limit, by: caller)
    }
    return StreamingServerResponse { writer in
      for message in Apus_V1_ConnectionsResponse.messages(list) { try await writer.write(message) }
      return [:]
    }
  }

  func watch(
    request: ServerRequest<Apus_V1_WatchRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Apus_V1_WatchResponse> {
    let caller = try state.caller(request.metadata)
    let watcher = try Watcher(request.message, plane: plane, caller: caller)
    let statuses = try await asking { () async throws(ControlError) in
      try await plane.watch(by: caller)
    }
    return StreamingServerResponse { writer in
      try await watcher.run(statuses, writer, cancellation: context.cancellation)
      return [:]
    }
  }

  func readAudit(
    request: ServerRequest<Apus_V1_ReadAuditRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Apus_V1_ReadAuditResponse> {
    let caller = try state.caller(request.metadata)
    let audit = try keptAudit()
    let limit = try Self.limit(request.message.limit)
    let after = request.message.afterSequence
    let lines = try await asking { () async throws(ControlError) in
      try await audit.auditRecords(after: after, limit: limit, by: caller)
    }
    return StreamingServerResponse { writer in
      for message in Apus_V1_ReadAuditResponse.messages(lines) { try await writer.write(message) }
      return [:]
    }
  }

  func verifyAudit(
    request: ServerRequest<Apus_V1_VerifyAuditRequest>, context: ServerContext
  ) async throws -> ServerResponse<Apus_V1_VerifyAuditResponse> {
    let caller = try state.caller(request.metadata)
    let audit = try keptAudit()
    let verdict = try await asking { () async throws(ControlError) in
      try await audit.checkAudit(by: caller)
    }
    return ServerResponse(message: Apus_V1_VerifyAuditResponse(verdict))
  }

  private func keptAudit() throws -> any AuditSource {
    guard let audit else {
      throw RPCError(
        code: .unavailable,
        message: "this daemon keeps no audit log (give it a directory for its state)")
    }
    return audit
  }

  private static func limit(_ asked: UInt32) throws -> Int {
    guard asked <= 100_000 else {
      throw RPCError.wrong("limit: \(asked) is more than 100000 (ask for less, with a filter)")
    }
    return asked == 0 ? 1000 : Int(asked)
  }
}
