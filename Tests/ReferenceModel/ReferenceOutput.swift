import VPCModel
import Wire

/// The frame as which a forwarded packet leaves the host.
public struct ReferenceOutput: Sendable, Equatable {
  public enum Place: Sendable, Equatable {
    case networkInterface(String)
    case underlay(IPAddress, vni: UInt32)
  }

  /// A checksum in `packet` that was updated by difference (RFC 1624).
  struct Field: Sendable, Equatable {
    var offset: Int
    /// Zero would say that there is none (RFC 768).
    var isUDP: Bool
  }

  public var place: Place
  var destinationMAC: MACAddress
  var sourceMAC: MACAddress
  /// From the IP header on.
  public internal(set) var packet: [UInt8]
  var checksums: [Field]
  /// Bytes to which the packet has to be cut before it leaves; nil when it leaves whole.
  public internal(set) var limit: Int?

  /// What is wrong with an Ethernet frame that should be this one; nil when nothing is.
  public func difference(from frame: [UInt8]) -> String? {
    guard frame.count >= 14 else { return "a frame of \(frame.count) bytes" }
    let header = Octets(bytes: frame, originalLength: frame.count)
    if header.mac(0) != destinationMAC { return "sent to \(header.mac(0)), not \(destinationMAC)" }
    if header.mac(6) != sourceMAC { return "sent from \(header.mac(6)), not \(sourceMAC)" }
    let type: UInt16 = packet.first.map { $0 >> 4 == 6 } == true ? 0x86DD : 0x0800
    if header.u16(12) != type { return "Ethernet type \(header.u16(12))" }
    return packetDifference(from: Array(frame.dropFirst(14)))
  }

  private func packetDifference(from actual: [UInt8]) -> String? {
    if actual.count != packet.count {
      return "\(actual.count) bytes of packet, not \(packet.count)"
    }
    var skipped: Set<Int> = []
    for field in checksums {
      skipped.formUnion([field.offset, field.offset + 1])
      let expected = Octets(bytes: packet, originalLength: packet.count).u16(field.offset)
      let found = Octets(bytes: actual, originalLength: actual.count).u16(field.offset)
      // Zero has two representations in ones' complement.
      if found % 0xFFFF != expected % 0xFFFF {
        return "checksum at \(field.offset) is \(found), not \(expected)"
      }
      if field.isUDP && found == 0 { return "the UDP checksum became zero" }
    }
    for index in packet.indices where packet[index] != actual[index] && !skipped.contains(index) {
      return "byte \(index) of the packet is \(actual[index]), not \(packet[index])"
    }
    return nil
  }
}

/// RFC 1624, equation 3, for the replacement of some 16-bit words.
func updatedChecksum(_ checksum: UInt16, _ old: [UInt16], _ new: [UInt16]) -> UInt16 {
  var sum = UInt32(~checksum)
  for word in old { sum += UInt32(~word) }
  for word in new { sum += UInt32(word) }
  while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
  return ~UInt16(sum)
}

extension ReferenceVPC {
  /// Replaces an IPv4 address by another in a packet and in what an ICMP error quotes.
  ///
  /// - Parameters:
  ///   - offset: of the address in the IP header.
  ///   - quotedOffset: of the same host's address in a quoted header.
  /// - Returns: the checksums that changed with it.
  func translate(
    _ bytes: inout [UInt8], _ packet: ParsedPacket, from old: IPAddress, to new: IPAddress,
    at offset: Int, quotedAt quotedOffset: Int
  ) -> [ReferenceOutput.Field] {
    var fields: [ReferenceOutput.Field] = []
    let change = ([UInt16](old), [UInt16](new))
    func word(_ offset: Int) -> UInt16 { UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1]) }
    func update(_ offset: Int, _ change: ([UInt16], [UInt16]), isUDP: Bool = false) {
      let value = updatedChecksum(word(offset), change.0, change.1)
      bytes.replaceSubrange(offset..<offset + 2, with: PacketComposer.big16(Int(value)))
      fields.append(ReferenceOutput.Field(offset: offset, isUDP: isUDP))
    }
    bytes.replaceSubrange(offset..<offset + 4, with: PacketComposer.bytes(new))
    update(10, change)
    if packet.isLaterFragment || packet.isTiny { return fields }
    let transport = packet.transportOffset
    switch packet.protocolNumber {
    case ProtocolNumber.tcp where transport + 18 <= bytes.count: update(transport + 16, change)
    case ProtocolNumber.udp where transport + 8 <= bytes.count && word(transport + 6) != 0:
      update(transport + 6, change, isUDP: true)
    case ProtocolNumber.icmp where packet.icmp?.kind(.v4) == .error:
      let quote = transport + 8
      guard quote + 20 <= bytes.count,
        Array(bytes[quote + quotedOffset..<quote + quotedOffset + 4]) == PacketComposer.bytes(old)
      else { return fields }
      let header = word(quote + 10)
      bytes.replaceSubrange(
        quote + quotedOffset..<quote + quotedOffset + 4, with: PacketComposer.bytes(new))
      update(quote + 10, change)
      update(transport + 2, (change.0 + [header], change.1 + [word(quote + 10)]))
    default: break
    }
    return fields
  }
}

