import Controller

/// Where the control API is served, and who may use it: `control` in HOST.yaml.
public struct ControlPlan: Sendable, Equatable {
  /// The Unix socket.
  public var socket: String
  /// Where desired state and audit log are kept.
  public var stateDirectory: String
  /// Permissions of user ids on the Unix socket, beside root's and the daemon's own user's.
  public var users: [UInt32: Set<Permission>]
  /// TCP with mutual TLS; nil for none.
  public var tls: TLS?

  public struct TLS: Sendable, Equatable {
    /// An IPv4 or IPv6 address.
    public var address: String
    public var port: Int
    /// PEM files: the server's certificate, its key, and the authorities of callers' certificates.
    public var certificates: String
    public var key: String
    public var authorities: String
    /// Permissions by the name in a caller's certificate.
    public var identities: [String: Set<Permission>]
  }
}

/// What serves the control API of a host; made by the program, which knows of its transport.
public protocol ControlPoint {
  /// Puts the stored state in force, or what a host without one begins with, and listens.
  ///
  /// No packet is judged before it returns. On the main thread.
  func begin(_ dataPlane: any DataPlane) throws(DaemonFailure)

  /// Takes no more calls, and ends those that are under way. On the main thread.
  func end()
}
