import FuzzSupport
import ReferenceModel
import TunnelFuzzing

extension FuzzTarget {
  /// Segments of a few TCP connections, by the engine's tracker and the reference model's.
  ///
  /// Sequence and acknowledgement count from where the connection stands, so that a small change of
  /// an input is a small change of the conversation.
  public static let tracker = FuzzTarget("tracker", maximumLength: 400, seeds: TrackerTarget.seeds)
  {
    let host = ComparedHost(FuzzedModel.tracked(), ReferenceOptions())
    return { TrackerTarget.run($0, host) }
  }
}

enum TrackerTarget {
  private static let segmentLimit = 40

  /// What the two sides of a connection have sent, plus one.
  private struct Conversation {
    var next: [UInt32] = [1_000, 0xFFFF_FF00]
  }

  static func run(_ input: UnsafeRawBufferPointer, _ host: ComparedHost) -> String? {
    host.start()
    var reader = ByteReader(input)
    var conversations = [Conversation](repeating: Conversation(), count: 2)
    var time: UInt64 = 1_700_000_000_000_000_000
    for _ in 0..<segmentLimit where !reader.isAtEnd {
      let control = reader.byte()
      time += ElapsedTime.nanoseconds(reader.byte())
      let side = Int(control & 1)
      let which = Int(control >> 1 & 1)
      let frame = segment(control, side, which, &conversations[which], &reader)
      let difference = frame.withUnsafeBytes { host.take($0, time: time) }
      if let difference { return difference }
    }
    return host.finish()
  }

  /// - Parameter control: bit 0 the sender, 1 the connection, 2 the remote (elsewhere, or the
  ///   other interface of this host), 3 who has the listening port, 4 and 5 options, 6 scaled
  ///   deltas, 7 a fragment.
  private static func segment(
    _ control: UInt8, _ side: Int, _ which: Int, _ conversation: inout Conversation,
    _ reader: inout ByteReader
  ) -> [UInt8] {
    let flags = reader.byte()
    let scale: Int32 = control & 64 == 0 ? 1 : 600
    let sequence = conversation.next[side] &+ delta(&reader, scale)
    let acknowledgement = conversation.next[1 - side] &+ delta(&reader, scale)
    let window = reader.word()
    let payload = Int(reader.byte())
    let options = Self.options(control >> 4 & 3, acknowledgement, &reader)
    let ports = control & 8 == 0 ? (40_000 + which, 80) : (80, 40_000 + which)
    let header =
      ComposedFrame.big(side == 0 ? ports.0 : ports.1)
      + ComposedFrame.big(side == 0 ? ports.1 : ports.0) + ComposedFrame.big(sequence)
      + ComposedFrame.big(acknowledgement) + [UInt8(5 + options.count / 4) << 4, flags]
      + ComposedFrame.big(Int(window)) + [0, 0, 0, 0] + options
    let length = UInt32(payload) + (flags & 2 == 0 ? 0 : 1) + (flags & 1 == 0 ? 0 : 1)
    let end = sequence &+ length
    if Int32(bitPattern: end &- conversation.next[side]) > 0 || flags & 2 != 0 {
      conversation.next[side] = end
    }
    let web: [UInt8] = [10, 0, 1, 10]
    let remote: [UInt8] = control & 4 == 0 ? [198, 51, 100, 7] : [10, 0, 1, 11]
    let isLocal = control & 4 != 0
    let fields = ComposedFrame.IPFields(
      source: side == 0 ? remote : web, destination: side == 0 ? web : remote, protocolNumber: 6,
      more: control & 128 != 0)
    let bytes =
      header + [UInt8](repeating: 0x61, count: control & 128 == 0 ? payload : payload & ~7)
    return ComposedFrame.ethernet(
      0x0800, ComposedFrame.ip(fields, bytes), to: side == 0 ? 0x0A : 0xFE,
      from: side == 1 ? 0x0A : isLocal ? 0x0B : 0xEE)
  }

  private static func delta(_ reader: inout ByteReader, _ scale: Int32) -> UInt32 {
    UInt32(bitPattern: Int32(Int16(bitPattern: reader.word())) * scale)
  }

  private static func options(
    _ kind: UInt8, _ acknowledgement: UInt32, _ reader: inout ByteReader
  ) -> [UInt8] {
    switch kind {
    case 0: return []
    case 1: return [3, 3, reader.byte(), 1, 4, 2, 1, 1]
    case 2:
      let start = acknowledgement &+ UInt32(reader.byte())
      return [1, 1, 5, 10] + ComposedFrame.big(start) + ComposedFrame.big(start &+ 100)
    default: return [reader.byte(), reader.byte(), reader.byte(), reader.byte()]
    }
  }

  static func seeds() -> [[UInt8]] {
    /// A segment that goes on where the connection stands.
    func step(_ control: UInt8, _ flags: UInt8, payload: UInt8 = 0, time: UInt8 = 1) -> [UInt8] {
      [control, time, flags, 0, 0, 0, 0, 0x20, 0, payload] + (control & 48 == 16 ? [7] : [])
    }
    let handshake = step(16, 2) + step(17, 18) + step(0, 16)
    let data = step(0, 24, payload: 100) + step(1, 16) + step(1, 24, payload: 200) + step(0, 16)
    let close = step(0, 17) + step(1, 16) + step(1, 17) + step(0, 16)
    let local = [4, 5, 4].map { $0 as UInt8 }
    return [
      handshake + data + close, handshake + data + step(1, 4), handshake + step(0, 17) + handshake,
      step(0, 2) + step(0, 2) + step(1, 20), step(0, 16) + step(1, 16) + data + close,
      step(local[0], 2) + step(local[1], 18) + step(local[2], 16),
      step(8, 2) + step(9, 18) + step(8, 16), step(1, 2) + step(0, 2) + step(1, 18) + step(0, 18),
      handshake + step(32, 16) + step(64, 24) + step(128, 24, payload: 64),
      handshake + step(0, 17, time: 0xC0) + step(1, 17) + step(16, 2, time: 0x90),
    ]
  }
}
