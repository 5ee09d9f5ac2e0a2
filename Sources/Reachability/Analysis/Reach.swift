import Wire

/// Who is at the other end.
public enum ReachPeer: Hashable, Sendable {
  /// A network interface of the model.
  case interface(String)
  /// Network interfaces on other hosts, in a VPC: the addresses of its mappings.
  case mappings(vpc: String)
  /// What is outside, through an internet gateway.
  case gateway(String)
}

/// What passes between an address of the network interface in question and a peer.
public struct ReachEntry: Hashable, Sendable {
  public var peer: ReachPeer
  /// The address of the interface in question.
  public var own: IPAddress
  /// By the peer's address: the source of what the interface receives, the destination of what it
  /// sends.
  public var traffic: TrafficSet
}

/// Everything that may begin a conversation with a network interface, or that it may begin.
public struct Reach: Hashable, Sendable {
  public enum Direction: Hashable, Sendable {
    /// What the interface accepts.
    case to
    /// What the interface reaches.
    case from
  }

  public var interface: String
  public var direction: Direction
  /// In the order of the interface's addresses, then of the model; none of them is empty.
  public var entries: [ReachEntry]

  public init(interface: String, direction: Direction, entries: [ReachEntry] = []) {
    self.interface = interface
    self.direction = direction
    self.entries = entries
  }

  /// What passes between an address of the interface and a peer.
  public func traffic(_ peer: ReachPeer, own: IPAddress) -> TrafficSet {
    entries.first { $0.peer == peer && $0.own == own }?.traffic ?? .refused
  }
}
