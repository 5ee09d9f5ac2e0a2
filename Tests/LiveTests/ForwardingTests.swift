import TestPackets
import Testing
import Wire

@testable import Live

/// Frames from port to port.
@Suite struct ForwardingTests {
  @Test func guestReachesUnderlayByNextHop() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let inner = LiveHost.datagram(to: "10.0.1.20")
    host.wires.put([inner], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let sent = host.wires.take(port: 0)
    #expect(sent.count == 1)
    let frame = sent.first?.bytes ?? []
    #expect(frame.count == inner.count + 50)
    #expect([UInt8](frame.prefix(6)) == Compose.bytes(LiveHost.nextHop.bits, 6))
    #expect([UInt8](frame.dropFirst(6).prefix(6)) == Compose.bytes(LiveHost.uplink.bits, 6))
    #expect([UInt8](frame.dropFirst(26).prefix(8)) == [192, 0, 2, 1, 192, 0, 2, 2])
    #expect([UInt8](frame.dropFirst(64)) == [UInt8](inner.dropFirst(14)))
    #expect(host.count(.sent) == 1)
    LiveHost.poll(&worker, finds: false)
    host.expectLevel()
  }

  @Test(arguments: [6_081, 4_789] as [UInt16])
  func underlayReachesGuest(port: UInt16) throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.put([LiveHost.tunnel(LiveHost.fromRemote(), port: port)], port: 0)
    LiveHost.poll(&worker)
    let sent = host.wires.take(port: LiveHost.webPort)
    #expect(sent.count == 1)
    #expect(
      sent.first?.bytes.prefix(12).map { $0 }
        == Compose.bytes(LiveHost.web.bits, 6) + Compose.bytes(MACAddress.router.bits, 6))
    host.expectLevel()
  }

  @Test func guestReachesGuestOnThisHost() throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.put(
      [WireFrame(bytes: LiveHost.datagram(to: "10.0.1.11"))], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: LiveHost.dataPort).count == 1)
    #expect(host.wires.take(port: 0).isEmpty)
    host.expectLevel()
  }

  /// A checksum that the receiving port completes goes there as it is; another's is done before.
  @Test func partialChecksumStaysWithPortThatCan() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let frame = WireFrame(bytes: LiveHost.datagram(to: "10.0.1.11"), isPartial: true)
    host.wires.setOffloads([.isUp, .checksum], port: LiveHost.dataPort)
    host.wires.put([frame], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: LiveHost.dataPort).map(\.isPartial) == [true])
    host.wires.setOffloads(.isUp, port: LiveHost.dataPort)
    host.wires.put([frame], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: LiveHost.dataPort).map(\.isPartial) == [false])
    // The next packet in that slot has none of it.
    host.wires.setOffloads([.isUp, .checksum], port: LiveHost.dataPort)
    host.wires.put([LiveHost.datagram(to: "10.0.1.11")], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: LiveHost.dataPort).map(\.isPartial) == [false])
    host.expectLevel()
  }

  /// A tunnel packet moved to the place of one that was ignored leaves nothing of itself behind.
  @Test func movedPacketLeavesNoFlags() throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.setOffloads([.isUp, .checksum], port: LiveHost.webPort)
    let tunnel = LiveHost.tunnel(LiveHost.fromRemote())
    let foreign = LiveHost.frame(
      LiveHost.web, Compose.ipv4("10.0.1.99", "10.0.1.20", protocol: 17, Compose.udp(1, 2)))
    host.wires.put(
      [WireFrame(bytes: foreign), WireFrame(bytes: tunnel, isPartial: true)], port: 0)
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: LiveHost.webPort).map(\.isPartial) == [true])
    host.wires.put([tunnel, tunnel], port: 0)
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: LiveHost.webPort).map(\.isPartial) == [false, false])
    host.expectLevel()
  }

  @Test func headersAreFoundBehindTunnel() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let segment = Compose.tcp(1, 2, flags: Compose.tcpSYN, options: [2, 4, 5, 0xB4], [1, 2, 3])
    host.wires.put(
      [
        LiveHost.frame(
          LiveHost.web, Compose.ipv4("10.0.1.10", "10.0.1.11", protocol: 6, segment))
      ], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    // The frame is gone, its headers are remembered; the data offset is read from the frame.
    var copy = LiveHost.frame(
      LiveHost.web, Compose.ipv4("10.0.1.10", "10.0.1.11", protocol: 6, segment))
    copy.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      worker.burst[0].base = start
      worker.burst[0].length = UInt32(bytes.count)
      let plain = worker.headerOffsets(0, outer: 0)
      #expect(plain.network == 14)
      #expect(plain.transport == 34)
      #expect(plain.payload == 58)
      #expect(plain.isTCP && !plain.isIPv6)
      #expect(worker.headerOffsets(0, outer: 50).network == 64)
    }
    host.expectLevel()
  }

  /// More frames than a burst holds, on every port at once, in order.
  @Test("X-04: every port has its turn, whatever another sends")
  func everyPortHasItsTurn() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let total = 300
    host.wires.put(
      (0..<total).map { LiveHost.datagram(to: "10.0.1.20", from: UInt16(1_000 + $0)) },
      port: LiveHost.webPort)
    host.wires.put(
      (0..<total).map { _ in LiveHost.tunnel(LiveHost.fromRemote()) }, port: 0)
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: 0).count >= 32)
    #expect(host.wires.take(port: LiveHost.webPort).count >= 32)
    for _ in 0..<30 { _ = worker.round() }
    #expect(host.count(.received) == UInt64(2 * total))
    #expect(host.count(.sent) == UInt64(2 * total))
    host.expectLevel()
  }

  // MARK: Drops

  @Test func dropsAreCountedForNICOrPort() throws {
    let host = try LiveHost()
    var worker = host.worker()
    // Another's address; a port without NIC; a VNI that is nobody's.
    let spoofed = LiveHost.frame(
      LiveHost.web, Compose.ipv4("10.0.1.99", "10.0.1.20", protocol: 17, Compose.udp(1, 2)))
    host.wires.put([spoofed], port: LiveHost.webPort)
    host.wires.put([LiveHost.datagram(to: "10.0.1.20")], port: LiveHost.lostPort)
    host.wires.put([LiveHost.tunnel(LiveHost.fromRemote(), vni: 5)], port: 0)
    LiveHost.poll(&worker)
    #expect(host.count(.dropped) == 3)
    #expect(host.shared.counters.portDrops(LiveHost.lostPort, .eniNone) == 1)
    #expect(host.shared.counters.portDrops(0, .tunnelVNI) == 1)
    worker.sleep()
    #expect(host.shared.counters.nicDrops(0, .spoofIP) == 1)
    #expect(worker.engine.dropCount(0, .spoofIP) == 1)
    host.expectLevel()
  }

  @Test func countersOfNICAreShown() throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.put([LiveHost.datagram(to: "10.0.1.11")], port: LiveHost.webPort)
    _ = worker.round()
    worker.end()
    #expect(host.shared.counters.nicCounters(0).packetsOut == 1)
    #expect(host.shared.counters.nicCounters(1).packetsIn == 1)
    #expect(host.shared.counters.nicCounters(1).bytesIn > 0)
  }

  @Test func onlyTunnelPacketsComeIn() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let inner = LiveHost.fromRemote()
    let solicitation = Compose.ethernet(
      to: LiveHost.uplink, from: LiveHost.nextHop,
      Compose.ipv6("fe80::1", "fe80::2", next: 58, [135] + [UInt8](repeating: 0, count: 23)))
    let echo = Compose.ethernet(
      to: LiveHost.uplink, from: LiveHost.nextHop,
      Compose.ipv4("192.0.2.2", "192.0.2.1", protocol: 1, Compose.icmp(8)))
    host.wires.put(
      [
        LiveHost.tunnel(inner), LiveHost.arp(LiveHost.nextHop), LiveHost.tunnel(inner),
        solicitation, echo, LiveHost.tunnel(inner, to: "192.0.2.9"),
        LiveHost.tunnel(inner, port: 53), [1, 2, 3], LiveHost.tunnel(inner),
      ], port: 0)
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: LiveHost.webPort).count == 3)
    #expect(host.count(.ignored) == 4)
    let punts = host.punts()
    #expect(punts.map(\.punt.kind) == [.underlayNeighbor, .underlayNeighbor])
    #expect(punts.first?.frame == LiveHost.arp(LiveHost.nextHop))
    #expect(punts.last?.frame == solicitation)
    host.expectLevel()
  }

  @Test("V-23: frames without a whole Ethernet header reach no guest and no tap")
  func framesWithoutHeader() throws {
    let host = try LiveHost()
    var worker = host.worker()
    for length in 0..<14 {
      let frame = [UInt8](repeating: 0xFF, count: length)
      for port in 0..<LiveHost.portCount { host.wires.put([frame], port: port) }
      _ = worker.round()
    }
    #expect(host.count(.received) == UInt64(14 * LiveHost.portCount))
    for port in 0..<LiveHost.portCount { #expect(host.wires.take(port: port).isEmpty) }
    #expect(worker.engine.dropCount(0, .parseTruncated) == 14)
    host.expectLevel()
  }

  /// Anything at all, on every port: counted, never a fault.
  @Test func garbageIsCounted() throws {
    let host = try LiveHost()
    var worker = host.worker()
    var random = SplitMix64(seed: 7)
    let seeds = [
      LiveHost.tunnel(LiveHost.fromRemote()), LiveHost.datagram(to: "10.0.1.20"), LiveHost.arp(),
      LiveHost.datagram(to: "10.0.1.11", bytes: 1_800),
    ]
    for _ in 0..<200 {
      for port in 0..<LiveHost.portCount {
        var frame = seeds[Int(random.next() % 4)]
        for _ in 0..<Int(random.next() % 4) {
          frame[Int(random.next() % UInt64(frame.count))] = UInt8(truncatingIfNeeded: random.next())
        }
        let length = random.next() % 3 == 0 ? Int(random.next() % 1_000) : frame.count
        host.wires.put([[UInt8](frame.prefix(length))], port: port)
      }
      _ = worker.round()
      if random.next() % 8 == 0 { _ = host.punts() }
    }
    #expect(host.count(.received) == 800)
    host.expectLevel()
  }
}
