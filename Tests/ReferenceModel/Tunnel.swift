import Wire

/// The tunnel header of an underlay packet.
struct TunnelHeader {
  var vni: UInt32
  /// The inner Ethernet frame.
  var inner: Octets
}

enum TunnelParse {
  case header(TunnelHeader)
  case drop(DropReason)
}

/// Reads Geneve (RFC 8926) or VXLAN (RFC 7348) from a UDP payload.
func parseTunnel(port: UInt16, _ payload: Octets) -> TunnelParse {
  guard payload.originalLength >= 8 else { return .drop(.tunnelHeader) }
  guard payload.holds(0, 8) else { return .drop(.parseTruncated) }
  return port == 6081 ? parseGeneve(payload) : parseVXLAN(payload)
}

private func parseVXLAN(_ payload: Octets) -> TunnelParse {
  guard payload.u32(0) == 0x0800_0000, payload.u8(7) == 0 else { return .drop(.tunnelHeader) }
  return .header(TunnelHeader(vni: payload.u32(4) >> 8, inner: payload.dropFirst(8)))
}

private func parseGeneve(_ payload: Octets) -> TunnelParse {
  let optionsLength = Int(payload.u8(0) & 0x3F) * 4
  // Version 0, neither control packet nor critical options, reserved bits zero, Ethernet inside.
  guard payload.u8(0) >> 6 == 0, payload.u8(1) == 0, payload.u16(2) == 0x6558,
    payload.u8(7) == 0, payload.originalLength >= 8 + optionsLength
  else { return .drop(.tunnelHeader) }
  guard payload.holds(8, optionsLength) else { return .drop(.parseTruncated) }
  var offset = 8
  while offset < 8 + optionsLength {
    let type = payload.u8(offset + 2)
    let length = 4 + Int(payload.u8(offset + 3) & 0x1F) * 4
    let isCritical = type & 0x80 != 0
    guard !isCritical, offset + length <= 8 + optionsLength else { return .drop(.tunnelHeader) }
    offset += length
  }
  return .header(
    TunnelHeader(vni: payload.u32(4) >> 8, inner: payload.dropFirst(8 + optionsLength)))
}
