import Wire

/// Where the service thread has the next hops of tunnel packets from.
///
/// Both kinds are asked in the same way: `tick` every so often, `ask` when a worker missed one, and
/// then `words` for what changed.
enum UnderlayNeighbors {
  /// No uplink: nothing is ever sent there.
  case none
  /// The kernel's neighbour table.
  case kernel(KernelNextHops)
  /// Our own ARP and neighbour discovery.
  case own(NeighborCache)

  /// Whether `tick` is wanted soon, as a worker misses a next hop that is being looked up.
  var isAwaited: Bool {
    if case .kernel(let hops) = self { return hops.isAwaited }
    return false
  }

  /// Whether `words` may be others than when this was asked last.
  mutating func takeChange() -> Bool {
    switch self {
    case .none: return false
    case .kernel: return true
    case .own(var cache):
      self = .none
      defer { self = .own(cache) }
      return cache.takeChange()
    }
  }

  /// The word of each endpoint, in the order of the rule tables.
  var words: [UInt64] {
    switch self {
    case .none: []
    case .kernel(let hops): hops.words
    case .own(let cache): cache.words
    }
  }

  /// Does what is due.
  ///
  /// - Parameters:
  ///   - now: nanoseconds of a clock that never goes back.
  ///   - send: gets whole Ethernet frames for the underlay.
  mutating func tick(now: UInt64, send: ([UInt8]) -> Void) {
    switch self {
    case .none: return
    case .kernel(var hops):
      self = .none
      hops.tick(now: now)
      self = .kernel(hops)
    case .own(var cache):
      // Taken out, so that it is changed in place.
      self = .none
      cache.poll(now: now, send: send)
      self = .own(cache)
    }
  }

  /// Other tunnel endpoints have the numbers from here on; what is known of those that stay is
  /// kept.
  ///
  /// - Parameter endpoints: by their numbers in the tables; nil for a number that nobody has.
  mutating func replaceEndpoints(_ endpoints: [IPAddress?]) {
    switch self {
    case .none: return
    case .kernel(var hops):
      self = .none
      hops.replaceEndpoints(endpoints)
      self = .kernel(hops)
    case .own(var cache):
      self = .none
      cache.replaceEndpoints(endpoints)
      self = .own(cache)
    }
  }

  /// A worker dropped a packet for want of an endpoint's next hop.
  mutating func ask(endpoint: Int, now: UInt64) {
    guard case .kernel(var hops) = self else { return }
    self = .none
    hops.ask(endpoint: endpoint, now: now)
    self = .kernel(hops)
  }

  /// Takes an ARP or neighbour discovery frame from the underlay.
  ///
  /// - Returns: the answer, if there is one.
  mutating func receive(_ frame: UnsafeRawBufferPointer, now: UInt64) -> [UInt8]? {
    guard case .own(var cache) = self else { return nil }
    self = .none
    let answer = cache.receive(frame, now: now)
    self = .own(cache)
    return answer
  }
}
