import FuzzSupport
import ReferenceModel
import TunnelFuzzing

extension FuzzTarget {
  /// A capture of a few frames under a generated model, by engine and reference.
  ///
  /// The first byte names the model. Each frame has a byte of flags, one of time, its length and
  /// its bytes.
  public static let pipeline = FuzzTarget(
    "pipeline", maximumLength: 2_048, seeds: PipelineTarget.seeds
  ) {
    let target = PipelineTarget()
    return target.run
  }
}

final class PipelineTarget {
  static let modelCount: UInt8 = 16
  private static let frameLimit = 24
  private static let linkTypes: [UInt16] = [1, 1, 1, 1, 101, 113, 276, 228]

  private var hosts: [UInt8: ComparedHost] = [:]

  private func host(_ index: UInt8) -> ComparedHost {
    if let host = hosts[index] { return host }
    let scenario = Generator.scenario(seed: UInt64(index), packets: 1)
    let host = ComparedHost(scenario.model, scenario.options)
    hosts[index] = host
    return host
  }

  func run(_ input: UnsafeRawBufferPointer) -> String? {
    var reader = ByteReader(input)
    let host = host(reader.byte() % Self.modelCount)
    host.start()
    var time: UInt64 = 1_700_000_000_000_000_000
    for _ in 0..<Self.frameLimit where !reader.isAtEnd {
      let flags = reader.byte()
      time += ElapsedTime.nanoseconds(reader.byte())
      let length = Int(reader.word() & 0x3FF)
      let bytes = reader.take(length)
      // Memory of its own, so that a sanitizer sees what reads beyond the record.
      let record = ExactBytes(bytes)
      let difference = host.take(
        record.buffer, linkType: Self.linkTypes[Int(flags & 7)],
        originalLength: bytes.count + (flags & 16 == 0 ? 0 : 64), time: time,
        endsBurst: flags & 8 != 0)
      if let difference { return difference }
    }
    return host.finish()
  }

  /// Generated traffic of each model.
  static func seeds() -> [[UInt8]] {
    (0..<modelCount).flatMap { index -> [[UInt8]] in
      let packets = Generator.scenario(seed: UInt64(index), packets: 240).packets
      return stride(from: 0, to: packets.count, by: 12).map { start in
        packets[start..<min(start + 12, packets.count)].reduce(into: [index]) { bytes, packet in
          guard let type = linkTypes.firstIndex(of: packet.linkType), packet.bytes.count < 400
          else { return }
          let cut: UInt8 = packet.originalLength > packet.bytes.count ? 16 : 0
          bytes += [UInt8(type) | cut | (bytes.count % 3 == 0 ? 8 : 0), 1]
          bytes += ComposedFrame.big(packet.bytes.count) + packet.bytes
        }
      }
    }
  }
}

/// What passes between two frames of an input.
enum ElapsedTime {
  /// - Returns: from nothing over milliseconds to eleven minutes, longer than any connection of
  ///   these models lives.
  static func nanoseconds(_ code: UInt8) -> UInt64 {
    switch code >> 6 {
    case 0: UInt64(code) * 100_000
    case 1: UInt64(code & 63) * 50_000_000
    case 2: UInt64(code & 63) * 1_000_000_000
    default: UInt64(code & 63) * 10_500_000_000
    }
  }
}
