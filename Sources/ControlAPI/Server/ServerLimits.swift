/// What callers can take of the server, so that none takes all of it.
public struct ServerLimits: Sendable, Equatable {
  /// Bytes of a message.
  public var messageBytes = 1 << 20
  /// Bytes of all documents that are being received or applied, together.
  public var applyBytes = 256 << 20
  /// Connections of a listener, also those that have not yet proven who calls.
  public var connections = 256
  public var connectionsPerCaller = 64
  /// Calls at once in a connection.
  public var callsPerConnection = 64
  /// Calls at once, without watchers.
  public var calls = 128
  /// Calls that stay: watchers of status, health and descriptors.
  public var watchers = 1024
  public var watchersPerCaller = 128
  /// From the connection to the first call.
  public var handshakeTimeout = Duration.seconds(10)
  /// A request of which nothing comes for so long is refused.
  public var requestTimeout = Duration.seconds(15)
  /// A call that is not done by then is ended; watchers may stay.
  public var callTimeout = Duration.seconds(600)
  /// A connection without a call is closed.
  public var idleTimeout = Duration.seconds(300)
  /// When nothing comes the server asks whether the caller is still there.
  public var keepalive = Duration.seconds(30)
  public var keepaliveTimeout = Duration.seconds(10)
  /// How long calls have to end when the server ends.
  public var graceTime = Duration.seconds(5)

  public init() {}
}
