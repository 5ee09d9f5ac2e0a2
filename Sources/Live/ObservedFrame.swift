import Datapath
import Tables
import Wire

/// What an observation reads of a frame: the headers of the guest's packet, inside of a tunnel or
/// not, and where they end. Nothing is judged; hostile bytes give headers that match little.
@safe
struct ObservedFrame: ~Copyable {
  /// Of the guest's packet, or of the outer one when there is nothing readable inside.
  var headers = Headers()
  /// Where the frame begins that `headers` counts from.
  var offset = 0
  var hasTunnel = false
  var vni: UInt32 = 0
  /// The destination MAC address of that frame.
  var target = MACAddress(0)

  /// - Parameters:
  ///   - base: the first byte of an Ethernet frame, of which `length` are there.
  ///   - isOuter: it is a tunnel packet.
  @unsafe @_noLocks
  init(_ base: UnsafeRawPointer, length: Int, originalLength: Int, isOuter: Bool) {
    // SAFETY: the caller vouches for `length` bytes.
    unsafe FrameParser.parse(
      base, length: length, originalLength: originalLength, offloaded: true, into: &headers)
    if isOuter { unsafe open(base, length: length, originalLength: originalLength) }
    // SAFETY: the frame that begins at `offset` has an Ethernet header when it was parsed.
    if length &- offset >= FrameParser.ethernetLength {
      target = unsafe (base + offset).mac(0)
    }
  }

  /// Looks into a tunnel packet: Geneve (RFC 8926 section 3.4) or VXLAN (RFC 7348 section 5).
  @unsafe
  private mutating func open(_ base: UnsafeRawPointer, length: Int, originalLength: Int) {
    let tunnel = Int(headers.transportOffset) &+ 8
    guard headers.faults.isEmpty, headers.isIP, !headers.isFragment,
      headers.transport == IPProtocol.udp, tunnel &+ 8 <= length
    else { return }
    var inner = tunnel &+ 8
    switch headers.destinationPort {
    // SAFETY: 8 bytes from `tunnel` are there.
    case 6_081: inner &+= Int(unsafe base.byte(tunnel) & 0x3F) &* 4
    case 4_789: break
    default: return
    }
    vni = unsafe base.big32(tunnel &+ 4) >> 8
    hasTunnel = true
    guard inner &+ FrameParser.ethernetLength <= length else { return }
    offset = inner
    // SAFETY: `inner` is inside of the bytes.
    unsafe FrameParser.parse(
      base + inner, length: length &- inner, originalLength: max(length, originalLength) &- inner,
      offloaded: true, into: &headers)
  }

  /// Bytes of the frame up to where its payload begins, at most `length`.
  ///
  /// Behind it is what a caller without the right to payload does not get. Where a header cannot be
  /// relied on, the frame ends before it.
  @unsafe @_noLocks
  func headerLength(_ base: UnsafeRawPointer, length: Int) -> Int {
    let ethernet = offset &+ FrameParser.ethernetLength
    switch headers.link {
    case .truncated, .vlan, .other: return min(length, ethernet)
    case .arp: return min(length, ethernet &+ 28)
    case .ipv4, .ipv6: break
    }
    guard headers.hasAddresses else { return min(length, ethernet) }
    guard headers.faults.isEmpty else {
      return min(length, ethernet &+ (headers.family == .v4 ? 20 : 40))
    }
    let transport = offset &+ Int(headers.transportOffset)
    guard headers.hasTransport, !headers.isLaterFragment else { return min(length, transport) }
    var size = 0
    switch headers.transport {
    case IPProtocol.tcp:
      // SAFETY: 20 bytes of TCP header are there when it was read.
      size = transport &+ 13 <= length ? Int(unsafe base.byte(transport &+ 12) >> 4) &* 4 : 0
    case IPProtocol.udp, IPProtocol.icmp, IPProtocol.icmpV6: size = 8
    case IPProtocol.sctp: size = 12
    default: break
    }
    return min(length, transport &+ min(size, Int(headers.segmentLength)))
  }
}
