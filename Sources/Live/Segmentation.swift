import Datapath
import Wire

/// Cuts TCP super-packets (TSO) into packets for ports that cannot do it themselves.
public enum Segmentation {
  /// Packets that one super-packet may become: 64 KB in segments of 256 bytes.
  ///
  /// `gso_size` is the guest's to choose, and a guest pays one descriptor for all the work that it
  /// causes here. No path of IPv4 or IPv6 needs smaller segments of packets this large.
  @inlinable public static var maximumCount: Int { 256 }

  /// The smallest segment that is cut, of bytes of payload: what Linux leaves of its smallest MSS
  /// (48, against CVE-2019-11478) when TCP's options are as long as they may be (40).
  @inlinable public static var minimumSize: Int { 8 }

  /// Cuts a TCP packet, plain or behind a tunnel header, into segments with `packet.segmentSize`
  /// bytes of payload, the last one with what is left, and sends them.
  ///
  /// Each gets all headers, with lengths, IPv4 identifications (counted up, the outer one too),
  /// sequence number, flags (CWR in the first only, FIN and PSH in the last only) and checksums of
  /// its own, the bytes being those that Linux's software segmentation makes. A packet that is one
  /// segment already is sent as it is, its checksum completed.
  ///
  /// - Parameters:
  ///   - packet: is released. Its headers are in the first buffer; its payload may be in others.
  ///   - headers: where the (inner) headers stand. With `outer`, before them stand Ethernet, IP
  ///     without options or extension headers, UDP and the tunnel header.
  ///   - port: that sends the segments.
  ///   - poolPort: whose pool pays for their buffers.
  /// - Returns: how many segments were sent. 0: nothing was, because the packet is not whole
  ///   unfragmented TCP, or its `segmentSize` is below `minimumSize`, asks for more than
  ///   `maximumCount` segments, or makes one longer than 65,535 bytes. When the pool runs empty the
  ///   rest is lost, as on a full port.
  /// - Complexity: O(`packet.originalLength`).
  @inlinable
  public static func segment<IO: PacketIO & ~Copyable>(
    _ packet: inout Packet, headers: HeaderOffsets, port: Int, poolPort: Int, io: inout IO
  ) -> Int {
    let cut = SegmentationPlan(packet, headers)
    if cut.count == 1 {
      packet.segmentSize = 0
      ChecksumCompletion.complete(&packet, headers: headers, io: &io)
      io.send(&packet, port: port, headers: headers)
      return 1
    }
    var sent = 0
    while sent < cut.count {
      let size = cut.payloadLength(of: sent)
      // SAFETY: a descriptor without bytes, which `allocate` overwrites.
      var segment = unsafe Packet(base: packet.base, length: 0, headroom: 0)
      let capacity = cut.headerLength &+ size
      guard io.allocate(port: poolPort, capacity: capacity, &segment) else { break }
      cut.writeHeaders(of: sent, from: packet, to: &segment, headers)
      // SAFETY: the buffer has room for `capacity` bytes, and the plan ends where the frame does.
      unsafe io.copyBytes(
        of: packet, from: cut.payloadOffset(of: sent), count: size,
        to: segment.base + cut.headerLength)
      ChecksumCompletion.complete(&segment, headers: headers, io: &io)
      io.send(&segment, port: port, headers: headers)
      sent &+= 1
    }
    io.release(&packet)
    return sent
  }
}
