import VPCModel
import Wire

/// What a network interface counts, by the contract's "Counters a guest or operator asks for".
public struct ReferenceCounters: Sendable, Equatable {
  public var packetsIn: UInt64 = 0
  public var packetsOut: UInt64 = 0
  public var bytesIn: UInt64 = 0
  public var bytesOut: UInt64 = 0
  public var bandwidthInExceeded: UInt64 = 0
  public var bandwidthOutExceeded: UInt64 = 0
  public var packetsExceeded: UInt64 = 0
  public var connectionsExceeded: UInt64 = 0
  public var linkLocalExceeded: UInt64 = 0
  public var drops: [DropReason: UInt64] = [:]

  public init() {}

  /// Packets that the network interface sent or received.
  mutating func add(_ flow: Flow, packets: Int, bytes: Int) {
    if flow == .egress {
      packetsOut += UInt64(packets)
      bytesOut += UInt64(bytes)
    } else {
      packetsIn += UInt64(packets)
      bytesIn += UInt64(bytes)
    }
  }
}

/// A tracked connection as somebody who asks sees it.
public struct ReferenceConnection: Sendable, Hashable {
  public var local: IPAddress
  public var remote: IPAddress
  public var protocolNumber: UInt8
  public var localPort: UInt16
  public var remotePort: UInt16
  public var rule: String
  public var beganByLocal: Bool
  /// Nanoseconds.
  public var deadline: UInt64
  /// Of TCP: 1 SYN sent, 2 SYN received, 3 established, 4 to 8 closing, 9 simultaneous open. Of
  /// UDP: packets of the local side, up to two, and 16 times those of the other side.
  public var state: UInt8

  public init(
    local: IPAddress, remote: IPAddress, protocolNumber: UInt8, localPort: UInt16,
    remotePort: UInt16, rule: String, beganByLocal: Bool, deadline: UInt64, state: UInt8
  ) {
    self.local = local
    self.remote = remote
    self.protocolNumber = protocolNumber
    self.localPort = localPort
    self.remotePort = remotePort
    self.rule = rule
    self.beganByLocal = beganByLocal
    self.deadline = deadline
    self.state = state
  }
}

extension ReferenceVPC {
  /// The model that packets are judged by.
  public var currentModel: VPCModel { model }

  /// What a network interface has counted; nil without it.
  public func counters(of id: String) -> ReferenceCounters? {
    nics.firstIndex { $0.nic.id == id }.map { memories[$0].counters }
  }

  /// Live connections of a network interface.
  public func connections(of id: String, at now: UInt64) -> Set<ReferenceConnection> {
    guard let index = nics.firstIndex(where: { $0.nic.id == id }) else { return [] }
    var found: Set<ReferenceConnection> = []
    for (key, connection) in memories[index].connections.entries where now < connection.deadline {
      var state: UInt8 = 0
      var remotePort = key.remotePort
      switch connection.tracking {
      case .tcp(let tracker): state = UInt8(tracker.state.rawValue)
      case .udp(let original, let reply):
        let own = connection.beganByLocal ? original : reply
        let others = connection.beganByLocal ? reply : original
        state = UInt8(min(2, own) + 16 * min(2, others))
      case .echo: remotePort = key.askedByLocal ? 0 : 1
      case .other: break
      }
      found.insert(
        ReferenceConnection(
          local: key.local, remote: key.remote, protocolNumber: key.protocolNumber,
          localPort: key.localPort, remotePort: remotePort, rule: connection.rule,
          beganByLocal: connection.beganByLocal, deadline: connection.deadline, state: state))
    }
    return found
  }
}
