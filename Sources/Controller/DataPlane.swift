import HostPlan
import VPCModel

/// What the controller needs of the data plane that it drives.
///
/// Implemented by the daemon, and by tests. Calls come one at a time from the controller; reads may
/// come at any time.
public protocol DataPlane: Sendable {
  /// Makes a desired state the one that every packet is judged by.
  ///
  /// Opens the ports that are new and closes those that are gone. Returns when each worker uses it
  /// (quiescent states): no packet that a worker takes up later is judged by what was there before,
  /// and none touches a port that was closed. Nothing has changed when it throws.
  func publish(_ state: PublishedState) async throws(DataPlaneError) -> PublishReport

  /// What would become of live connections and memory; changes nothing.
  func preview(_ state: PublishedState) async throws(DataPlaneError) -> PublishReport

  /// Tries again to open ports of a restored state that could not be opened.
  ///
  /// - Returns: why those are not open that still cannot be, by network interface.
  func openMissingPorts() async -> [String: String]

  /// The counters of this moment.
  func counters() async -> HostCounters

  /// Live connections, at most `limit` of those that match, and whether there are more.
  func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionList

  /// Packets as they are judged. Ends when a limit is reached; whoever lets go of the stream ends
  /// it too.
  func trace(_ request: TraceRequest) async throws(ObservationError)
    -> AsyncStream<ObservationBatch<TracedPacket>>

  /// Packets with their frames, in the same way.
  func capture(_ request: CaptureRequest) async throws(ObservationError)
    -> AsyncStream<ObservationBatch<CapturedPacket>>

  /// Judges packets by a candidate that `preview` took, beside the tables in use. Ends when its
  /// time is over or other tables come into use; whoever lets go of the session ends it too.
  func shadow(_ plan: ShadowPlan) async throws(ObservationError) -> any ShadowSession

  /// Ends all traces, captures and shadows, and refuses others from here on.
  func endObservations() async
}

extension DataPlane {
  public func openMissingPorts() async -> [String: String] { [:] }
}

/// A state to publish.
public struct PublishedState: Sendable {
  /// Grows with every change; packets' cached verdicts of older generations are stale.
  public var generation: UInt64
  public var model: VPCModel
  /// The ports of guests, all of them: others are closed.
  public var ports: [GuestPlan]
  /// What happens to tracked connections whose rule is gone; nil as the model's policy says.
  public var onRuleChange: Policy.RuleChange?
  /// What was stored before a restart: ports that cannot be opened are left out and reported.
  public var isRestored: Bool

  public init(
    generation: UInt64, model: VPCModel, ports: [GuestPlan] = [],
    onRuleChange: Policy.RuleChange? = nil, isRestored: Bool = false
  ) {
    self.generation = generation
    self.model = model
    self.ports = ports
    self.onRuleChange = onRuleChange
    self.isRestored = isRestored
  }
}

/// What a publication did, or would do.
public struct PublishReport: Sendable, Equatable {
  /// Live connections that the new rules no longer allow, by network interface.
  public var affectedConnections: [String: Int]
  /// Bytes of the images that the tables view.
  public var tableBytes: Int
  /// Why ports of a restored state are not open, by network interface.
  public var unopenedPorts: [String: String]

  public init(
    affectedConnections: [String: Int] = [:], tableBytes: Int = 0,
    unopenedPorts: [String: String] = [:]
  ) {
    self.affectedConnections = affectedConnections
    self.tableBytes = tableBytes
    self.unopenedPorts = unopenedPorts
  }
}

/// Why the data plane refuses a state; it goes on with the one before.
public enum DataPlaneError: Error, Sendable, Equatable {
  /// A capacity that is fixed from start would be exceeded.
  case full(what: String, limit: Int, asked: Int)
  /// A port cannot be attached or detached.
  case port(networkInterface: String, why: String, advice: String)
  /// Something that cannot change while the data plane runs, such as `host.address`.
  case fixed(what: String)
  /// A worker did not take up the new generation in time.
  case workersDoNotPass(seconds: Int)
}

/// The counters of a host at one moment.
public struct HostCounters: Sendable, Equatable {
  public struct Interface: Sendable, Equatable {
    public var id: String
    public var connections: UInt64 = 0
    /// By the names of the model's section on counters, such as `pps_allowance_exceeded`,
    /// `packets_in`.
    public var values: [String: UInt64] = [:]
    public var dropsByReason: [String: UInt64] = [:]

    public init(id: String) { self.id = id }
  }

  public struct Port: Sendable, Equatable {
    /// `uplink`, or the network interface of the guest.
    public var name: String
    public var isUp = false
    public var values: [String: UInt64] = [:]
    public var dropsByReason: [String: UInt64] = [:]

    public init(name: String) { self.name = name }
  }

  /// Nanoseconds since the data plane began.
  public var uptime: UInt64 = 0
  public var generation: UInt64 = 0
  public var interfaces: [Interface] = []
  public var ports: [Port] = []
  /// Of each worker, by name.
  public var workers: [[String: UInt64]] = []
  /// Packets that each rule allowed or denied, by the rule's id.
  public var ruleHits: [String: UInt64] = [:]

  public init() {}
}

/// Which live connections to list; nil is any.
public struct ConnectionFilter: Sendable, Equatable {
  public var networkInterface: String?
  public var protocolNumber: UInt8?
  /// An address or prefix that either end has, as text.
  public var address: String?
  /// A port that either end has.
  public var port: UInt16?

  public init() {}
}

/// Some live connections.
public struct ConnectionList: Sendable, Equatable {
  public struct Connection: Sendable, Equatable {
    public var networkInterface: String
    public var protocolNumber: UInt8
    public var localAddress: String
    public var localPort: UInt16
    public var remoteAddress: String
    public var remotePort: UInt16
    /// Such as `established`, `syn-sent`, `udp`.
    public var state: String
    /// The rule that allowed it.
    public var rule: String
    public var packets: UInt64
    public var bytes: UInt64
    /// Nanoseconds until it expires when nothing comes.
    public var expiresIn: UInt64

    public init(
      networkInterface: String, protocolNumber: UInt8, localAddress: String, localPort: UInt16,
      remoteAddress: String, remotePort: UInt16, state: String, rule: String, packets: UInt64,
      bytes: UInt64, expiresIn: UInt64
    ) {
      self.networkInterface = networkInterface
      self.protocolNumber = protocolNumber
      self.localAddress = localAddress
      self.localPort = localPort
      self.remoteAddress = remoteAddress
      self.remotePort = remotePort
      self.state = state
      self.rule = rule
      self.packets = packets
      self.bytes = bytes
      self.expiresIn = expiresIn
    }
  }

  public var connections: [Connection]
  public var isCut: Bool

  public init(connections: [Connection] = [], isCut: Bool = false) {
    self.connections = connections
    self.isCut = isCut
  }
}
