import Wire

/// An address of this machine alone, with a TCP port.
public struct LoopbackAddress: Sendable, Equatable, CustomStringConvertible {
  public enum Failure: Error, Equatable {
    /// Not `ADDRESS:PORT`.
    case malformed
    /// Others could reach it.
    case notLoopback
  }

  public let address: IPAddress
  public let port: Int

  /// Parses `127.0.0.1:9101` or `[::1]:9101`; port 0 lets the system choose.
  ///
  /// - Throws: `malformed`, or `notLoopback` outside 127.0.0.0/8 and ::1 (RFC 1122 section
  ///   3.2.1.3, RFC 4291 section 2.5.3).
  public init(_ text: String) throws(Failure) {
    guard let colon = text.lastIndex(of: ":") else { throw .malformed }
    var host = text[..<colon]
    let digits = text[text.index(after: colon)...]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw .malformed
    }
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let port = UInt16(digits), host.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      let address = IPAddress(host)
    else { throw .malformed }
    let isLoopback =
      address.family == .v4
      ? address.low >> 24 == 127 : (address.high, address.low) == (0, 1)
    guard isLoopback else { throw .notLoopback }
    self.address = address
    self.port = Int(port)
  }

  public var description: String {
    address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
  }
}
