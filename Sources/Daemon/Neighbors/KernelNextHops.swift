import Wire

/// The next hops of a host whose uplink belongs to the kernel: asks the kernel's routes and
/// neighbour table, again and again, and has it resolve what it does not know.
struct KernelNextHops {
  /// Asks the kernel: the MAC address to which it would send a packet for an address. nil while it
  /// does not know, and then it finds out meanwhile.
  typealias Resolve = (IPAddress) -> MACAddress?

  /// Between two looks at the whole table.
  static let interval: UInt64 = 500_000_000
  /// Endpoints that are looked up in one call of `tick`.
  static let burst = 256

  private var endpoints: [IPAddress?]
  private let resolve: Resolve
  private(set) var words: [UInt64]
  /// The next endpoint of the look under way; the count of them when it is over.
  private var cursor = 0
  private var nextLook: UInt64 = 0
  /// When an endpoint that a worker missed is looked up again.
  private var askedFor: [Int: UInt64] = [:]

  init(endpoints: [IPAddress?], resolve: @escaping Resolve) {
    self.endpoints = endpoints
    self.resolve = resolve
    words = Array(repeating: NeighborWord.unresolved, count: endpoints.count)
  }

  /// Other endpoints have the numbers; the words of those that stay go with them.
  mutating func replaceEndpoints(_ next: [IPAddress?]) {
    var known: [IPAddress: UInt64] = [:]
    for (endpoint, word) in zip(endpoints, words) {
      if let endpoint { known[endpoint] = word }
    }
    endpoints = next
    words = next.map { endpoint in
      endpoint.flatMap { known[$0] } ?? NeighborWord.unresolved
    }
    cursor = 0
    askedFor = [:]
  }

  /// Looks up what is due.
  mutating func tick(now: UInt64) {
    for (endpoint, time) in askedFor where now >= time {
      askedFor[endpoint] = nil
      look(endpoint)
    }
    if cursor == endpoints.count, now >= nextLook { cursor = 0 }
    if cursor == 0 { nextLook = now + Self.interval }
    let end = min(cursor + Self.burst, endpoints.count)
    for endpoint in cursor..<end { look(endpoint) }
    cursor = end
  }

  /// Asks the kernel about an endpoint at once, and once more when it had time to find out.
  mutating func ask(endpoint: Int, now: UInt64) {
    guard endpoints.indices.contains(endpoint), askedFor[endpoint] == nil else { return }
    look(endpoint)
    if words[endpoint] == NeighborWord.unresolved { askedFor[endpoint] = now + 5_000_000 }
  }

  /// When `tick` has something to do before its time, because a worker waits for it.
  var isAwaited: Bool { !askedFor.isEmpty }

  private mutating func look(_ endpoint: Int) {
    guard let address = endpoints[endpoint] else { return }
    words[endpoint] =
      resolve(address).map { NeighborWord.resolved($0) } ?? NeighborWord.unresolved
  }
}
