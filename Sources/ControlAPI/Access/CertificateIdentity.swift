import Crypto
import X509

/// What a verified client certificate says about its owner.
struct CertificateIdentity: Sendable, Equatable {
  enum Problem: Error, Equatable {
    case unreadable
    case noName
    case severalNames(Int)

    var why: String {
      switch self {
      case .unreadable: "the certificate cannot be read"
      case .noName:
        "the certificate has no URI and no DNS name as subject alternative name (one names the "
          + "caller)"
      case .severalNames(let count):
        "the certificate has \(count) names of a kind (one URI, or without a URI one DNS name, "
          + "names the caller)"
      }
    }
  }

  /// The URI, or without one the DNS name, among the subject alternative names.
  let name: String
  /// SHA-256 of the certificate, as hexadecimal digits.
  let fingerprint: String

  /// Reads a certificate that TLS has verified.
  ///
  /// Exactly one URI names the caller, as SPIFFE has it; a certificate without URIs exactly one DNS
  /// name. With more it would not be clear who calls.
  init(der: [UInt8]) throws(Problem) {
    var uris: [String] = []
    var hosts: [String] = []
    do {
      let certificate = try Certificate(derEncoded: der)
      for name in try certificate.extensions.subjectAlternativeNames ?? .init([]) {
        switch name {
        case .uniformResourceIdentifier(let uri): uris.append(uri)
        case .dnsName(let host): hosts.append(host)
        default: break
        }
      }
    } catch {
      throw .unreadable
    }
    let names = uris.isEmpty ? hosts : uris
    guard let name = names.first else { throw .noName }
    guard names.count == 1 else { throw .severalNames(names.count) }
    self.name = name
    fingerprint = SHA256.hash(data: der).map { byte in
      (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }
}
