import Datapath
import Explanation
import FlowLogs
import Replay
import Tables
import VPCModel
import Wire

/// Gathers, packet by packet, what a page about a replay shows, in memory that the number of
/// packets does not change.
public final class ReportCollector: ReplayObserver {
  /// Keys that are kept of addresses and of flows.
  public static let addressCapacity = 4096
  public static let flowCapacity = 8192
  /// Network interfaces whose use of allowances is kept over time: the first of the model.
  public static let interfaceCapacity = 64

  /// An address, by address, whichever interface judged the packet: VPCs may share addresses.
  public private(set) var addresses: HeavyHitters<IPAddress>
  /// Both directions together; a key's ports are in the order of the smaller endpoint first.
  public private(set) var flows: HeavyHitters<FlowTuple>
  public private(set) var time: TimeBuckets
  /// The model's index of each interface whose use is kept.
  public let limited: [Int]
  public private(set) var packetsWithoutAddress: UInt64 = 0
  /// Capture time of the first and the last packet; nil before the first.
  public private(set) var first: UInt64?
  public private(set) var last: UInt64 = 0

  private let nicCount: Int
  /// By index of the NIC: its place in `limited`, or -1.
  private let place: [Int]
  private var index = 0
  private var indexEnd: UInt64 = 0

  public init(
    model: VPCModel, addressCapacity: Int = ReportCollector.addressCapacity,
    flowCapacity: Int = ReportCollector.flowCapacity, buckets: Int = 512
  ) {
    let interfaces = model.networkInterfaces
    limited = Array(
      interfaces.indices.filter { interfaces[$0].limits.isAny }.prefix(Self.interfaceCapacity))
    nicCount = interfaces.count
    var place = [Int](repeating: -1, count: interfaces.count)
    for (index, nic) in limited.enumerated() { place[nic] = index }
    self.place = place
    addresses = HeavyHitters(capacity: addressCapacity)
    flows = HeavyHitters(capacity: flowCapacity)
    time = TimeBuckets(capacity: buckets, interfaces: limited.count)
  }

  public func observe(_ packet: ObservedPacket) {
    advance(to: packet.time)
    let outcome = packet.outcome
    time.change(index) { bucket in
      switch outcome.verdict {
      case .forward: bucket.forwarded += 1
      case .drop: bucket.dropped += 1
      case .reply: bucket.replied += 1
      case .consume: bucket.consumed += 1
      default: bucket.ignored += 1
      }
      bucket.bytes += UInt64(packet.bytes)
      if outcome.state == .new { bucket.newConnections += 1 }
    }
    if outcome.verdict == .forward && time.interfaces > 0 { charge(packet) }
    guard let tuple = packet.tuple else {
      packetsWithoutAddress += 1
      return
    }
    let bytes = UInt64(packet.bytes)
    let isDropped = outcome.verdict == .drop
    addresses.add(tuple.source, bytes: bytes, isForward: true, isDropped: isDropped)
    addresses.add(tuple.destination, bytes: bytes, isForward: false, isDropped: isDropped)
    let key = tuple.undirected
    flows.add(key, bytes: bytes, isForward: key == tuple, isDropped: isDropped)
  }

  public func sample(before next: UInt64, connections: (TableIndex) -> UInt32) -> UInt64 {
    if first != nil {
      var sum: UInt64 = 0
      for nic in 0..<nicCount {
        let count = UInt64(connections(TableIndex(nic)))
        sum += count
        if place[nic] >= 0 {
          time.changeUse(index, of: place[nic]) { $0.tracked = max($0.tracked, count) }
        }
      }
      time.change(index) { $0.tracked = max($0.tracked ?? 0, sum) }
    }
    advance(to: next)
    return indexEnd
  }

  /// Turns to the bucket of a time; time never goes back.
  private func advance(to recorded: UInt64) {
    if first == nil { first = recorded }
    last = max(last, recorded)
    if last >= indexEnd {
      index = time.index(of: last)
      indexEnd = time.end(of: index)
    }
  }

  /// Notes what a forwarded packet costs the interfaces that it left or entered.
  private func charge(_ packet: ObservedPacket) {
    let outcome = packet.outcome
    // The guest's Ethernet frame, without a tunnel.
    let bytes = packet.bytesOfIP + 14
    let isNew: UInt64 = outcome.state == .new ? 1 : 0
    func add(_ nic: TableIndex, isOut: Bool) {
      guard Int(nic) < place.count, place[Int(nic)] >= 0 else { return }
      time.changeUse(index, of: place[Int(nic)]) { use in
        if isOut { use.bytesOut += bytes } else { use.bytesIn += bytes }
        use.packets += 1
        use.newConnections += isNew
      }
    }
    switch outcome.direction {
    case .egress: add(outcome.nic, isOut: true)
    case .ingress: add(outcome.nic, isOut: false)
    case .local:
      add(outcome.nic, isOut: true)
      if let receiver = outcome.output.nicIndex { add(receiver, isOut: false) }
    case .none: break
    }
  }
}

extension Limits {
  /// Whether there is an allowance besides the one of link-local packets, which every NIC has.
  var isAny: Bool {
    bandwidthIn != nil || bandwidthOut != nil || packetsPerSecond != nil || connections != nil
      || connectionsPerSecond != nil
  }
}
