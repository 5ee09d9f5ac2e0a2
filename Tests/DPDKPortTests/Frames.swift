import Foundation

/// Frames to send and to compare.
enum Frames {
  /// UDP over IPv4 with `sizes` bytes of payload, each frame another.
  static func udp(_ sizes: [Int]) -> [[UInt8]] {
    sizes.enumerated().map { number, size in
      let transport =
        words(UInt16(1000 + number), 53, UInt16(8 + size), 0) + payload(size, seed: number)
      return ethernet() + ipv4(17, transport.count, number) + transport
    }
  }

  /// TCP over IPv4, without a checksum.
  static func tcp(_ sizes: [Int]) -> [[UInt8]] {
    sizes.enumerated().map { number, size in
      let transport =
        words(UInt16(1000 + number), 80, 0, 1, 0, 1, 0x5010, 0xFFFF, 0, 0)
        + payload(size, seed: number)
      return ethernet() + ipv4(6, transport.count, number) + transport
    }
  }

  /// Some of all sizes that an MTU of 1500 has, in one ring's worth.
  static let mixed = udp((0..<120).map { [18, 100, 500, 1400, 1472][$0 % 5] })

  private static func words(_ values: UInt16...) -> [UInt8] {
    values.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
  }

  private static func payload(_ size: Int, seed: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed &* 7 &+ $0 >> 8) }
  }

  private static func ethernet() -> [UInt8] { [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0] }

  private static func ipv4(_ proto: UInt8, _ length: Int, _ identity: Int) -> [UInt8] {
    var header =
      words(0x4500, UInt16(20 + length), UInt16(identity), 0) + [64, proto, 0, 0]
      + [10, 0, 0, 1, 10, 0, 0, 2]
    let check = ~sum(header)
    header[10] = UInt8(check >> 8)
    header[11] = UInt8(check & 255)
    return header
  }

  /// The ones' complement sum of RFC 1071.
  static func sum(_ bytes: [UInt8]) -> UInt16 {
    var total = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
      total += Int(bytes[index]) << 8 + (index + 1 < bytes.count ? Int(bytes[index + 1]) : 0)
    }
    while total > 0xFFFF { total = total & 0xFFFF + total >> 16 }
    return UInt16(total)
  }

  /// The sum of a TCP packet's pseudo-header, with its length (RFC 9293, section 3.1).
  static func pseudoHeaderSum(_ frame: [UInt8]) -> UInt16 {
    let length = Int(frame[16]) << 8 + Int(frame[17]) - 20
    return sum(Array(frame[26..<34]) + [0, frame[23]] + words(UInt16(length)))
  }

  /// As `DPDKPortProbe` writes it.
  static func hash(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  // MARK: Capture files (classic pcap, little-endian)

  static func write(_ frames: [[UInt8]], to path: String) throws {
    var data = numbers(0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 65_535, 1)
    for frame in frames {
      data += numbers(0, 0, UInt32(frame.count), UInt32(frame.count)) + Data(frame)
    }
    try data.write(to: URL(filePath: path))
  }

  static func read(_ path: String) throws -> [[UInt8]] {
    let data = [UInt8](try Data(contentsOf: URL(filePath: path)))
    var frames: [[UInt8]] = []
    var place = 24
    while place + 16 <= data.count {
      let length = (0..<4).reduce(0) { $0 | Int(data[place + 8 + $1]) << (8 * $1) }
      guard place + 16 + length <= data.count else { break }
      frames.append(Array(data[place + 16..<place + 16 + length]))
      place += 16 + length
    }
    return frames
  }

  private static func numbers(_ values: UInt32...) -> Data {
    values.reduce(into: Data()) { data, value in
      withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) }
    }
  }
}
