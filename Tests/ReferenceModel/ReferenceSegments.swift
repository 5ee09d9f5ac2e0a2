import Wire

// TCP packets that a guest left to its device to cut (virtio 1.2 section 5.1.6.2): judged as one,
// charged as what they become.

extension ParsedPacket {
  /// Bytes of IP and TCP headers; nil of what cannot be cut.
  var segmentHeaders: Int? {
    guard tcp != nil, fragment == nil else { return nil }
    return transportOffset + Int(transport(from: 0).u8(12) >> 4) * 4
  }

  /// Packets that it becomes with `size` bytes of payload each; 1 without a size.
  func segmentCount(_ size: Int) -> Int {
    guard size > 0, let headers = segmentHeaders, length > headers else { return 1 }
    return (length - headers + size - 1) / size
  }
}

extension ReferenceVPC {
  /// Packets and bytes that the frame costs; each segment repeats the headers.
  func cost(of packet: ParsedPacket, _ frame: Frame) -> (packets: Int, bytes: Int) {
    let count = packet.segmentCount(segmentSize)
    let headers = frame.headerLength + (packet.segmentHeaders ?? 0)
    return (count, frame.headerLength + packet.length + (count - 1) * headers)
  }
}

extension ReferenceOutput {
  /// What a device makes of the packet: headers of its own for each segment, identifications
  /// counted up, CWR on the first alone, FIN and PSH on the last alone.
  ///
  /// - Returns: one output for each segment; nil where the host refuses to cut: more than 256, or
  ///   less than 8 bytes each.
  public func segments(of size: Int) -> [ReferenceOutput]? {
    let parsed = parseIP(
      packet[0] >> 4 == 4 ? .v4 : .v6, Octets(bytes: packet, originalLength: packet.count))
    guard size >= 8, let tcp = parsed.tcp, let headers = parsed.segmentHeaders,
      parsed.segmentCount(size) <= 256
    else { return nil }
    let payload = Array(packet[headers..<parsed.length])
    return stride(from: 0, to: payload.count, by: size).enumerated().map { index, start in
      let end = min(payload.count, start + size)
      var bytes = Array(packet[..<headers]) + payload[start..<end]
      let sequence = tcp.sequence &+ UInt32(start)
      let place = parsed.transportOffset
      bytes.replaceSubrange(place + 4..<place + 8, with: PacketComposer.big32(sequence))
      if index > 0 { bytes[place + 13] &= 0x7F }
      if end < payload.count { bytes[place + 13] &= 0xF6 }
      if parsed.family == .v4 {
        let identification = parsed.octets.u16(4) &+ UInt16(index)
        bytes.replaceSubrange(2..<4, with: PacketComposer.big16(bytes.count))
        bytes.replaceSubrange(4..<6, with: PacketComposer.big16(Int(identification)))
        PacketComposer.setIPv4Checksum(&bytes)
      } else {
        bytes.replaceSubrange(4..<6, with: PacketComposer.big16(bytes.count - 40))
      }
      PacketComposer.setTransportChecksum(&bytes)
      var output = self
      output.packet = bytes
      output.checksums = []
      return output
    }
  }
}
