import Wire

/// Addresses, ports and protocol of a recorded packet; both directions of a conversation are one.
public struct ReferenceFlow: Hashable, Sendable {
  /// The smaller end first, by address and then by port.
  public var ends: [End]
  public var protocolNumber: UInt8

  public struct End: Hashable, Sendable {
    public var address: IPAddress
    /// Zero for protocols without ports and for later fragments.
    public var port: UInt16

    public init(address: IPAddress, port: UInt16) {
      self.address = address
      self.port = port
    }
  }

  public init(_ a: End, _ b: End, protocolNumber: UInt8) {
    let isOrdered = a.address == b.address ? a.port <= b.port : a.address < b.address
    ends = isOrdered ? [a, b] : [b, a]
    self.protocolNumber = protocolNumber
  }
}

extension ReferencePacket {
  /// Who is named first in its headers, and the flow; nil when it is no IP packet, or cut.
  ///
  /// A tunnel is not looked into.
  public var addressed: (source: ReferenceFlow.End, flow: ReferenceFlow)? {
    let octets = Octets(bytes: bytes, originalLength: originalLength)
    guard case .ip(let packet) = Frame(linkType: linkType, octets: octets, tags: 2).content,
      packet.addressesKnown
    else { return nil }
    var ports: (source: UInt16, destination: UInt16) = (0, 0)
    let hasPorts = [6, 17, 132].contains(packet.protocolNumber)
    if hasPorts, !packet.isLaterFragment, packet.octets.holds(packet.transportOffset, 4),
      packet.transportOffset > 0
    {
      ports = (
        packet.octets.u16(packet.transportOffset), packet.octets.u16(packet.transportOffset + 2)
      )
    }
    let source = ReferenceFlow.End(address: packet.source, port: ports.source)
    let destination = ReferenceFlow.End(address: packet.destination, port: ports.destination)
    return (source, ReferenceFlow(source, destination, protocolNumber: packet.protocolNumber))
  }
}
