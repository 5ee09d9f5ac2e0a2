import Glibc

extension IPAddress: CustomStringConvertible {
  /// Parses dotted-decimal IPv4 or RFC 4291 IPv6 text; nil when the text is neither.
  public init?(_ text: some StringProtocol) {
    let text = String(text)
    var v4 = in_addr()
    if unsafe inet_pton(AF_INET, text, &v4) == 1 {
      self.init(v4: UInt32(bigEndian: v4.s_addr))
      return
    }
    var bytes: (UInt64, UInt64) = (0, 0)
    guard unsafe inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
    self.init(v6: UInt64(bigEndian: bytes.0), UInt64(bigEndian: bytes.1))
  }

  /// Dotted decimal, or the canonical text of RFC 5952.
  public var description: String {
    if family == .v4 {
      return "\(low >> 24 & 255).\(low >> 16 & 255).\(low >> 8 & 255).\(low & 255)"
    }
    var groups = [UInt16]()
    for half in [high, low] {
      for shift in [48, 32, 16, 0] { groups.append(UInt16(truncatingIfNeeded: half >> shift)) }
    }
    // RFC 5952 section 4.2: the longest run of at least two zero groups, the first if equal.
    var best = (start: 0, length: 1)
    var start = 0
    while start < 8 {
      var end = start
      while end < 8 && groups[end] == 0 { end += 1 }
      if end - start > best.length { best = (start, end - start) }
      start = max(end, start + 1)
    }
    func text(_ part: ArraySlice<UInt16>) -> String {
      part.map { String($0, radix: 16) }.joined(separator: ":")
    }
    guard best.length > 1 else { return text(groups[...]) }
    return text(groups[..<best.start]) + "::" + text(groups[(best.start + best.length)...])
  }
}

extension IPPrefix: CustomStringConvertible {
  /// Parses `ADDRESS/LENGTH`; nil when malformed. Host bits are cleared, as AWS canonicalises.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPAddress(parts[0]), let length = Int(parts[1]),
      parts[1].allSatisfy(\.isNumber), length <= address.family.bitWidth
    else { return nil }
    self.init(address, length: length)
  }

  public var description: String { "\(address)/\(length)" }
}

extension MACAddress: CustomStringConvertible {
  /// Parses six two-digit hexadecimal bytes between colons; nil when malformed.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 6 else { return nil }
    var bits: UInt64 = 0
    for part in parts {
      guard part.count == 2, part.allSatisfy(\.isHexDigit), let byte = UInt8(part, radix: 16) else {
        return nil
      }
      bits = bits << 8 | UInt64(byte)
    }
    self.init(bits)
  }

  public var description: String {
    stride(from: 40, through: 0, by: -8).map { shift in
      let byte = String(bits >> UInt64(shift) & 255, radix: 16)
      return byte.count == 1 ? "0" + byte : byte
    }.joined(separator: ":")
  }
}
