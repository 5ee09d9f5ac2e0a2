/// The outer headers of a tunnel packet in the form that nearly all have: Ethernet, IPv4 without
/// options and whole, UDP with room for a tunnel header of 8 bytes, and no fault in any of them.
///
/// `FrameParser` says the same of such a packet, at four times the instructions, and decides about
/// every other one.
@frozen public enum PlainOuterHeader {
  /// Of the UDP header.
  @inlinable public static var transportOffset: Int { 34 }

  /// Whether the frame begins with such headers.
  ///
  /// - Parameters:
  ///   - base: `length` readable bytes.
  ///   - originalLength: bytes the frame had on the wire.
  /// - Complexity: O(1).
  @unsafe @inlinable @inline(__always)
  @_noLocks
  public static func matches(
    _ base: UnsafeRawPointer, length: Int, originalLength: Int
  ) -> Bool {
    guard length >= transportOffset &+ 16 else { return false }
    // SAFETY: 50 bytes are there.
    let total = Int(unsafe base.big16(16))
    let segment = Int(unsafe base.big16(38))
    // EtherType, version and header length; then flags and offset, without "don't fragment".
    return unsafe base.big32(12) &>> 8 == 0x08_0045 && base.big16(20) & 0x3FFF == 0
      && base.byte(23) == IPProtocol.udp && segment >= 16 && segment &+ 20 <= total
      && total &+ FrameParser.ethernetLength <= max(length, originalLength)
      && InternetChecksum.isRight20(base + FrameParser.ethernetLength)
  }
}
