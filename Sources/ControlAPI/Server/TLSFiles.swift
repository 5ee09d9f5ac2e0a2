import Glibc
import NIOSSL
import Synchronization

/// The files that a TLS listener proves itself and checks its callers with.
public struct TLSFiles: Sendable, Equatable {
  /// The server's certificate and what is between it and its authority, PEM.
  public var certificates: String
  /// The private key, PEM.
  public var key: String
  /// The authorities that issue callers' certificates, PEM. Only these are trusted.
  public var authorities: String

  public init(certificates: String, key: String, authorities: String) {
    self.certificates = certificates
    self.key = key
    self.authorities = authorities
  }

  /// TLS 1.3 only, and only with a certificate of the authorities.
  func context() throws(ServerError) -> NIOSSLContext {
    let chain = try read(certificates) { path in
      try NIOSSLCertificate.fromPEMFile(path).map { NIOSSLCertificateSource.certificate($0) }
    }
    let privateKey = try read(key) { try NIOSSLPrivateKey(file: $0, format: .pem) }
    let roots = try read(authorities) { try NIOSSLCertificate.fromPEMFile($0) }
    guard !roots.isEmpty else {
      throw .tls(
        file: authorities, why: "there is no certificate in it",
        advice: "name the file with the authorities of the callers' certificates")
    }
    var configuration = TLSConfiguration.makeServerConfigurationWithMTLS(
      certificateChain: chain, privateKey: .privateKey(privateKey),
      trustRoots: .certificates(roots))
    configuration.minimumTLSVersion = .tlsv13
    configuration.maximumTLSVersion = .tlsv13
    configuration.applicationProtocols = ["h2"]
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw .tls(
        file: certificates, why: "TLS does not take it with \(key): \(error)",
        advice: "check that the key belongs to the certificate")
    }
  }

  private func read<Content>(_ path: String, _ reader: (String) throws -> Content)
    throws(ServerError) -> Content
  {
    do { return try reader(path) } catch {
      let code = access(path, R_OK) == 0 ? 0 : errno
      throw .tls(
        file: path, why: code == 0 ? "not PEM: \(error)" : SocketFile.text(code),
        advice: "check the path and the permissions")
    }
  }

  /// Changes when a file does.
  fileprivate var stamp: [Int64] {
    [certificates, key, authorities].flatMap { path -> [Int64] in
      var status = stat()
      guard stat(path, &status) == 0 else { return [0] }
      return [
        Int64(status.st_ino), Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec),
        Int64(status.st_size),
      ]
    }
  }
}

/// The context of new connections, renewed when the files change, as short-lived certificates do.
final class TLSContextSource: Sendable {
  private struct State {
    var context: NIOSSLContext
    var stamp: [Int64]
  }

  private let files: TLSFiles
  private let state: Mutex<State>

  init(_ files: TLSFiles) throws(ServerError) {
    self.files = files
    state = Mutex(State(context: try files.context(), stamp: files.stamp))
  }

  /// Reads the files when they have changed. Those that TLS does not take leave the old in use.
  func current() -> NIOSSLContext {
    let files = files
    return state.withLock { state in
      let stamp = files.stamp
      guard stamp != state.stamp else { return state.context }
      // Half written files change once more.
      state.stamp = stamp
      if let context = try? files.context() { state.context = context }
      return state.context
    }
  }
}
