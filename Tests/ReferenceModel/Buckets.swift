import VPCModel

/// A token bucket in exact arithmetic: it holds billionths of a unit.
struct Bucket {
  /// Units per second, which are billionths of a unit per nanosecond.
  let rate: UInt128
  let depth: UInt128
  private var level: UInt128
  private var time: UInt64?

  /// A full bucket.
  ///
  /// - Parameter depth: in units; without it, one second's worth.
  init(rate: UInt64, depth: UInt64? = nil) {
    self.rate = UInt128(rate)
    self.depth = UInt128(depth ?? rate) * 1_000_000_000
    level = self.depth
  }

  func holds(_ units: Int, at now: UInt64) -> Bool {
    filled(at: now) >= UInt128(units) * 1_000_000_000
  }

  mutating func take(_ units: Int, at now: UInt64) {
    level = filled(at: now) - UInt128(units) * 1_000_000_000
    time = now
  }

  private func filled(at now: UInt64) -> UInt128 {
    guard let time else { return level }
    return min(depth, level + rate * UInt128(now - time))
  }
}

/// The allowances of a network interface that refill.
struct Buckets {
  var linkLocal: Bucket
  var connections: Bucket?
  var packets: Bucket?
  /// In bits.
  var egress: Bucket?
  var ingress: Bucket?

  init(_ limits: Limits) {
    linkLocal = Bucket(rate: limits.linkLocalPacketsPerSecond)
    connections = limits.connectionsPerSecond.map { Bucket(rate: $0) }
    packets = limits.packetsPerSecond.map { Bucket(rate: $0) }
    let depth = limits.burst.map { $0 * 8 }
    egress = limits.bandwidthOut.map { Bucket(rate: $0, depth: depth) }
    ingress = limits.bandwidthIn.map { Bucket(rate: $0, depth: depth) }
  }

  /// The first bucket that cannot pay for packets of `bytes` together; nil when all can.
  func refusal(
    _ flow: Flow, packets count: Int, bytes: Int, isNew: Bool, at now: UInt64
  ) -> LimitRefusal? {
    if isNew, let connections, !connections.holds(1, at: now) { return .connectionRate }
    if let packets, !packets.holds(count, at: now) { return .packets }
    let bandwidth = flow == .egress ? egress : ingress
    if let bandwidth, !bandwidth.holds(bytes * 8, at: now) { return .bandwidth }
    return nil
  }

  mutating func charge(
    _ flow: Flow, packets count: Int, bytes: Int, isNew: Bool, at now: UInt64
  ) {
    if isNew { connections?.take(1, at: now) }
    packets?.take(count, at: now)
    if flow == .egress {
      egress?.take(bytes * 8, at: now)
    } else {
      ingress?.take(bytes * 8, at: now)
    }
  }
}

enum LimitRefusal { case connectionRate, packets, bandwidth }
