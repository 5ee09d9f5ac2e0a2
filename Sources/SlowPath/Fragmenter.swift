import Wire

/// Cuts IPv4 packets into fragments that fit a path (RFC 791 section 3.2).
public enum Fragmenter {
  /// Fragments a packet whose sender allows it.
  ///
  /// Every piece is a whole Ethernet frame with the MAC addresses of the original. A packet that
  /// is itself a fragment is cut further: offsets count from its own, and the last piece has its
  /// "more fragments" flag. A packet that fits is one piece.
  ///
  /// Of a packet that a capture cut short, what is there is fragmented as if it were all; if more
  /// fragments follow, without the bytes beyond a multiple of 8.
  ///
  /// - Parameters:
  ///   - frame: an Ethernet frame without VLAN tag; padding behind the packet is left out.
  ///   - mtu: bytes an IP packet may have.
  ///   - piece: gets the pieces in order; the bytes are valid during the call only.
  /// - Returns: whether there were pieces. False for what is not IPv4, for a header that is not
  ///   whole, with DF set, for an MTU without room for 8 bytes of payload, and for a packet that
  ///   ends past 65,535.
  /// - Complexity: linear in the length of the frame.
  public static func fragment(
    _ frame: UnsafeRawBufferPointer, mtu: Int, piece: (UnsafeRawBufferPointer) -> Void
  ) -> Bool {
    guard let ethernet = EthernetView(FrameBytes(frame)),
      ethernet.etherType == EtherType.ipv4, let packet = IPv4View(ethernet.payload),
      !packet.dontFragment, mtu >= packet.headerLength + 8
    else { return false }
    let payload = wholePayload(of: packet)
    guard packet.headerLength + packet.fragmentOffset + payload.count <= 0xFFFF else {
      return false
    }

    var options = packet.options.array
    var bytes = [UInt8]()
    bytes.reserveCapacity(EthernetView.headerLength + mtu)
    var start = 0
    repeat {
      let room = mtu - IPv4View.minimumHeaderLength - options.count
      let isLast = payload.count - start <= room
      let end = isLast ? payload.count : start + room / 8 * 8
      bytes.removeAll(keepingCapacity: true)
      EthernetHeader(ethernet).emit(into: &bytes)
      appendHeader(
        of: packet, options: options, offset: packet.fragmentOffset + start,
        moreFragments: !isLast || packet.moreFragments, payloadLength: end - start, to: &bytes)
      bytes.append(payload[start..<end])
      bytes.withUnsafeBytes(piece)
      if start == 0 { options = copiedOptions(of: packet.options) }
      start = end
    } while start < payload.count
    return true
  }

  private static func wholePayload(of packet: IPv4View) -> FrameBytes {
    let payload = packet.payload
    guard packet.isCut, packet.moreFragments else { return payload }
    return payload.prefix(payload.count / 8 * 8)
  }

  private static func appendHeader(
    of packet: IPv4View, options: [UInt8], offset: Int, moreFragments: Bool,
    payloadLength: Int, to frame: inout [UInt8]
  ) {
    let start = frame.count
    let length = IPv4View.minimumHeaderLength + options.count
    frame.append(UInt8(0x40 | length / 4))
    frame.append(packet.typeOfService)
    frame.appendBig16(UInt16(truncatingIfNeeded: length + payloadLength))
    frame.appendBig16(packet.identification)
    frame.appendBig16(UInt16(truncatingIfNeeded: offset / 8) | (moreFragments ? 0x2000 : 0))
    frame.append(packet.timeToLive)
    frame.append(packet.protocolNumber)
    frame.appendBig16(0)
    frame.append(packet.source)
    frame.append(packet.destination)
    frame.append(contentsOf: options)
    var checksum = InternetChecksum()
    checksum.add(Array(frame[start...]))
    frame.storeBig16(checksum.value, at: start + 10)
  }

  /// The options with the copied flag, padded to words; a malformed option ends the list.
  private static func copiedOptions(of options: FrameBytes) -> [UInt8] {
    var copied = [UInt8]()
    var rest = options
    while rest.count > 0, rest.byte(0) != 0 {
      if rest.byte(0) == 1 {
        rest = rest.dropFirst(1)
        continue
      }
      guard rest.count >= 2, 2...rest.count ~= Int(rest.byte(1)) else { break }
      let option = rest.prefix(Int(rest.byte(1)))
      if option.byte(0) & 0x80 != 0 { copied.append(option) }
      rest = rest.dropFirst(option.count)
    }
    copied.appendZeros(-copied.count & 3)
    return copied
  }
}
