import Datapath
import Live
import Tables
import Wire

/// The connections that began while somebody looked: an engine that saw their first packet can
/// follow them. The newest ones, of a bounded number.
struct FollowedConnections {
  /// Both directions of a connection have the same.
  struct Key: Hashable {
    private struct End: Hashable {
      var address: IPAddress
      var port: UInt16

      func isBefore(_ other: End) -> Bool {
        address == other.address ? port < other.port : address < other.address
      }
    }

    /// The interface stands for the address of its guest, which a gateway translates.
    private var nic = TableIndex.none
    private var first: End
    private var second: End
    private var transport: UInt8

    /// nil for what does not tell its connection, as a later fragment does not.
    init?(_ packet: ObservedPacket) {
      guard packet.hasAddresses else { return nil }
      transport = packet.transport
      let countsPorts = transport == IPProtocol.tcp || transport == IPProtocol.udp
      if countsPorts && !packet.hasPorts { return nil }
      let source = End(address: packet.source, port: countsPorts ? packet.sourcePort : 0)
      let target = End(address: packet.destination, port: countsPorts ? packet.destinationPort : 0)
      let nowhere = IPAddress(v4: 0)
      switch packet.direction {
      case .egress:
        nic = packet.nic
        first = target
        second = End(address: nowhere, port: source.port)
      case .ingress:
        nic = packet.nic
        first = source
        second = End(address: nowhere, port: target.port)
      case .local, .none:
        let isOrdered = source.isBefore(target)
        first = isOrdered ? source : target
        second = isOrdered ? target : source
      }
    }
  }

  private let limit: Int
  private var newest: Set<Key> = []
  private var older: Set<Key> = []

  /// - Parameter limit: of connections; half of them at least are the newest.
  init(limit: Int = ShadowEngine.connections) { self.limit = limit }

  /// Whether an engine that saw the packets before can judge this one as its worker did.
  mutating func follows(_ packet: ObservedPacket) -> Bool {
    guard packet.verdict == .forward, packet.state == .new || packet.state == .established,
      let key = Key(packet)
    else { return true }
    if newest.contains(key) { return true }
    guard packet.state == .new || older.contains(key) else { return false }
    newest.insert(key)
    if newest.count * 2 >= limit {
      older = newest
      newest = []
    }
    return true
  }
}
