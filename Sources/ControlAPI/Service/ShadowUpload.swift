import ControlProtocol
import Controller
import GRPCCore

/// What a shadow begins with, as its messages arrive: a header, the candidate as an `Upload`, and
/// `begin`.
struct ShadowUpload: ~Copyable {
  private var upload: Upload
  private var header: Apus_V1_ShadowHeader?

  private init(budget: ByteBudget) { upload = Upload(budget: budget) }

  /// Receives everything up to `begin`.
  ///
  /// - Parameters:
  ///   - budget: refused when it has no room for what comes.
  ///   - timeout: for each message.
  static func receive(
    _ messages: MessageReader<Apus_V1_ShadowRequest>, budget: ByteBudget, timeout: Duration
  ) async throws -> ShadowUpload {
    var shadow = ShadowUpload(budget: budget)
    while let message = try await messages.next(within: timeout) {
      if case .begin = message.part {
        try shadow.upload.finish()
        return shadow
      }
      try shadow.add(message)
    }
    throw RPCError.wrong(
      "the request ends before begin (send begin when the candidate is complete)")
  }

  private mutating func add(_ message: Apus_V1_ShadowRequest) throws {
    var part = Apus_V1_ApplyRequest()
    switch message.part {
    case .header(let header):
      part.header = .with {
        $0.scope = header.scope
        if header.hasExpectedGeneration { $0.expectedGeneration = header.expectedGeneration }
        $0.onRuleChange = header.onRuleChange
      }
      try upload.add(part)
      self.header = header
      return
    case .chunk(let chunk): part.chunk = chunk
    case .deletions(let deletions): part.deletions = deletions
    case .promotion: throw RPCError.wrong("promotion: before begin (send begin first)")
    case .begin, nil:
      throw RPCError.wrong("a message without header, chunk, deletions or begin (send one of them)")
    }
    try upload.add(part)
  }

  /// What the controller is asked.
  var request: ShadowRequest {
    get throws { try ShadowRequest(upload.change, api: header ?? Apus_V1_ShadowHeader()) }
  }
}

extension ShadowRequest {
  private static let sampleLimit: UInt32 = 1 << 16

  package init(_ change: ChangeRequest, api header: Apus_V1_ShadowHeader) throws {
    guard header.sample <= Self.sampleLimit else {
      throw RPCError.wrong("sample: \(header.sample) is more than \(Self.sampleLimit)")
    }
    self.init(
      change, filter: try PacketFilter(api: header.filter), oneIn: max(1, Int(header.sample)),
      seconds: try ObservationLimits.seconds(header.hasDuration ? header.duration : nil))
  }
}
