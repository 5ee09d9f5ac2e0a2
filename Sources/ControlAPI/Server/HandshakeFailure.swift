import NIOSSL

/// Why a TLS handshake failed, in the words of the TLS library, without its file names.
enum HandshakeFailure {
  private static let mark = "OPENSSL_internal:"

  /// What is meant by the library's most frequent reasons.
  private static let meanings = [
    "CERTIFICATE_VERIFY_FAILED":
      "the client's certificate is expired, or of an authority that is not trusted here",
    "BAD_SIGNATURE": "the client's certificate is not signed by the authority that it names",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no client certificate",
    "UNSUPPORTED_PROTOCOL": "the client does not offer TLS 1.3",
    "WRONG_VERSION_NUMBER": "what came is not TLS",
    "HTTP_REQUEST": "what came is HTTP without TLS",
    "TLSV1_ALERT_UNKNOWN_CA": "the client does not trust this server's certificate",
  ]

  static func reason(_ error: any Error) -> String {
    // The library's errors tell their reason only in their text.
    let text = "\(error)"
    guard let start = text.range(of: mark)?.upperBound else {
      if case NIOSSLError.uncleanShutdown? = error as? NIOSSLError { return "cut off" }
      return Refusal.printable(text)
    }
    let token = String(text[start...].prefix { $0 == "_" || $0.isLetter || $0.isNumber })
    return meanings[token] ?? token.lowercased().replacing("_", with: " ")
  }
}
