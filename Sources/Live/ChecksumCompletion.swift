import Datapath
import Wire

/// Completes in software the TCP or UDP checksum that a guest left to its device.
///
/// The guest's field is not read: it is whatever the guest likes, and a sum built on it would make
/// our own outer checksum wrong as well. Everything is computed from the headers and the bytes.
public enum ChecksumCompletion {
  /// Computes the checksum of the (inner) TCP segment or UDP datagram, and over an IPv6 underlay
  /// the outer UDP checksum, which covers it.
  ///
  /// Clears `PacketFlags.partialChecksum`. A frame that is not one whole TCP or UDP packet at
  /// `headers` (a fragment, another protocol, offsets outside of the first buffer) keeps its inner
  /// bytes: nobody can tell what they should be, and its receiver refuses them.
  ///
  /// - Parameters:
  ///   - packet: a frame whose headers are in the first buffer; its payload may be in others.
  ///   - headers: where the (inner) headers stand. `outer` may be set: then before them stand
  ///     Ethernet, IP without options or extension headers, and UDP.
  /// - Complexity: O(`packet.originalLength`).
  /// - Note: RFC 9293 section 3.1, RFC 768, RFC 8200 section 8.1; virtio 1.2 section 5.1.6.2.
  @inlinable
  public static func complete<IO: PacketIO & ~Copyable>(
    _ packet: inout Packet, headers: HeaderOffsets, io: inout IO
  ) {
    packet.flags.remove(.partialChecksum)
    let covered = ChecksumField.coveredLength(packet, headers)
    if covered > 0 {
      let transport = Int(headers.transport)
      ChecksumField.clear(packet, headers)
      let sum = sum(of: packet, from: transport, count: covered, io: &io)
      let complete = ChecksumField.store(sum, packet, headers, coveredLength: covered)
      if headers.outer == 0 { return }
      if transport &+ covered == Int(packet.originalLength) {
        OuterField.complete(packet, transport: transport, inner: complete)
        return
      }
    }
    if headers.outer > 0 { completeOuter(&packet, io: &io) }
  }

  /// Computes the outer UDP checksum of a tunnel packet over IPv6; over IPv4 it stays as it is
  /// (zero by RFC 7348 section 5 and RFC 8926 section 3.3).
  ///
  /// Needed too for a complete inner frame in several buffers: the engine sees only the first one.
  ///
  /// - Parameter packet: a frame that begins with Ethernet, IP without extension headers and UDP.
  /// - Complexity: O(`packet.originalLength`).
  /// - Note: RFC 8200 section 8.1.
  @inlinable
  public static func completeOuter<IO: PacketIO & ~Copyable>(
    _ packet: inout Packet, io: inout IO
  ) {
    guard OuterField.isNeeded(packet) else { return }
    OuterField.clear(packet)
    let length = Int(packet.originalLength) &- OuterField.udpOffset
    let sum = sum(of: packet, from: OuterField.udpOffset, count: length, io: &io)
    OuterField.store(UInt64(sum), packet)
  }

  /// Adds up bytes of a frame wherever they are: in place in the first buffer, copied in pieces
  /// from the others.
  @inlinable
  static func sum<IO: PacketIO & ~Copyable>(
    of packet: borrowing Packet, from start: Int, count: Int, io: inout IO
  ) -> UInt16 {
    let here = max(0, min(count, Int(packet.length) &- start))
    var sum = ByteSum()
    // SAFETY: `here` bytes from `start` are in the first buffer.
    if here > 0 { unsafe sum.add(UnsafeRawPointer(packet.base + start), count: here) }
    if here == count { return sum.folded }

    var piece = ByteSum.Piece(repeating: 0)
    var done = here
    while done < count {
      let size = min(ByteSum.pieceLength, count &- done)
      // SAFETY: the piece has room for `size` bytes, and the frame has them behind `start + done`.
      unsafe io.copyBytes(of: packet, from: start &+ done, count: size, to: &piece)
      unsafe sum.add(&piece, count: size)
      done &+= size
    }
    return sum.folded
  }
}
