import TableCompiler
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

@testable import Live

/// A sample has all packets of a connection, or none.
@Suite struct ConnectionSampleTests {
  private static let tables: CompiledTables? = try? {
    var model = LiveHost.model()
    model.internetGateways = [
      InternetGateway(id: "igw", vpc: "vpc", host: Compose.address("192.0.2.254"), vni: 99)
    ]
    model.networkInterfaces[0].publicAddresses = [
      PublicAddress(
        privateAddress: Compose.address("10.0.1.10"),
        publicAddress: Compose.address("203.0.113.10"))
    ]
    return try TableCompiler.compile(model, generation: 1)
  }()

  /// Whether a packet that a guest sent, or a tunnel packet, is in a sample.
  private static func contains(
    _ sample: ConnectionSample, _ frame: [UInt8], isOuter: Bool = false
  ) throws -> Bool {
    let compiled = try #require(tables)
    return frame.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return false }
      let observed = unsafe ObservedFrame(
        base, length: bytes.count, originalLength: bytes.count, isOuter: isOuter)
      return sample.contains(observed, compiled.tables)
    }
  }

  private static func frame(
    _ source: String, _ destination: String, _ transport: UInt8, _ payload: [UInt8],
    fragment: UInt16 = 0
  ) -> [UInt8] {
    LiveHost.frame(
      LiveHost.web,
      Compose.ipv4(source, destination, protocol: transport, payload, fragment: fragment))
  }

  @Test func bothWaysAreTogetherAndTheShareIsRight() throws {
    let sample = ConnectionSample(oneIn: 8, seed: 77)
    var count = 0
    for port in 1_000..<5_000 as Range<UInt16> {
      let isIn = try Self.contains(
        sample, Self.frame("10.0.1.10", "10.0.1.20", 17, Compose.udp(port, 53)))
      let isBackIn = try Self.contains(
        sample,
        LiveHost.tunnel(Self.frame("10.0.1.20", "10.0.1.10", 17, Compose.udp(53, port))),
        isOuter: true)
      #expect(isIn == isBackIn)
      if isIn { count += 1 }
    }
    // 500 are expected, with a deviation of 21.
    #expect((390...610).contains(count), "\(count)")
  }

  /// An internet gateway gives the guest another address; the connection is the same.
  @Test func translatedConnectionsAreTogether() throws {
    let sample = ConnectionSample(oneIn: 4, seed: 5)
    for port in 1_000..<1_200 as Range<UInt16> {
      let segment = Compose.tcp(port, 443, flags: Compose.tcpSYN)
      let answer = Compose.tcp(443, port, flags: Compose.tcpSYN | Compose.tcpACK)
      #expect(
        try Self.contains(sample, Self.frame("10.0.1.10", "198.51.100.7", 6, segment))
          == Self.contains(
            sample, LiveHost.tunnel(Self.frame("198.51.100.7", "203.0.113.10", 6, answer), vni: 99),
            isOuter: true))
    }
  }

  @Test func seedsChooseOthers() throws {
    let frames = (1_000..<2_000 as Range<UInt16>).map {
      Self.frame("10.0.1.10", "10.0.1.20", 6, Compose.tcp($0, 80, flags: Compose.tcpSYN))
    }
    let (first, second) = (
      try frames.map { try Self.contains(ConnectionSample(oneIn: 2, seed: 1), $0) },
      try frames.map { try Self.contains(ConnectionSample(oneIn: 2, seed: 2), $0) }
    )
    let same = zip(first, second).count { $0 == $1 }
    #expect((400...600).contains(same), "\(same)")
  }

  /// Without ports nobody knows whose a fragment is; what has no addresses is no connection.
  @Test func fragmentsAreInNoSampleButThatOfAll() throws {
    let sample = ConnectionSample(oneIn: 2, seed: 1)
    for port in 1_000..<1_100 as Range<UInt16> {
      let first = Self.frame("10.0.1.10", "10.0.1.20", 17, Compose.udp(port, 53), fragment: 0x2000)
      let later = Self.frame("10.0.1.10", "10.0.1.20", 17, [1, 2], fragment: port & 0xFF | 1)
      for frame in [first, later] {
        #expect(try !Self.contains(sample, frame) && Self.contains(.all, frame))
      }
    }
    #expect(try !Self.contains(sample, LiveHost.arp()) && Self.contains(.all, LiveHost.arp()))
  }

  /// Pings of two hosts are together, whatever their identifiers.
  @Test func withoutPortsTheAddressesCount() throws {
    let sample = ConnectionSample(oneIn: 2, seed: 3)
    var found: Set<Bool> = []
    for last in 20..<60 {
      let isIn = try Self.contains(
        sample, Self.frame("10.0.1.10", "10.0.1.\(last)", 1, Compose.icmp(8)))
      let isBackIn = try Self.contains(
        sample, Self.frame("10.0.1.\(last)", "10.0.1.10", 1, Compose.icmp(0, rest: [9, 9, 9, 9])))
      #expect(isIn == isBackIn)
      found.insert(isIn)
    }
    #expect(found.count == 2)
  }

  // MARK: Frames that are judged again

  /// What an ICMP error quotes is there, payload at the end of a whole frame's room is not.
  @Test func bytesBehindHeadersAreCopied() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let observer = Observer(host, .frameBefore, beyondHeaders: 16)
    #expect(observer.begin())
    host.wires.put(
      [
        LiveHost.datagram(to: "10.0.1.20", bytes: 20), LiveHost.datagram(to: "10.0.1.20", bytes: 4),
      ],
      port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let seen = observer.take()
    #expect(seen.map(\.bytes.count) == [42 + 16, 42 + 4])
    #expect(seen.map(\.packet.segmentSize) == [0, 0])
    host.expectLevel()
  }
}
