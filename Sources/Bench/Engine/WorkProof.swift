import Datapath
import Wire

/// The proof that every packet was judged as it should be: a count, and a digest of the frames as
/// they came out.
struct WorkProof {
  private(set) var digest: UInt64 = 0
  private(set) var packets = 0
  private var firstWrong: String?

  /// Looks at a burst that was judged.
  mutating func add(_ ring: FrameRing) {
    let packets = ring.packets()
    for index in packets.indices {
      let expected = ring.expected[index]
      if packets[index].verdict != .forward || packets[index].length != expected.length
        || packets[index].output != expected.output || packets[index].state != expected.state
      {
        if firstWrong == nil { firstWrong = Self.text(packets[index], expected) }
        continue
      }
      let base = UnsafeRawPointer(packets[index].base)
      mix(base.loadUnaligned(as: UInt64.self))
      mix(base.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      mix(base.loadUnaligned(fromByteOffset: 34, as: UInt64.self))
      mix(base.loadUnaligned(fromByteOffset: 42, as: UInt64.self))
      self.packets += 1
    }
  }

  mutating func mix(_ word: UInt64) {
    let product = (digest ^ word ^ 0xD6E8_FEB8_6659_FD93)
      .multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    digest = product.high ^ product.low
  }

  /// - Throws: `unproven` when a packet was not judged as expected, or some are missing.
  func check(_ count: Int) throws(BenchmarkFailure) {
    if let firstWrong { throw .unproven(firstWrong) }
    try BenchmarkFailure.check(
      packets == count, "\(packets) of \(count) packets were judged as they should")
  }

  var parameter: (String, String) { ("digest", String(digest, radix: 16)) }

  private static func text(_ packet: borrowing Packet, _ expected: ExpectedPacket) -> String {
    let found = "verdict \(packet.verdict) \(packet.reason), state \(packet.state), "
    return found + "\(packet.length) bytes; awaited were state \(expected.state) and "
      + "\(expected.length) bytes"
  }
}
