import Tables
import VPCModel
import Wire

/// Composes the outer header of tunnel packets to one endpoint, all but what differs from packet to
/// packet: lengths, UDP source port, VNI and checksums are zero.
struct HeaderTemplate {
  /// UDP port of Geneve (RFC 8926 section 3.3) and of VXLAN (RFC 7348 section 5).
  static func port(_ encapsulation: Encapsulation) -> UInt16 {
    encapsulation == .geneve ? 6081 : 4789
  }

  private(set) var bytes: [UInt8] = []
  private var networkHeader: Range<Int> = 0..<0

  /// - Parameter endpoint: of the family of the host's address.
  init(host: Host, endpoint: IPAddress) {
    append(host.gatewayMAC)
    append(host.mac)
    append16(endpoint.family == .v4 ? 0x0800 : 0x86DD)
    let start = bytes.count
    if endpoint.family == .v4 {
      appendIPv4(source: host.address, destination: endpoint)
    } else {
      appendIPv6(source: host.address, destination: endpoint)
    }
    networkHeader = start..<bytes.count
    appendUDP(port: Self.port(host.encapsulation))
    switch host.encapsulation {
    case .geneve: appendGeneve()
    case .vxlan: appendVXLAN()
    }
  }

  /// The record's sum: of the IPv4 header, or of the addresses and next header of the IPv6
  /// pseudo-header (RFC 8200 section 8.1).
  var partialSum: UInt32 {
    let isV4 = networkHeader.count == 20
    // The IPv4 header's length and checksum are still zero and add nothing.
    let summed = isV4 ? networkHeader : networkHeader.dropFirst(8)
    var sum: UInt32 = isV4 ? 0 : 17
    for index in stride(from: summed.lowerBound, to: summed.upperBound, by: 2) {
      sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
    }
    return sum
  }

  /// The bytes as numbers that, stored to memory, are these bytes.
  var header: OuterHeader {
    func word(_ index: Int) -> UInt64 {
      var word: UInt64 = 0
      for (position, byte) in bytes.dropFirst(index * 8).prefix(8).enumerated() {
        word |= UInt64(byte) << UInt64(position * 8)
      }
      return UInt64(littleEndian: word)
    }
    var header = OuterHeader()
    header.words = (
      word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7), word(8), word(9)
    )
    return header
  }

  private mutating func append16(_ value: UInt16) {
    bytes += [UInt8(value >> 8), UInt8(value & 255)]
  }

  private mutating func append(_ mac: MACAddress) {
    for shift in stride(from: 40, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: mac.bits >> UInt64(shift)))
    }
  }

  private mutating func append(_ address: IPAddress) {
    for shift in stride(from: address.family.bitWidth - 8, through: 0, by: -8) {
      let half = shift >= 64 ? address.high : address.low
      bytes.append(UInt8(truncatingIfNeeded: half >> UInt64(shift % 64)))
    }
  }

  /// RFC 791 section 3.1, without options.
  private mutating func appendIPv4(source: IPAddress, destination: IPAddress) {
    append16(0x4500)  // version 4, five words, no DSCP
    append16(0)  // total length
    append16(0)  // identification: unused, as the packet is never fragmented (RFC 6864)
    append16(0x4000)  // do not fragment
    bytes += [64, 17]  // time to live, UDP
    append16(0)  // header checksum
    append(source)
    append(destination)
  }

  /// RFC 8200 section 3.
  private mutating func appendIPv6(source: IPAddress, destination: IPAddress) {
    append16(0x6000)
    append16(0)  // rest of the flow label
    append16(0)  // payload length
    bytes += [17, 64]  // UDP, hop limit
    append(source)
    append(destination)
  }

  /// RFC 768.
  private mutating func appendUDP(port: UInt16) {
    append16(0)  // source port
    append16(port)
    append16(0)  // length
    append16(0)  // checksum
  }

  /// RFC 8926 section 3.4: version 0, no options, Ethernet inside.
  private mutating func appendGeneve() {
    append16(0)
    append16(0x6558)
    bytes += [0, 0, 0, 0]  // VNI, reserved
  }

  /// RFC 7348 section 5: the VNI is valid.
  private mutating func appendVXLAN() {
    bytes += [0x08, 0, 0, 0]
    bytes += [0, 0, 0, 0]  // VNI, reserved
  }
}
