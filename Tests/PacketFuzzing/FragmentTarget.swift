import FuzzSupport
import ReferenceModel
import TunnelFuzzing

extension FuzzTarget {
  /// Fragments of a few datagrams, IPv4 and IPv6, in any order, by engine and reference.
  public static let fragments = FuzzTarget(
    "fragments", maximumLength: 320, seeds: FragmentTarget.seeds
  ) {
    let host = ComparedHost(FuzzedModel.tracked(), ReferenceOptions())
    return { FragmentTarget.run($0, host) }
  }
}

enum FragmentTarget {
  private static let fragmentLimit = 64
  private static let protocols: [UInt8] = [17, 6, 1, 58, 17, 132, 50, 44]

  static func run(_ input: UnsafeRawBufferPointer, _ host: ComparedHost) -> String? {
    host.start()
    var reader = ByteReader(input)
    var time: UInt64 = 1_700_000_000_000_000_000
    for _ in 0..<fragmentLimit where !reader.isAtEnd {
      let control = reader.byte()
      time += ElapsedTime.nanoseconds(reader.byte())
      let frame = fragment(control, &reader)
      let difference = frame.withUnsafeBytes {
        host.take($0, time: time, endsBurst: control & 64 == 0)
      }
      if let difference { return difference }
    }
    return host.finish()
  }

  /// - Parameter control: bit 0 IPv6, 1 the direction, 2 the remote (elsewhere, or the other
  ///   interface of this host), 3 to 5 the protocol.
  private static func fragment(_ control: UInt8, _ reader: inout ByteReader) -> [UInt8] {
    let place = reader.byte()
    let offset = Int(place >> 3) * 8 * (place & 4 == 0 ? 1 : 264)
    let count = reader.byte()
    let fill = reader.byte()
    let isIPv6 = control & 1 != 0
    let isLocal = control & 4 != 0
    let web = isIPv6 ? ComposedFrame.v6(1, 0x0A) : [10, 0, 1, 10]
    let far: [UInt8] = isIPv6 ? ComposedFrame.v6(2, 0x14) : [10, 0, 2, 20]
    let near: [UInt8] = isIPv6 ? ComposedFrame.v6(1, 0x0B) : [10, 0, 1, 11]
    let remote = isLocal ? near : far
    let isSent = control & 2 != 0
    let fields = ComposedFrame.IPFields(
      source: isSent ? web : remote, destination: isSent ? remote : web,
      protocolNumber: protocols[Int(control >> 3 & 7)], identifier: UInt16(place & 1),
      fragmentOffset: offset, more: place & 2 != 0)
    var payload = [UInt8](repeating: fill, count: Int(count))
    if offset == 0 && count >= 8 {
      // A right UDP header, or the ports of one.
      payload.replaceSubrange(0..<4, with: [0x13, 0x88, 0, fill & 1 == 0 ? 53 : 54])
      if fields.protocolNumber == 17 {
        payload.replaceSubrange(4..<8, with: ComposedFrame.big(Int(fill) * 8) + [0, 0])
      }
    }
    return ComposedFrame.ethernet(
      isIPv6 ? 0x86DD : 0x0800, ComposedFrame.ip(fields, payload), to: isSent ? 0xFE : 0x0A,
      from: isSent ? 0x0A : isLocal ? 0x0B : 0xEE)
  }

  static func seeds() -> [[UInt8]] {
    var seeds: [[UInt8]] = []
    for control in 0...5 as ClosedRange<UInt8> {
      let first: [UInt8] = [control, 1, 2, 16, 6]
      let second: [UInt8] = [control, 1, 0x12, 16, 6]
      let last: [UInt8] = [control, 1, 0x20, 8, 6]
      let overlap: [UInt8] = [control, 1, 0x0A, 16, 6]
      let late: [UInt8] = [control, 0x90, 0x20, 8, 6]
      seeds.append(first + second + last)
      seeds.append(first + last + second)
      seeds.append(second + first)
      seeds.append(first + overlap + last)
      seeds.append(first + second + second + last)
      seeds.append(first + late)
    }
    return seeds
  }
}
