import ControlProtocol
import FoundationEssentials
import GRPCCore

extension ControlClient {
  /// A model document to send: a name for errors, and its text in UTF-8.
  public struct Document: Sendable {
    public var name: String
    public var text: [UInt8]

    public init(name: String, text: [UInt8]) {
      self.name = name
      self.text = text
    }
  }

  private static let chunk = 256 << 10
  private static let deletionsInMessage = 5000

  /// Sends a change in messages of bounded size, and waits until it is in force.
  ///
  /// - Parameters:
  ///   - header: the scope, and what else is asked.
  ///   - deletions: only in a patch.
  public func apply(
    _ header: Apus_V1_ApplyHeader, documents: [Document],
    deletions: [Apus_V1_ObjectReference] = []
  ) async throws -> Apus_V1_ApplyResponse {
    try await control.apply { writer in
      try await writer.write(.with { $0.header = header })
      for document in documents {
        for chunk in Self.chunks(document) { try await writer.write(.with { $0.chunk = chunk }) }
      }
      for start in stride(from: 0, to: deletions.count, by: Self.deletionsInMessage) {
        let end = min(start + Self.deletionsInMessage, deletions.count)
        try await writer.write(.with { $0.deletions.objects = Array(deletions[start..<end]) })
      }
    }
  }

  /// A document in parts of bounded size, at least one.
  static func chunks(_ document: Document) -> [Apus_V1_DocumentChunk] {
    let count = document.text.count
    return stride(from: 0, to: max(1, count), by: chunk).map { start in
      .with {
        $0.name = start == 0 ? document.name : ""
        $0.text = Data(document.text[start..<min(start + chunk, count)])
      }
    }
  }

  /// Objects of the desired state, with their texts put together.
  ///
  /// - Parameter kind: a section of the model; empty: all.
  public func objects(kind: String = "", ids: [String] = []) async throws -> Apus_V1_GetResponse {
    let request = Apus_V1_GetRequest.with {
      $0.kind = kind
      $0.ids = ids
    }
    return try await control.get(request) { response in
      var whole = Apus_V1_GetResponse()
      for try await message in response.messages {
        whole.generation = message.generation
        for object in message.objects { whole.append(object) }
      }
      return whole
    }
  }

  public func status() async throws -> Apus_V1_StatusResponse {
    try await control.status(Apus_V1_StatusRequest())
  }

  /// Counters, with all messages of the answer put together.
  public func counters(_ request: Apus_V1_CountersRequest) async throws
    -> Apus_V1_CountersResponse
  {
    try await control.counters(request) { response in
      var whole = Apus_V1_CountersResponse()
      for try await message in response.messages {
        whole.uptime = message.uptime
        whole.generation = message.generation
        whole.interfaces += message.interfaces
        whole.ports += message.ports
        whole.workers += message.workers
        whole.ruleHits.merge(message.ruleHits) { _, new in new }
      }
      return whole
    }
  }

  public func connections(_ request: Apus_V1_ConnectionsRequest) async throws
    -> Apus_V1_ConnectionsResponse
  {
    try await control.connections(request) { response in
      var whole = Apus_V1_ConnectionsResponse()
      for try await message in response.messages {
        whole.connections += message.connections
        whole.truncated = message.truncated
      }
      return whole
    }
  }
}

extension Apus_V1_GetResponse {
  /// Adds an object, or more of the last one's text.
  fileprivate mutating func append(_ object: Apus_V1_Object) {
    guard let last = objects.indices.last, objects[last].continues else {
      objects.append(object)
      return
    }
    objects[last].json += object.json
    objects[last].continues = object.continues
  }
}
