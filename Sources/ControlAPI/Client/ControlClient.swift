import ControlProtocol
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
import NIOCore

/// A connection to a control API.
public struct ControlClient: Sendable {
  /// The generated client, for calls that the functions of this type do not have.
  public let control: Apus_V1_Control.Client<HTTP2ClientTransport.Posix>

  public init(wrapping client: GRPCClient<HTTP2ClientTransport.Posix>) {
    control = Apus_V1_Control.Client(wrapping: client)
  }

  /// Files of a client's certificate and key, and of the authorities of the server's, all PEM.
  public struct Credentials: Sendable, Equatable {
    public var authorities: String
    public var certificate: String
    public var key: String

    public init(authorities: String, certificate: String, key: String) {
      self.authorities = authorities
      self.certificate = certificate
      self.key = key
    }
  }

  /// Connects, runs `body`, and closes the connection.
  ///
  /// - Parameters:
  ///   - credentials: needed for TLS, unused for a Unix socket.
  ///   - group: the threads to use; its owner ends them.
  /// - Throws: `RPCError` with the server's status, or what `body` throws.
  public static func with<Result: Sendable>(
    _ address: ControlAddress, credentials: Credentials? = nil, group: any EventLoopGroup,
    body: @Sendable (ControlClient) async throws -> Result
  ) async throws -> Result {
    let transport = try transport(address, credentials, group)
    return try await withGRPCClient(transport: transport) { client in
      try await body(ControlClient(wrapping: client))
    }
  }

  /// What a gRPC client connects with.
  public static func transport(
    _ address: ControlAddress, _ credentials: Credentials?, _ group: any EventLoopGroup
  ) throws -> HTTP2ClientTransport.Posix {
    let target: any ResolvableTarget
    switch address {
    case .unix(let path):
      return try HTTP2ClientTransport.Posix(
        target: .unixDomainSocket(path: path, authority: "localhost"),
        transportSecurity: .plaintext, eventLoopGroup: group)
    case .tls(let host, let port):
      if isIPv4(host) {
        target = .ipv4(address: host, port: port)
      } else if host.contains(":") {
        target = .ipv6(address: host, port: port)
      } else {
        target = .dns(host: host, port: port)
      }
    }
    guard let credentials else {
      throw RPCError(
        code: .unauthenticated, message: "\(address): TLS needs a certificate (give one)")
    }
    let security = HTTP2ClientTransport.Posix.TransportSecurity.mTLS(
      certificateChain: [.file(path: credentials.certificate, format: .pem)],
      privateKey: .file(path: credentials.key, format: .pem)
    ) { tls in
      tls.trustRoots = .certificates([.file(path: credentials.authorities, format: .pem)])
    }
    return try HTTP2ClientTransport.Posix(
      target: target, transportSecurity: security, eventLoopGroup: group)
  }

  private static func isIPv4(_ host: String) -> Bool {
    var address = in_addr()
    return inet_pton(AF_INET, host, &address) == 1
  }
}
