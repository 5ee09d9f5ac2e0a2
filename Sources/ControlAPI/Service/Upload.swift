import ControlProtocol
import Controller
import GRPCCore

/// A change as its messages arrive: a header, then documents in chunks, and deletions.
///
/// What is received counts against a budget that all uploads share, until the change is done.
package struct Upload: ~Copyable {
  private static let documentLimit = 10_000

  private let budget: ByteBudget
  private var taken = 0
  private var header: Apus_V1_ApplyHeader?
  private var name = ""
  private var bytes: [UInt8] = []
  private var documents: [ModelDocument] = []
  private var deletions: [ObjectReference] = []

  init(budget: ByteBudget) { self.budget = budget }

  deinit { budget.give(taken) }

  /// Receives a whole request.
  ///
  /// - Parameter budget: refused when it has no room for what comes.
  static func receive(
    _ messages: RPCAsyncSequence<Apus_V1_ApplyRequest, any Error>, budget: ByteBudget
  ) async throws -> Upload {
    var upload = Upload(budget: budget)
    for try await message in messages { try upload.add(message) }
    try upload.finish()
    return upload
  }

  /// Receives a request whose messages are all there.
  package static func receive(
    _ messages: [Apus_V1_ApplyRequest], budget: ByteBudget
  ) throws -> Upload {
    var upload = Upload(budget: budget)
    for message in messages { try upload.add(message) }
    try upload.finish()
    return upload
  }

  /// The last message has come.
  mutating func finish() throws {
    try endDocument()
    if header == nil { throw RPCError.wrong("the request is empty (begin with a header)") }
  }

  /// Takes the next message.
  mutating func add(_ message: Apus_V1_ApplyRequest) throws {
    switch message.part {
    case .header(let header):
      if self.header != nil { throw RPCError.wrong("header: a second one (send one, first)") }
      guard header.scope == .whole || header.scope == .patch else {
        throw RPCError.wrong("header.scope: not given (SCOPE_WHOLE or SCOPE_PATCH)")
      }
      self.header = header
    case .chunk(let chunk):
      try needHeader()
      try take(chunk.text.count)
      if !chunk.name.isEmpty { try beginDocument(chunk.name) }
      if name.isEmpty { throw RPCError.wrong("chunk.name: the first chunk has none (name it)") }
      bytes += chunk.text
    case .deletions(let deletions):
      guard try needHeader().scope == .patch else {
        throw RPCError.wrong("deletions: a whole state has none (leave the objects out)")
      }
      for object in deletions.objects {
        // What an id costs in memory, about.
        try take(object.id.utf8.count + 64)
        self.deletions.append(ObjectReference(try ObjectKind(api: object.kind), object.id))
      }
    case nil:
      throw RPCError.wrong("a message without header, chunk or deletions (send one of them)")
    }
  }

  @discardableResult
  private func needHeader() throws -> Apus_V1_ApplyHeader {
    guard let header else { throw RPCError.wrong("the first message is no header (send it first)") }
    return header
  }

  private mutating func take(_ bytes: Int) throws {
    guard budget.take(bytes) else {
      throw RPCError(
        code: .resourceExhausted,
        message: "\(taken + bytes) bytes of documents: with what others send it is over "
          + "\(budget.limit) (try again later, or send patches)")
    }
    taken += bytes
  }

  private mutating func beginDocument(_ name: String) throws {
    try endDocument()
    guard documents.count < Self.documentLimit else {
      throw RPCError.wrong("over \(Self.documentLimit) documents (merge some)")
    }
    self.name = name
  }

  private mutating func endDocument() throws {
    if name.isEmpty { return }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw RPCError.wrong("\(Refusal.printable(name)): not UTF-8 (save it as UTF-8)")
    }
    documents.append(ModelDocument(name: name, text: text))
    name = ""
    bytes = []
  }

  /// What the controller is asked.
  package var change: ChangeRequest {
    let header = header ?? Apus_V1_ApplyHeader()
    var change = ChangeRequest(
      header.scope == .patch ? .patch(set: documents, delete: deletions) : .whole(documents))
    if header.hasExpectedGeneration { change.expectedGeneration = header.expectedGeneration }
    change.isDryRun = header.dryRun
    switch header.onRuleChange {
    case .keep: change.onRuleChange = "keep"
    case .cut: change.onRuleChange = "cut"
    default: break
    }
    return change
  }
}
