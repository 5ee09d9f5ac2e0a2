import Wire

/// What is known of one next hop on the underlay: a small part of RFC 4861 section 7.3.2, for ARP
/// as well.
///
/// An address is learnt from an answer to a request of ours, or from a request to us, which is then
/// confirmed by a request to it alone. It is good for 30 s, then asked for again while it is still
/// used. What does not answer three times is forgotten, and asked for every 5 s.
struct NeighborEntry {
  enum State: Equatable {
    /// No address is known; everybody is asked.
    case incomplete
    /// Confirmed.
    case reachable
    /// Known and used, but to be confirmed; only this address is asked.
    case probing
  }

  /// A request to send.
  enum Request: Equatable {
    case everybody
    case only(MACAddress)
  }

  static let second: UInt64 = 1_000_000_000
  /// RFC 4861 section 10: REACHABLE_TIME, RETRANS_TIMER, MAX_UNICAST_SOLICIT.
  static let reachableTime = 30 * second
  static let retryInterval = second
  static let quickAttempts = 3
  /// Between requests to a neighbour that does not answer.
  static let patience = 5 * second

  private(set) var state = State.incomplete
  private(set) var mac: MACAddress?
  /// Requests since the last answer.
  private(set) var attempts = 0
  /// When `next` has something to do, in nanoseconds.
  private(set) var deadline: UInt64 = 0

  /// The request that is due, if one is.
  ///
  /// - Parameter now: nanoseconds of a clock that never goes back.
  mutating func next(now: UInt64) -> Request? {
    guard now >= deadline else { return nil }
    if state == .reachable {
      state = .probing
      attempts = 0
    }
    if state == .probing, attempts == Self.quickAttempts {
      state = .incomplete
      mac = nil
      attempts = 0
    }
    attempts = min(attempts + 1, Self.quickAttempts)
    let isSlow = state == .incomplete && attempts == Self.quickAttempts
    deadline = now + (isSlow ? Self.patience : Self.retryInterval)
    if let mac { return .only(mac) }
    return .everybody
  }

  /// Takes an answer to a request of ours; any other is left alone.
  ///
  /// - Parameter overrides: a new address may take the place of the known one (RFC 4861 section
  ///   4.4); so do all ARP replies.
  mutating func confirm(_ address: MACAddress, overrides: Bool, now: UInt64) {
    guard state != .reachable, attempts > 0, Self.isStation(address) else { return }
    if let mac, mac != address, !overrides { return }
    mac = address
    state = .reachable
    attempts = 0
    deadline = now + Self.reachableTime
  }

  /// Takes the sender of a request to us, which may be anybody: it is confirmed next.
  mutating func hear(_ address: MACAddress, now: UInt64) {
    guard mac != address, Self.isStation(address) else { return }
    mac = address
    state = .probing
    attempts = 0
    deadline = now
  }

  private static func isStation(_ address: MACAddress) -> Bool {
    !address.isMulticast && address.bits != 0
  }
}
