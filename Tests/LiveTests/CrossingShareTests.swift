import Datapath
import TestPackets
import Testing
import VPCModel
import Wire

@testable import Live

/// Guests whose packets go to another worker, which is slower than they are.
@Suite struct CrossingShareTests {
  private static func datagram(of mac: MACAddress, _ source: String, port: UInt16) -> [UInt8] {
    LiveHost.frame(
      mac, Compose.ipv4(source, "10.0.1.20", protocol: 17, Compose.udp(port, 7)))
  }

  /// From the other host to a guest.
  private static func tunnel(to mac: MACAddress, _ destination: String, port: UInt16) -> [UInt8] {
    LiveHost.tunnel(
      Compose.ethernet(
        to: mac, from: LiveHost.remote,
        Compose.ipv4("10.0.1.20", destination, protocol: 17, Compose.udp(port, 7))))
  }

  enum Way: CaseIterable, Sendable {
    case fromGuests, toGuests

    func frame(_ mac: MACAddress, _ address: String, _ port: UInt16) -> [UInt8] {
      switch self {
      case .fromGuests: datagram(of: mac, address, port: port)
      case .toGuests: tunnel(to: mac, address, port: port)
      }
    }
    func attack(_ port: UInt16) -> [UInt8] { frame(LiveHost.web, "10.0.1.10", port) }
    func plain(_ port: UInt16) -> [UInt8] { frame(LiveHost.data, "10.0.1.11", port) }

    var attackedPort: Int { self == .fromGuests ? LiveHost.webPort : 0 }
    var plainPort: Int { self == .fromGuests ? LiveHost.dataPort : 0 }
    /// Where the neighbour's packets leave.
    var end: Int { self == .fromGuests ? 0 : LiveHost.dataPort }
  }

  /// Two workers of a host that divide its connections.
  private struct Pair: ~Copyable {
    let host: LiveHost
    let allowances: SharedAllowances
    var first: LiveWorker<WireIO>
    var second: LiveWorker<WireIO>

    init() throws {
      host = try LiveHost(workers: 2)
      allowances = SharedAllowances(nicCapacity: LiveHost.nicCapacity)
      first = host.worker(0, sharing: allowances, among: 2)
      second = host.worker(1, sharing: allowances, among: 2)
    }

    deinit { allowances.deallocate() }

    /// Ports of which packets cross from the first worker to the second.
    mutating func crossing(
      _ count: Int, port: Int, _ frame: (UInt16) -> [UInt8]
    ) -> [[UInt8]] {
      var found: [[UInt8]] = []
      var candidate: UInt16 = 2_000
      while found.count < count, candidate < 3_000 {
        candidate += 1
        let before = host.count(.handedOver)
        host.wires.put([frame(candidate)], port: port)
        _ = first.round()
        if host.count(.handedOver) > before { found.append(frame(candidate)) }
        _ = second.round()
      }
      settle()
      return found
    }

    mutating func settleWithoutTaking() {
      for _ in 0..<1_000 where first.round() || second.round() {}
    }

    mutating func settle() {
      settleWithoutTaking()
      for port in 0..<LiveHost.portCount { _ = host.wires.take(port: port) }
    }
  }

  /// Packets that left and are of the neighbour, and others.
  private static func ended(_ host: LiveHost, _ way: Way) -> (plain: Int, attack: Int) {
    let frames = host.wires.take(port: LiveHost.webPort) + host.wires.take(port: way.end)
    let plain = frames.count { frame in
      let inner = way == .fromGuests ? 50 : 0
      return frame.bytes[(inner + 26)..<(inner + 34)].contains(11)
    }
    return (plain, frames.count - plain)
  }

  @Test("X-11: what one guest receives from another worker costs its neighbour nothing")
  func neighborOfAReceiverLosesNothing() throws {
    let way = Way.toGuests
    var pair = try Pair()
    let host = pair.host
    let attack = pair.crossing(64, port: way.attackedPort) { way.attack($0) }
    let plain = pair.crossing(4, port: way.plainPort) { way.plain($0) }
    #expect(attack.count == 64 && plain.count == 4)
    // The owner takes a quarter of what comes.
    for step in 0..<400 {
      // One queue of the uplink has the packets of both.
      host.wires.put(plain + attack, port: way.plainPort)
      while host.wires.hasInput(worker: 0) { _ = pair.first.round() }
      if step % 4 == 0 { _ = pair.second.round() }
    }
    #expect(pair.first.engine.dropCount(0, .workerFull) > 10_000)
    #expect(pair.first.engine.dropCount(1, .workerFull) == 0)
    while pair.second.round() {}
    #expect(Self.ended(host, way).plain == 4 * 400)
    host.expectLevel()
  }

