import Wire

/// The next hops of a host whose network card the kernel does not know: asks for their MAC
/// addresses by ARP (RFC 826) and neighbour discovery (RFC 4861), and answers who asks for ours.
struct NeighborCache {
  /// Frames that one call of `poll` composes at most, so that a large model does not flood the
  /// link.
  static let burst = 32

  private let messages: NeighborMessages
  private var hops: UnderlayRoutes
  private let gatewayMAC: MACAddress
  private let gateway: IPAddress?
  private var entries: [NeighborEntry]
  private var indices: [IPAddress: Int]
  /// Where the next poll begins.
  private var cursor = 0
  private var hasChanged = true

  /// - Parameters:
  ///   - address: this host's tunnel address.
  ///   - mac: the uplink's own MAC address.
  ///   - gatewayMAC: the address used for the gateway until it has answered, and for everything off
  ///     the link when there is no gateway.
  init(
    address: IPAddress, mac: MACAddress, hops: UnderlayRoutes, gateway: IPAddress?,
    gatewayMAC: MACAddress
  ) {
    messages = NeighborMessages(address: address, mac: mac)
    self.hops = hops
    self.gateway = gateway
    self.gatewayMAC = gatewayMAC
    entries = hops.neighbors.map { _ in NeighborEntry() }
    indices = Self.indices(of: hops.neighbors)
  }

  private static func indices(of neighbors: [IPAddress]) -> [IPAddress: Int] {
    Dictionary(uniqueKeysWithValues: neighbors.enumerated().map { ($0.element, $0.offset) })
  }

  /// Other endpoints have the numbers; what is known of neighbours that stay is kept.
  mutating func replaceEndpoints(_ endpoints: [IPAddress?]) {
    let next = hops.replacingEndpoints(endpoints)
    entries = next.neighbors.map { entry($0) ?? NeighborEntry() }
    indices = Self.indices(of: next.neighbors)
    hops = next
    cursor = 0
    hasChanged = true
  }

  /// The word of each endpoint.
  var words: [UInt64] {
    hops.hops.map { hop in
      guard case .neighbor(let address) = hop else {
        return hop == .gatewayMAC ? NeighborWord.resolved(gatewayMAC) : NeighborWord.unresolved
      }
      if let mac = entry(address)?.mac { return NeighborWord.resolved(mac) }
      // Until the gateway has answered, the model's word for it counts.
      return address == gateway ? NeighborWord.resolved(gatewayMAC) : NeighborWord.unresolved
    }
  }

  /// Whether `words` may be others than when this was asked last.
  mutating func takeChange() -> Bool {
    defer { hasChanged = false }
    return hasChanged
  }

  func entry(_ address: IPAddress) -> NeighborEntry? { indices[address].map { entries[$0] } }

  /// Composes the requests that are due.
  ///
  /// - Parameters:
  ///   - now: nanoseconds of a clock that never goes back.
  ///   - send: gets whole Ethernet frames.
  mutating func poll(now: UInt64, send: ([UInt8]) -> Void) {
    var sent = 0
    for _ in 0..<entries.count where sent < Self.burst {
      let index = cursor
      cursor = (cursor + 1) % entries.count
      let known = entries[index].mac
      guard let request = entries[index].next(now: now) else { continue }
      if entries[index].mac != known { hasChanged = true }
      sent += 1
      switch request {
      case .everybody: send(messages.request(hops.neighbors[index], to: nil))
      case .only(let mac): send(messages.request(hops.neighbors[index], to: mac))
      }
    }
  }

  /// Takes a frame from the underlay that is no tunnel packet.
  ///
  /// - Returns: the answer to a question for our address, if it was one.
  mutating func receive(_ frame: UnsafeRawBufferPointer, now: UInt64) -> [UInt8]? {
    switch messages.read(frame) {
    case .question(let sender, let mac):
      if let sender { change(sender) { $0.hear(mac, now: now) } }
      return messages.answer(to: sender, at: mac)
    case .answer(let address, let mac, let overrides):
      change(address) { $0.confirm(mac, overrides: overrides, now: now) }
      return nil
    case nil: return nil
    }
  }

  private mutating func change(_ address: IPAddress, _ body: (inout NeighborEntry) -> Void) {
    guard let index = indices[address] else { return }
    let known = entries[index].mac
    body(&entries[index])
    if entries[index].mac != known { hasChanged = true }
  }
}
