/// Which packets to look at; nil is any. Addresses and ports are those of the guest's packet,
/// inside of a tunnel.
public struct PacketFilter: Sendable, Equatable {
  /// One end of a packet.
  public struct End: Sendable, Equatable {
    /// An address or prefix, as text.
    public var address: String?
    /// Of TCP, UDP and SCTP.
    public var ports: ClosedRange<UInt16>?

    public init(address: String? = nil, ports: ClosedRange<UInt16>? = nil) {
      self.address = address
      self.ports = ports
    }
  }

  public enum Direction: String, Sendable {
    /// Sent by a guest of this host.
    case egress
    /// Came from the underlay.
    case ingress
  }

  /// Sent by this one, or for it.
  public var networkInterface: String?
  public var protocolNumber: UInt8?
  public var source = End()
  public var destination = End()
  /// Packets whose ends are swapped match too.
  public var matchesBothWays = false
  public var direction: Direction?
  /// Of the tunnel that the packet came by.
  public var vni: UInt32?
  /// Only what is dropped.
  public var isDropped = false
  /// Only what is dropped for this reason, such as `sg.ingress`.
  public var reason: String?

  public init() {}

  /// What is asked, for the audit log.
  var text: String {
    var parts: [String] = []
    if let protocolNumber { parts.append("protocol \(protocolNumber)") }
    if let text = Self.text(source) { parts.append("from \(text)") }
    if let text = Self.text(destination) { parts.append("to \(text)") }
    if matchesBothWays { parts.append("both ways") }
    if let direction { parts.append(direction.rawValue) }
    if let vni { parts.append("VNI \(vni)") }
    if isDropped || reason != nil { parts.append("dropped") }
    if let reason { parts.append(reason) }
    return parts.isEmpty ? "all packets" : parts.joined(separator: " ")
  }

  private static func text(_ end: End) -> String? {
    if end == End() { return nil }
    let ports = end.ports.map { " ports \($0.lowerBound)-\($0.upperBound)" } ?? ""
    return (end.address ?? "any address") + ports
  }
}

/// When an observation ends by itself.
public struct ObservationLimits: Sendable, Equatable {
  public var packets: Int
  /// Of frames; without meaning for a trace.
  public var bytes: Int
  public var seconds: Int

  public init(packets: Int, bytes: Int = .max, seconds: Int) {
    self.packets = packets
    self.bytes = bytes
    self.seconds = seconds
  }

  var text: String { "at most \(packets) packets in \(seconds) s" }
}
