import Wire

/// The next hop to each tunnel endpoint.
struct UnderlayRoutes: Sendable {
  /// Where frames to an endpoint go.
  enum Hop: Sendable, Equatable {
    /// To the MAC address of a neighbour, which has to be asked for.
    case neighbor(IPAddress)
    /// To `host.gatewayMAC`, as nobody knows the gateway's address.
    case gatewayMAC
    /// Nowhere: nobody has the endpoint's number.
    case nowhere
  }

  let hops: [Hop]
  /// The neighbours, each once.
  let neighbors: [IPAddress]
  private let link: IPPrefix?
  private let gateway: IPAddress?

  /// - Parameters:
  ///   - endpoints: underlay addresses in the order of the rule tables; nil for a number that
  ///     nobody has.
  ///   - link: what can be reached without a router; nil when that is not known.
  ///   - gateway: the router behind the link.
  /// - Complexity: linear in the number of endpoints.
  init(endpoints: [IPAddress?], link: IPPrefix?, gateway: IPAddress?) {
    self.link = link
    self.gateway = gateway
    hops = endpoints.map { endpoint in
      guard let endpoint else { return .nowhere }
      if let link, link.contains(endpoint) { return .neighbor(endpoint) }
      return gateway.map { .neighbor($0) } ?? .gatewayMAC
    }
    var known: Set<IPAddress> = []
    neighbors = hops.compactMap { hop in
      guard case .neighbor(let address) = hop, known.insert(address).inserted else { return nil }
      return address
    }
  }

  /// The routes to other endpoints by the same link.
  func replacingEndpoints(_ endpoints: [IPAddress?]) -> UnderlayRoutes {
    UnderlayRoutes(endpoints: endpoints, link: link, gateway: gateway)
  }
}

/// A next hop as workers read it.
enum NeighborWord {
  /// Bit 63 set, and the MAC address in the low 48 bits.
  static func resolved(_ mac: MACAddress) -> UInt64 { 1 << 63 | mac.bits }
  static let unresolved: UInt64 = 0
}