  /// What its owner has no time for stays in the guest's own ring, so not even the guest loses any.
  @Test("X-11: what one guest hands over waits, and costs its neighbour nothing")
  func neighborOfASenderLosesNothing() throws {
    let way = Way.fromGuests
    var pair = try Pair()
    let host = pair.host
    // The clock stands: on a slow machine two polls may be too far apart to count as contended.
    pair.first.setTime(1 << 62)
    pair.second.setTime(1 << 62)
    let attack = pair.crossing(64, port: way.attackedPort) { way.attack($0) }
    let plain = pair.crossing(4, port: way.plainPort) { way.plain($0) }
    #expect(attack.count == 64 && plain.count == 4)
    for _ in 0..<100 {
      host.wires.put(attack, port: way.attackedPort)
      host.wires.put(plain, port: way.plainPort)
      for _ in 0..<4 {
        // A port that waits is work: the worker does not sleep.
        LiveHost.poll(&pair.first)
        // A burst of the attacker, from before its neighbour came, and what the neighbour may leave.
        let most =
          LiveWorker<WireIO>.burstCapacity + LiveWorker<WireIO>.contendedWaiting
          + LiveWorker<WireIO>.catchUp
        #expect(host.shared.crossing(from: 0, to: 1).count <= most)
      }
      _ = pair.second.round()
    }
    #expect(host.wires.hasInput(worker: 0))
    for _ in 0..<10_000 where host.wires.hasInput(worker: 0) {
      _ = pair.first.round()
      _ = pair.second.round()
    }
    pair.settleWithoutTaking()
    for nic in UInt32(0)...1 { #expect(pair.first.engine.dropCount(nic, .workerFull) == 0) }
    let ended = Self.ended(host, way)
    #expect(ended.plain == 4 * 100)
    #expect(ended.attack == 64 * 100)
    host.expectLevel()
  }

  /// All NICs together are bounded by the ring, and each leaves room for another.
  @Test func sharesShrinkWithThoseWhoTakeThem() throws {
    let pair = try Pair()
    let host = pair.host
    let crossing = host.shared.crossing(from: 0, to: 1)
    func fill(_ nic: UInt32, _ count: Int) -> Int {
      (0..<count).count { _ in
        pair.first.burst[0].rule = nic
        return unsafe crossing.stage(pair.first.burst.pointer(0), share: Int(nic))
      }
    }
    #expect(fill(0, 3_000) == 1_024)
    // Later ones get half of what is left; packets without a NIC have a share of their own.
    #expect(fill(1, 3_000) == 512)
    #expect(fill(2, 3_000) == 256)
    #expect(fill(UInt32(crossing.shareIndex(.none)), 3_000) == 128)
    #expect(fill(0, 1) == 0 && fill(1, 1) == 0)
    crossing.publish()
    let target = UnsafeMutableBufferPointer<Packet>.allocate(capacity: 64)
    defer { target.deallocate() }
    // When the oldest are taken, those who have less come first again.
    for _ in 0..<8 {
      let count = unsafe crossing.pop(into: target)
      for slot in 0..<count { crossing.finish(share: target[slot].rule) }
    }
    #expect(fill(0, 3_000) == 64)
    #expect(fill(3, 3_000) == 288)
    while unsafe crossing.pop(into: target) > 0 {}
  }

  /// A packet that was on its way when its port got another NIC is not that NIC's.
  @Test("X-12: a packet on its way is not the next guest's")
  func packetOfAnEarlierGuestIsNobodys() throws {
    let host = try LiveHost(workers: 2)
    var first = host.worker(0)
    var second = host.worker(1)
    RunTests.handOver(LiveHost.datagram(to: "10.0.1.20"), from: &first, host, to: 1)
    first.wakeOthers()
    // The interfaces change ports.
    let tables = LiveTables(
      rules: host.compiled.tables, portCount: LiveHost.portCount, uplinkMAC: LiveHost.uplink)
    tables.connect(port: LiveHost.webPort, nic: 1)
    tables.connect(port: LiveHost.dataPort, nic: 0)
    for endpoint in 0..<host.compiled.tables.endpoints.count {
      tables.nextHops.set(UInt32(endpoint), LiveHost.nextHop)
    }
    let isPublished = host.shared.publish(tables) {
      _ = first.round()
      _ = second.round()
    }
    #expect(isPublished)
    for nic in UInt32(0)...1 {
      for reason in DropReason.allCases {
        #expect(second.engine.dropCount(nic, reason) == 0, "\(reason)")
      }
    }
    #expect(host.shared.counters.portDrops(LiveHost.webPort, .eniNone) == 1)
    // Those that come afterwards are.
    RunTests.handOver(
      Self.datagram(of: LiveHost.data, "10.0.1.11", port: 5_000), from: &first, host, to: 1, nic: 1)
    first.wakeOthers()
    while second.round() {}
    #expect(host.wires.take(port: 0).count == 1)
    host.expectLevel()
  }
}
