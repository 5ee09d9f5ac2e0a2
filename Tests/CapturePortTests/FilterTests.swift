import CapturePort
import Testing

@Suite struct FilterTests {
  /// An IPv4 header with UDP ports 1000 and `port`.
  static func datagram(port: Int) -> [UInt8] {
    var packet = CaptureBytes(bigEndian: true)
    packet.bytes = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
    packet.put16(1000)
    packet.put16(port)
    packet.put16(8)
    packet.put16(0)
    return packet.bytes
  }

  static let ethernet: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]

  static func capture() -> [UInt8] {
    var capture = CaptureBytes()
    capture.section()
    capture.interface()
    capture.interface(linkType: 101)
    capture.interface(linkType: 228)
    for (ticks, port) in [53, 54, 53].enumerated() {
      let datagram = Self.datagram(port: port)
      capture.enhancedPacket(ticks: UInt64(ticks), ethernet + datagram)
      capture.enhancedPacket(interface: 1, ticks: UInt64(ticks), datagram)
      capture.enhancedPacket(interface: 2, ticks: UInt64(ticks), datagram)
    }
    return capture.bytes
  }

  @Test func matchesForEachLinkType() throws {
    let all = try readAll(Self.capture(), filter: "udp dst port 53")
    #expect(all.records.map(\.time) == [0, 0, 0, 2000, 2000, 2000])
    #expect(all.records.map(\.linkType) == [1, 101, 228, 1, 101, 228])
    #expect(all.warning == nil)
    #expect(try readAll(Self.capture(), filter: "tcp").records.isEmpty)
    #expect(try readAll(Self.capture(), filter: "").records.count == 9)
  }

  /// "greater" looks at the original length, as it does in a live capture.
  @Test func lengthIsTheOriginalOne() throws {
    var capture = CaptureBytes()
    capture.classicHeader()
    capture.classicRecord(seconds: 1, fraction: 0, [1, 2], original: 900)
    capture.classicRecord(seconds: 2, fraction: 0, [1, 2], original: 700)
    let all = try readAll(capture.bytes, filter: "greater 800")
    #expect(all.records.map(\.originalLength) == [900])
  }

  @Test func expressionThatDoesNotFitALinkTypeMatchesNothingOfIt() throws {
    let all = try readAll(Self.capture(), filter: "ether src 02:00:00:00:00:02")
    #expect(all.records.map(\.linkType) == [1, 1, 1])
    #expect(all.warning?.contains("link type 101") == true)
    #expect(all.warning?.contains("link type 228") == true)
  }

  @Test(arguments: ["port", "udp and (", "nonsense here", "host 300.1.1.1.1"])
  func badExpressionsAreRefused(expression: String) {
    #expect {
      try readAll(sampleClassic(), filter: expression)
    } throws: { error in
      guard case .badFilter(expression, let why) = error as? CaptureError else { return false }
      return !why.isEmpty
    }
  }
}
