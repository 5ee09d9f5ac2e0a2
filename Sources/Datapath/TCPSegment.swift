import Tables
import Wire

/// What the connection tracker reads of a TCP segment (RFC 9293 section 3.1).
struct TCPSegment {
  var sequence: UInt32
  var acknowledgement: UInt32
  var window: UInt16
  var flags: TCPFlags
  var kind: TCPPacketKind
  /// One more than the last sequence number the segment takes.
  var end: UInt32
  var options: TCPOptions
  /// The first piece of a fragmented segment: its length is not known.
  var isFragment: Bool

  /// - Parameters:
  ///   - base: the frame; the parser saw the whole TCP header in it.
  ///   - headers: what the parser learnt.
  @unsafe @inline(__always)
  init(_ base: UnsafeRawPointer, _ headers: borrowing Headers) {
    unsafe self.init(
      base, offset: Int(headers.transportOffset), length: headers.segmentLength,
      flags: headers.tcpFlags, isFragment: headers.moreFragments)
  }

  @unsafe
  private init(
    _ base: UnsafeRawPointer, offset: Int, length: UInt32, flags: TCPFlags, isFragment: Bool
  ) {
    // SAFETY: the parser found the header, options included, inside the captured bytes.
    sequence = unsafe base.big32(offset + 4)
    acknowledgement = unsafe base.big32(offset + 8)
    window = unsafe base.big16(offset + 14)
    self.flags = flags
    let headerLength = Int(unsafe base.byte(offset + 12) >> 4) &* 4
    kind =
      flags.contains(.rst)
      ? .rst
      : flags.contains(.syn)
        ? (flags.contains(.ack) ? .synACK : .syn)
        : flags.contains(.fin) ? .fin : flags.contains(.ack) ? .ack : .none
    end =
      sequence &+ (length &- UInt32(truncatingIfNeeded: headerLength))
      &+ (flags.contains(.syn) ? 1 : 0) &+ (flags.contains(.fin) ? 1 : 0)
    self.isFragment = isFragment
    options =
      headerLength > 20
      ? unsafe TCPOptions(base + offset + 20, count: headerLength &- 20) : TCPOptions()
  }

  /// Whether the flags can occur together; PSH, ECE and CWR may come with any.
  ///
  /// The sets are those of Linux's tracker: SYN, SYN+ACK, RST, RST+ACK, FIN+ACK, ACK, and URG with
  /// those but SYN+ACK and the RSTs.
  static func areFlagsPossible(_ flags: TCPFlags) -> Bool {
    switch flags.rawValue & 0x37 {
    case 0x02, 0x22, 0x12, 0x04, 0x14, 0x11, 0x31, 0x10, 0x30: true
    default: false
    }
  }
}

/// The TCP options that window tracking needs (RFC 7323, RFC 2018); malformed ones end the list.
@safe
struct TCPOptions {
  /// There is at least one byte of options.
  var isPresent = false
  var hasWindowScale = false
  var scale: UInt8 = 0
  var isSACKPermitted = false
  /// Where the SACK blocks are, from the start of the options; zero when there are none.
  private var sackOffset = 0
  private var sackCount = 0
  private var bytes: UnsafeRawPointer?

  init() {
    // SAFETY: nothing is read through it while `sackCount` is zero.
    unsafe bytes = nil
  }

  @unsafe
  init(_ options: UnsafeRawPointer, count: Int) {
    unsafe bytes = options
    isPresent = true
    var position = 0
    while position < count {
      // SAFETY: `position` is below `count`, and so are the bytes of an option that fits.
      let kind = unsafe options.byte(position)
      if kind == 0 { return }
      if kind == 1 {
        position &+= 1
        continue
      }
      guard position &+ 1 < count else { return }
      let size = Int(unsafe options.byte(position &+ 1))
      guard size >= 2, position &+ size <= count else { return }
      switch (kind, size) {
      case (3, 3):
        hasWindowScale = true
        // RFC 7323 section 2.3: a shift above 14 counts as 14.
        scale = min(unsafe options.byte(position &+ 2), 14)
      case (4, 2): isSACKPermitted = true
      case (5, _) where size >= 10 && (size &- 2) & 7 == 0:
        sackOffset = position &+ 2
        sackCount = (size &- 2) >> 3
      default: break
      }
      position &+= size
    }
  }

  /// The highest right edge of the SACK blocks, if above `acknowledgement`; that otherwise.
  func highestSACK(above acknowledgement: UInt32) -> UInt32 {
    // SAFETY: the segment's header is there as long as its packet is judged.
    guard let bytes = unsafe bytes, sackCount > 0 else { return acknowledgement }
    var highest = acknowledgement
    for block in 0..<sackCount {
      // SAFETY: the option was inside the header.
      let right = unsafe bytes.big32(sackOffset &+ block &* 8 &+ 4)
      if isAfter(right, highest) { highest = right }
    }
    return highest
  }
}

/// Whether sequence number `a` comes after `b`, modulo 2^32.
@inline(__always) func isAfter(_ a: UInt32, _ b: UInt32) -> Bool {
  Int32(bitPattern: b &- a) < 0
}

/// Whether sequence number `a` comes before `b`, modulo 2^32.
@inline(__always) func isBefore(_ a: UInt32, _ b: UInt32) -> Bool { isAfter(b, a) }
