import Tables
import Wire

// A TCP frame that its sender left to be segmented (TSO) is judged once, as what it will be: sizes
// are those of a segment, allowances pay for all of them.

extension PacketContext {
  /// Bytes that each segment's IP packet will have at most; the whole packet's when it is not TCP.
  func segmentDatagramLength(_ packet: borrowing Packet) -> UInt32 {
    let header = segmentHeaderLength(packet)
    return header == 0 ? headers.datagramLength : header &+ UInt32(packet.segmentSize)
  }

  /// Counts the segments, and the headers that all but the first add to the bytes.
  @inline(never)
  mutating func countSegments(_ packet: borrowing Packet) {
    let header = segmentHeaderLength(packet)
    guard header != 0, headers.datagramLength > header else { return }
    let size = UInt32(packet.segmentSize)
    packets = (headers.datagramLength &- header &+ size &- 1) / size
    cost &+= (packets &- 1) &* (UInt32(FrameParser.ethernetLength) &+ header)
  }

  /// IP and TCP headers together; 0 when the packet is not whole TCP.
  private func segmentHeaderLength(_ packet: borrowing Packet) -> UInt32 {
    guard headers.transport == IPProtocol.tcp, headers.hasTransport, !headers.isFragment else {
      return 0
    }
    let transport = Int(headers.transportOffset)
    // SAFETY: the parser saw the whole TCP header.
    let words = unsafe UnsafeRawPointer(packet.base).byte(transport + 12) >> 4
    return UInt32(truncatingIfNeeded: transport &- Int(headers.networkOffset)) &+ UInt32(words) &* 4
  }
}