extension [UInt16] {
  fileprivate init(_ address: IPAddress) {
    let bits = address.v4Bits
    self = [UInt16(bits >> 16), UInt16(truncatingIfNeeded: bits)]
  }
}

// MARK: Tunnels

extension ReferenceOutput {
  /// What is wrong with a frame to the underlay that should carry this one; nil when nothing is.
  ///
  /// - Parameters:
  ///   - host: this host.
  ///   - uplink: the uplink's own MAC address.
  ///   - nextHop: where the frame should go.
  public func difference(
    fromTunnelled frame: [UInt8], host: Host, uplink: MACAddress, nextHop: MACAddress
  ) -> String? {
    switch Self.open(frame, host: host, uplink: uplink, nextHop: nextHop) {
    case .failure(let fault): return fault.text
    case .success(let tunnel):
      guard case .underlay(let endpoint, let vni) = place else { return "not for the underlay" }
      if tunnel.endpoint != endpoint { return "sent to \(tunnel.endpoint), not \(endpoint)" }
      if tunnel.vni != vni { return "VNI \(tunnel.vni), not \(vni)" }
      return difference(from: tunnel.inner)
    }
  }

  public struct Fault: Error { public var text: String }

  /// A tunnel packet that is as it should be.
  public struct Tunnel: Sendable {
    public var endpoint: IPAddress
    public var vni: UInt32
    public var sourcePort: UInt16
    public var inner: [UInt8]
  }

  /// Opens a tunnel packet that this host sent, and checks its outer headers.
  public static func open(
    _ bytes: [UInt8], host: Host, uplink: MACAddress, nextHop: MACAddress
  ) -> Result<Tunnel, Fault> {
    func fault(_ text: String) -> Result<Tunnel, Fault> { .failure(Fault(text: text)) }
    let octets = Octets(bytes: bytes, originalLength: bytes.count)
    let frame = Frame(linkType: 1, octets: octets, tags: 0, isLive: true)
    guard case .ip(let outer) = frame.content else { return fault("no IP packet") }
    if frame.destinationMAC != nextHop { return fault("not to the next hop") }
    if frame.sourceMAC != uplink { return fault("not from the uplink") }
    if let reason = outer.fault { return fault("outer packet: \(reason.name)") }
    if outer.length + 14 != bytes.count { return fault("outer length \(outer.length)") }
    if outer.source != host.address { return fault("outer source \(outer.source)") }
    if outer.fragment != nil { return fault("outer fragment") }
    guard outer.protocolNumber == ProtocolNumber.udp, let ports = outer.ports else {
      return fault("no UDP")
    }
    let wanted: UInt16 = host.encapsulation == .geneve ? 6081 : 4789
    if ports.destination != wanted { return fault("outer port \(ports.destination)") }
    // RFC 6335 section 6: the dynamic ports.
    if ports.source < 0xC000 { return fault("outer source port \(ports.source)") }
    let udp = outer.transport(from: 0)
    if Int(udp.u16(4)) != outer.transportLength { return fault("UDP length") }
    if outer.family == .v4 {
      if udp.u16(6) != 0 { return fault("UDP checksum over IPv4") }
    } else if udp.u16(6) == 0 || outer.transportSum != 0xFFFF {
      return fault("UDP checksum over IPv6")
    }
    switch parseTunnel(port: ports.destination, outer.transport(from: 8)) {
    case .drop(let reason): return fault("tunnel header: \(reason.name)")
    case .header(let header):
      let inner = header.inner
      return .success(
        Tunnel(
          endpoint: outer.destination, vni: header.vni, sourcePort: ports.source,
          inner: Array(inner.captured(0, inner.originalLength))))
    }
  }
}

extension ParsedPacket {
  /// The sum of pseudo-header and transport header with payload: 0xFFFF when the checksum is right.
  var transportSum: UInt16 {
    var words: [UInt8] = []
    // RFC 792: ICMP has no pseudo-header.
    if protocolNumber != ProtocolNumber.icmp {
      words = PacketComposer.bytes(source) + PacketComposer.bytes(destination)
      words += PacketComposer.big32(UInt32(transportLength))
      words += [0, 0, 0, protocolNumber]
    }
    words += transport(from: 0).captured(0, transportLength)
    if words.count % 2 == 1 { words.append(0) }
    var sum: UInt64 = 0
    for index in stride(from: 0, to: words.count, by: 2) {
      sum += UInt64(words[index]) << 8 | UInt64(words[index + 1])
    }
    while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
    return UInt16(sum)
  }
}
