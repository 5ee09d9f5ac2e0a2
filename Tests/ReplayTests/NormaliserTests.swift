import Datapath
import Tables
import Testing
import Wire

@testable import Replay

@Suite struct NormaliserTests {
  /// What a record becomes: its bytes, wire length and flags.
  static func normalise(
    _ record: [UInt8], linkType: UInt16 = 1, original: Int? = nil, atNIC: Bool = false,
    _ attribution: Attribution, mac: MACAddress = Fixture.web
  ) throws -> (frame: [UInt8], original: UInt32, flags: PacketFlags) {
    var normaliser = FrameNormaliser(atNIC: atNIC, hostMAC: nil)
    let result: (frame: [UInt8], original: UInt32, flags: PacketFlags)? =
      record.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress,
          let link = LinkLayer(linkType: linkType, bytes: start, captured: bytes.count)
        else { return nil }
        let packet = normaliser.place(
          link, bytes: start, captured: bytes.count, original: original ?? bytes.count,
          attribution: attribution, mac: mac)
        let frame = UnsafeRawBufferPointer(start: packet.base, count: Int(packet.length))
        return (Array(frame), packet.originalLength, packet.flags)
      }
    return try #require(result)
  }

  static let packet = Fixture.ipv4("10.0.1.10", "198.51.100.7")

  @Test func plainFrameIsCopied() throws {
    let frame = Fixture.ethernet(
      to: Fixture.stranger, from: Fixture.web, type: 0x0800, Self.packet)
    let result = try Self.normalise(frame, original: 1514, .guest(0))
    #expect(result.frame == frame)
    #expect(result.original == 1514)
    #expect(result.flags == .offloaded)
  }

  @Test func tagsOfAPlainCaptureAreLeftOut() throws {
    let tagged = Fixture.ethernet(
      to: Fixture.stranger, from: Fixture.web, tags: [0x88A8, 0x8100], type: 0x0800, Self.packet)
    let plain = Fixture.ethernet(
      to: Fixture.stranger, from: Fixture.web, type: 0x0800, Self.packet)
    let result = try Self.normalise(tagged, .guest(0))
    #expect(result.frame == plain)
    #expect(result.original == UInt32(plain.count))
    let atNIC = try Self.normalise(tagged, atNIC: true, .guest(0))
    #expect(atNIC.frame == tagged)
    #expect(atNIC.flags.contains(.atNIC))
  }

  @Test func captureThatEndsInATag() throws {
    let tagged = Fixture.ethernet(
      to: Fixture.stranger, from: Fixture.web, tags: [0x8100], type: 0x0800, Self.packet)
    let result = try Self.normalise(Array(tagged.prefix(16)), original: 60, .guest(0))
    #expect(result.frame == Array(tagged.prefix(12)))
  }

  @Test(arguments: [0, 3, 4, 7])
  func `a tag that the capture cut is there at the NIC`(present: Int) throws {
    let header = [0, 4, 0, 1, 0, 6] + Fixture.bytes(Fixture.web.bits, 6) + [0, 0, 0x81, 0]
    let tags: [UInt8] = Array([0, 1, 0x81, 0, 0, 2, 8, 0].prefix(present))
    let result = try Self.normalise(header + tags, linkType: 113, atNIC: true, .guest(0))
    #expect(Array(result.frame.dropFirst(12)) == [0x81, 0] + tags)
    let elsewhere = try Self.normalise(header + tags, linkType: 113, .guest(0))
    #expect(elsewhere.frame.count == 12)
  }

  @Test func rawPacketsGetAHeader() throws {
    let sent = try Self.normalise(Self.packet, linkType: 101, .guest(0))
    #expect(
      sent.frame
        == Fixture.ethernet(to: .router, from: Fixture.web, type: 0x0800, Self.packet))
    #expect(sent.flags == [.offloaded, .rawIP])
    #expect(sent.original == UInt32(14 + Self.packet.count))
    let received = try Self.normalise(Self.packet, linkType: 101, .captured(0))
    #expect(
      received.frame
        == Fixture.ethernet(to: Fixture.web, from: .router, type: 0x0800, Self.packet))
  }

  @Test(arguments: [
    ("255.255.255.255", MACAddress.broadcast), ("239.129.2.3", MACAddress(0x0100_5E01_0203)),
  ])
  func groupsOfRawPackets(_ destination: String, _ mac: MACAddress) throws {
    let packet = Fixture.ipv4("10.0.1.10", destination)
    let result = try Self.normalise(packet, linkType: 228, .guest(0))
    #expect(Array(result.frame.prefix(6)) == Fixture.bytes(mac.bits, 6))
  }

  @Test func cookedPacketsLoseTheirHeader() throws {
    let record =
      [0, 4, 0, 1, 0, 6] + Fixture.bytes(Fixture.web.bits, 6) + [0, 0, 8, 0] + Self.packet
    let result = try Self.normalise(record, linkType: 113, original: record.count + 100, .guest(0))
    #expect(
      result.frame
        == Fixture.ethernet(to: .router, from: Fixture.web, type: 0x0800, Self.packet))
    #expect(result.original == UInt32(14 + Self.packet.count + 100))
  }

  @Test func longFramesAreCut() throws {
    let frame = [UInt8](repeating: 1, count: FrameNormaliser.frameCapacity + 9)
    let result = try Self.normalise(frame, .guest(0))
    #expect(result.frame.count == FrameNormaliser.frameCapacity)
    #expect(result.original == UInt32(frame.count))
  }

  @Test func aBurstHoldsItsLongestFrames() {
    var normaliser = FrameNormaliser(atNIC: false, hostMAC: nil)
    let frame = [UInt8](repeating: 7, count: FrameNormaliser.frameCapacity)
    frame.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress,
        let link = LinkLayer(linkType: 1, bytes: start, captured: bytes.count)
      else { return }
      for _ in 0..<FrameNormaliser.burstCapacity {
        let packet = normaliser.place(
          link, bytes: start, captured: bytes.count, original: bytes.count,
          attribution: .guest(0), mac: Fixture.web)
        #expect(UnsafeRawPointer(packet.base).byte(Int(packet.length) - 1) == 7)
      }
    }
  }
}
