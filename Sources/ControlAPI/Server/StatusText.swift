/// Texts of statuses as they go over the wire.
enum StatusText {
  /// Percent-encoded, as gRPC over HTTP/2 asks for `grpc-message`.
  static func encoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
      if (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "%") {
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        encoded += digits.count < 2 ? "%0\(digits)" : "%\(digits)"
      }
    }
    return encoded
  }

  /// Lines, as many as a status may have: headers are bounded, 8 KiB with many clients.
  ///
  /// - Returns: all lines, or the first ones and how many more there are.
  static func joined(_ lines: [String], bytes limit: Int = 4096) -> String {
    var text = ""
    var used = 0
    for (index, line) in lines.enumerated() {
      // A byte outside ASCII becomes three, and so does the end of a line.
      used += line.utf8.reduce(3) { $0 + ((0x20...0x7E).contains($1) ? 1 : 3) }
      if used > limit {
        if index == 0 { return "\(line.prefix(limit / 6))..." }
        return "\(text)\n... and \(lines.count - index) more"
      }
      text += index == 0 ? line : "\n" + line
    }
    return text
  }
}
