import ControlProtocol
import GRPCCore

extension ControlClient {
  /// Has live packets judged by a candidate, until that ends.
  ///
  /// - Parameters:
  ///   - header: the scope, and which packets for how long.
  ///   - seconds: so long after the first report the candidate is promoted if no packet differed;
  ///     nil: never.
  ///   - body: told each report.
  /// - Returns: the last report.
  public func shadow(
    _ header: Apus_V1_ShadowHeader, documents: [Document], promotingIfSameAfter seconds: Int64?,
    _ body: @escaping @Sendable (Apus_V1_ShadowResponse) async throws -> Void
  ) async throws -> Apus_V1_ShadowResponse {
    let (begun, begins) = AsyncStream.makeStream(of: Void.self)
    let (ended, ends) = AsyncStream.makeStream(of: Void.self)
    return try await control.shadow { writer in
      try await writer.write(.with { $0.header = header })
      for document in documents {
        for chunk in Self.chunks(document) { try await writer.write(.with { $0.chunk = chunk }) }
      }
      try await writer.write(.with { $0.begin = .init() })
      if let seconds, await begun.first(where: { _ in true }) != nil {
        try await Task.sleep(for: .seconds(seconds))
        try await writer.write(.with { $0.promotion.ifSame = true })
      }
      // The end of the messages would drop the candidate.
      for await _ in ended {}
    } onResponse: { response in
      defer {
        begins.finish()
        ends.finish()
      }
      var last = Apus_V1_ShadowResponse()
      for try await message in response.messages {
        begins.yield()
        try await body(message)
        last = message
      }
      return last
    }
  }
}
