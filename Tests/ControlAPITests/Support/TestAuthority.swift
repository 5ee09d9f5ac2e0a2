import ControlAPI
import Crypto
import Foundation
import X509

/// Makes certificates for tests.
struct TestAuthority {
  let key = P256.Signing.PrivateKey()
  let certificate: Certificate

  init(_ name: String = "authority") throws {
    let subject = try DistinguishedName { CommonName(name) }
    let signer = Certificate.PrivateKey(key)
    certificate = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: signer.publicKey,
      notValidBefore: .now - 7 * 86_400, notValidAfter: .now + 86_400, issuer: subject,
      subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
        Critical(KeyUsage(keyCertSign: true))
      }, issuerPrivateKey: signer)
  }

  /// The PEM of a new certificate and its key.
  ///
  /// - Parameter days: from now, when it ends; negative: ended.
  func issue(_ names: [GeneralName], days: Int = 1) throws -> (certificate: String, key: String) {
    let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let certificate = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: key.publicKey,
      notValidBefore: .now - 6 * 86_400, notValidAfter: .now + Double(days) * 86_400,
      issuer: self.certificate.subject, subject: try DistinguishedName { CommonName("leaf") },
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        if !names.isEmpty { SubjectAlternativeNames(names) }
      }, issuerPrivateKey: Certificate.PrivateKey(self.key))
    return (
      try certificate.serializeAsPEM().pemString, try key.serializeAsPEM().pemString
    )
  }

  private func write(_ text: String, _ path: String) throws -> String {
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  func serverFiles(in folder: String) throws -> TLSFiles {
    let leaf = try issue([.dnsName("localhost"), .dnsName("server")])
    return TLSFiles(
      certificates: try write(leaf.certificate, folder + "/server.pem"),
      key: try write(leaf.key, folder + "/server.key"),
      authorities: try write(certificate.serializeAsPEM().pemString, folder + "/ca.pem"))
  }

  /// Files of a client's certificate; `trusting` is who the client trusts.
  func clientFiles(
    _ names: [GeneralName], in folder: String, days: Int = 1, trusting: TestAuthority? = nil
  ) throws -> ControlClient.Credentials {
    let leaf = try issue(names, days: days)
    let name = folder + "/client-\(UInt32.random(in: 0 ... .max))"
    let trusted = (trusting ?? self).certificate
    return ControlClient.Credentials(
      authorities: try write(trusted.serializeAsPEM().pemString, name + "-ca.pem"),
      certificate: try write(leaf.certificate, name + ".pem"),
      key: try write(leaf.key, name + ".key"))
  }
}
