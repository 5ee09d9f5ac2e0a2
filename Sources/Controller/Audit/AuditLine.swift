/// A line of an audit file, split into what the chain needs.
struct AuditLine {
  var sequence: UInt64
  var previous: String
  var hash: String
  /// Whether the hash is that of the text.
  var isIntact: Bool

  /// nil for what is no record at all.
  init?(_ bytes: some Collection<UInt8>) {
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    let mark = ",\"hash\":\""
    // The hash has 64 digits, then `"}` ends the record.
    guard text.utf8.count > 66 + mark.utf8.count, text.hasSuffix("\"}") else { return nil }
    let end = text.utf8.index(text.endIndex, offsetBy: -66 - mark.utf8.count)
    let body = text[..<end]
    let tail = text[end...]
    guard tail.hasPrefix(mark) else { return nil }
    hash = String(tail.dropFirst(mark.utf8.count).dropLast(2))
    guard body.hasPrefix("{\"sequence\":") else { return nil }
    let digits = body.dropFirst(12).prefix { $0.isNumber }
    guard let number = UInt64(digits) else { return nil }
    let rest = body.dropFirst(12 + digits.count)
    guard rest.hasPrefix(",\"previous\":\"") else { return nil }
    sequence = number
    previous = String(rest.dropFirst(13).prefix { $0 != "\"" })
    isIntact = auditHash(body) == hash
  }
}
