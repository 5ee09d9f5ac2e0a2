import FuzzSupport
import Wire

extension FuzzTarget {
  /// The frame parser: what it says it found is inside the bytes that are there, and bytes behind
  /// them change nothing.
  public static let frame = FuzzTarget("frame", maximumLength: 384) {
    { input in
      var reader = ByteReader(input)
      let control = reader.byte()
      let extra = control & 2 == 0 ? 0 : Int(reader.byte())
      let frame = reader.rest()
      var headers = Headers()
      FrameTarget.parse(frame, extra: extra, offloaded: control & 1 != 0, &headers)
      return FrameTarget.fault(headers, length: frame.count)
    }
  }
}

enum FrameTarget {
  static func parse(
    _ frame: UnsafeRawBufferPointer, extra: Int, offloaded: Bool, _ headers: inout Headers
  ) {
    // A rebased empty slice has an address, an empty input may have none.
    guard let base = frame.baseAddress else { return }
    FrameParser.parse(
      base, length: frame.count, originalLength: frame.count + extra, offloaded: offloaded,
      into: &headers)
  }

  static func fault(_ headers: borrowing Headers, length: Int) -> String? {
    if headers.faults.isEmpty != (headers.faults.reason == .none) { return "faults and reason" }
    if headers.link == .truncated { return length < 14 ? nil : "truncated with \(length) bytes" }
    guard headers.isIP else { return nil }
    if headers.networkOffset != 14 { return "network header at \(headers.networkOffset)" }
    if headers.hasAddresses && length < 14 + (headers.family == .v4 ? 20 : 40) {
      return "addresses of \(length) bytes"
    }
    guard headers.hasTransport && headers.faults.isEmpty else { return nil }
    let size =
      switch headers.transport {
      case IPProtocol.tcp: 20
      case IPProtocol.sctp: 12
      case IPProtocol.udp: 8
      case IPProtocol.icmp where headers.family == .v4: 8
      case IPProtocol.icmpV6 where headers.family == .v6: 8
      default: 0
      }
    if Int(headers.transportOffset) + size > length { return "transport header past the end" }
    if Int(headers.segmentLength) < size { return "a segment of \(headers.segmentLength) bytes" }
    if headers.fragmentOffset > 0 && size > 0 && headers.isFragment && headers.isLaterFragment {
      return "ports of a later fragment"
    }
    return nil
  }
}
