import Controller
import Glibc

/// Who may do what: the permissions of each identity. Whoever is not in it may do nothing.
public struct AccessPolicy: Sendable, Equatable {
  /// By user id, for callers over the Unix socket.
  public var users: [UInt32: Set<Permission>]
  /// By the name in the certificate, for callers over TLS.
  public var certificates: [String: Set<Permission>]

  public init(
    users: [UInt32: Set<Permission>] = [:], certificates: [String: Set<Permission>] = [:]
  ) {
    self.users = users
    self.certificates = certificates
  }

  /// Root and the user that this process runs as may do everything, nobody else anything.
  public static func ownersOnly() -> AccessPolicy {
    let all = Set(Permission.allCases)
    var policy = AccessPolicy(users: [0: all])
    policy.users[geteuid()] = all
    return policy
  }

  /// A caller whose credentials the kernel tells.
  func caller(_ credentials: PeerCredentials) -> Caller {
    Caller(
      name: "uid:\(credentials.user)",
      proof: .process(
        user: credentials.user, group: credentials.group, process: credentials.process),
      permissions: users[credentials.user] ?? [])
  }

  /// A caller whose certificate was verified.
  func caller(_ identity: CertificateIdentity) -> Caller {
    Caller(
      name: identity.name, proof: .certificate(fingerprint: identity.fingerprint),
      permissions: certificates[identity.name] ?? [])
  }
}

extension Caller {
  /// Nothing is known about this caller but where it came in.
  static func unknown(at listener: String) -> Caller {
    Caller(name: "unknown at \(listener)", proof: .none, permissions: [])
  }
}
