import Wire

/// ICMPv6 types of neighbour discovery (RFC 4861 section 4).
package enum NeighborDiscoveryType: UInt8 {
  case routerSolicitation = 133
  case routerAdvertisement = 134
  case neighborSolicitation = 135
  case neighborAdvertisement = 136
  case redirect = 137

  /// Bytes before the options.
  package var fixedLength: Int {
    switch self {
    case .routerSolicitation: 8
    case .routerAdvertisement: 16
    case .neighborSolicitation, .neighborAdvertisement: 24
    case .redirect: 40
    }
  }
}

/// A neighbour discovery message: an ICMPv6 packet of type 133 to 137.
package struct NeighborDiscoveryView {
  private let bytes: FrameBytes
  package let type: NeighborDiscoveryType

  /// Nil when it is another type, not whole, or an option has no length or passes the end.
  package init?(_ bytes: FrameBytes) {
    guard bytes.count >= 4, let type = NeighborDiscoveryType(rawValue: bytes.byte(0)),
      bytes.count >= type.fixedLength
    else { return nil }
    self.bytes = bytes
    self.type = type
    guard optionsAreWhole else { return nil }
  }

  package var code: UInt8 { bytes.byte(1) }
  package var checksum: UInt16 { bytes.big16(2) }
  /// The word behind the checksum: flags, hop limit and lifetime, or reserved.
  package var word: UInt32 { bytes.big32(4) }
  /// Of neighbour solicitations, neighbour advertisements and redirects only.
  package var target: IPAddress { bytes.ipv6(8) }
  package var options: FrameBytes { bytes.dropFirst(type.fixedLength) }

  /// Whether the checksum is right between these addresses.
  package func hasRightChecksum(source: IPAddress, destination: IPAddress) -> Bool {
    var checksum = InternetChecksum(
      source: source, destination: destination, protocolNumber: IPProtocol.icmpV6,
      length: bytes.count)
    checksum.add(bytes)
    return checksum.value == 0
  }

  /// All options of a kind, whole, with their type and length bytes.
  package func options(_ kind: UInt8) -> [FrameBytes] {
    var found = [FrameBytes]()
    var rest = options
    while rest.count >= 8 {
      let length = Int(rest.byte(1)) * 8
      if rest.byte(0) == kind { found.append(rest.prefix(length)) }
      rest = rest.dropFirst(length)
    }
    return found
  }

  /// The Ethernet address of the first source (1) or target (2) link-layer address option.
  package func linkLayerAddress(_ kind: UInt8) -> MACAddress? {
    options(kind).first.map { $0.mac(2) }
  }

  private var optionsAreWhole: Bool {
    var rest = options
    while rest.count > 0 {
      guard rest.count >= 2, rest.byte(1) != 0, rest.count >= Int(rest.byte(1)) * 8 else {
        return false
      }
      rest = rest.dropFirst(Int(rest.byte(1)) * 8)
    }
    return true
  }
}

/// Writes the parts that all neighbour discovery messages share.
enum NeighborDiscovery {
  static let sourceLinkLayerAddress: UInt8 = 1
  static let targetLinkLayerAddress: UInt8 = 2
  static let prefixInformation: UInt8 = 3
  static let mtu: UInt8 = 5

  static func append(
    _ type: NeighborDiscoveryType, word: UInt32, to message: inout [UInt8]
  ) {
    message.append(contentsOf: [type.rawValue, 0, 0, 0])
    message.appendBig32(word)
  }

  static func append(option kind: UInt8, _ address: MACAddress, to message: inout [UInt8]) {
    message.append(contentsOf: [kind, 1])
    message.append(address)
  }

  /// Sets the checksum of an ICMPv6 message between two addresses (RFC 4443 section 2.3).
  static func setChecksum(
    of message: inout [UInt8], source: IPAddress, destination: IPAddress
  ) {
    message.storeBig16(0, at: 2)
    var checksum = InternetChecksum(
      source: source, destination: destination, protocolNumber: IPProtocol.icmpV6,
      length: message.count)
    checksum.add(message)
    message.storeBig16(checksum.value, at: 2)
  }
}
