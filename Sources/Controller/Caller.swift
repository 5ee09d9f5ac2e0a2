/// What a caller may do; an identity has an allow-list of these.
public enum Permission: String, Sendable, CaseIterable {
  /// Read desired state and status, and watch them.
  case read
  /// Read counters and live connections.
  case counters
  /// Change rules: every kind of object but ports.
  case apply
  /// Attach and detach guests' ports.
  case ports
  /// Ask why packets are dropped.
  case trace
  /// Capture packets, headers only.
  case capture
  /// Capture whole packets.
  case payload
  /// Read the audit log.
  case audit
}

/// Who calls: proven by the kernel (Unix socket) or by a certificate (TLS), never claimed.
public struct Caller: Sendable, Hashable {
  public enum Proof: Sendable, Hashable {
    /// SO_PEERCRED of a Unix socket.
    case process(user: UInt32, group: UInt32, process: Int32)
    /// Subject alternative name of the client's certificate, and its SHA-256 fingerprint.
    case certificate(fingerprint: String)
    /// Nothing was proven; such a caller may do nothing and is only recorded.
    case none
  }

  /// `uid:0`, or the name in the certificate.
  public var name: String
  public var proof: Proof
  public var permissions: Set<Permission>

  public init(name: String, proof: Proof, permissions: Set<Permission>) {
    self.name = name
    self.proof = proof
    self.permissions = permissions
  }
}
