import ControlProtocol
import Controller

extension Apus_V1_GetResponse {
  /// Bytes of JSON in a message. A group of 100,000 rules is an object of several megabytes.
  private static let byteLimit = 256 << 10

  /// Sends objects in messages of bounded size, at least one.
  static func messages(_ list: ObjectList, send: (Self) async throws -> Void) async throws {
    var message = Self.with { $0.generation = list.generation }
    var bytes = 0
    for item in list.items {
      var pieces = TextPieces(item.json, limit: byteLimit)
      var object = Apus_V1_Object.with { $0.reference = Apus_V1_ObjectReference(item.reference) }
      while let piece = pieces.next() {
        if bytes > 0 && bytes + piece.text.utf8.count > byteLimit {
          try await send(message)
          message.objects = []
          bytes = 0
        }
        object.json = piece.text
        object.continues = !piece.isLast
        message.objects.append(object)
        bytes += piece.text.utf8.count + 64
        object = Apus_V1_Object()
      }
    }
    if !message.objects.isEmpty || list.items.isEmpty { try await send(message) }
  }
}

/// A text in pieces of a bounded number of bytes, cut between characters; at least one piece.
struct TextPieces {
  private var rest: Substring?
  private let limit: Int

  /// - Parameter limit: at least 4, the bytes that a scalar may have.
  init(_ text: String, limit: Int) {
    rest = text[...]
    self.limit = max(limit, 4)
  }

  mutating func next() -> (text: String, isLast: Bool)? {
    guard let text = rest else { return nil }
    if text.utf8.count <= limit {
      rest = nil
      return (String(text), true)
    }
    var end = text.utf8.index(text.startIndex, offsetBy: limit)
    // Not at a byte that goes on with a scalar.
    while text.utf8[end] & 0xC0 == 0x80 { end = text.utf8.index(before: end) }
    rest = text[end...]
    return (String(text[..<end]), false)
  }
}
