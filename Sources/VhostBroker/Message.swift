/// A whole vhost-user message: a header of 12 bytes (request, flags, size; the machine's byte
/// order), a payload and file descriptors.
package struct Message {
  package static let headerSize = 12
  /// A memory table of eight regions is the longest.
  static let payloadLimit = 8 + MemoryTable.regionLimit * MemoryTable.regionSize

  package static let version: UInt32 = 1
  static let replyFlag: UInt32 = 1 << 2
  static let needReplyFlag: UInt32 = 1 << 3

  package var request: UInt32
  package var flags: UInt32
  package var payload: [UInt8]
  package var descriptors: [Descriptor]

  package init(
    request: UInt32, flags: UInt32 = Message.version, payload: [UInt8] = [],
    descriptors: [Descriptor] = []
  ) {
    self.request = request
    self.flags = flags
    self.payload = payload
    self.descriptors = descriptors
  }

  init(_ request: Request, payload: [UInt8] = [], descriptors: [Descriptor] = []) {
    self.init(request: request.rawValue, payload: payload, descriptors: descriptors)
  }

  init(_ request: Request, value: UInt64, descriptors: [Descriptor] = []) {
    self.init(request, payload: Self.bytes(value), descriptors: descriptors)
  }

  init(_ request: Request, ring: UInt32, number: UInt32) {
    self.init(request, payload: Self.bytes(ring) + Self.bytes(number))
  }

  /// An answer of 64 bits.
  static func reply(to request: UInt32, value: UInt64) -> Message {
    Message(request: request, flags: version | replyFlag, payload: bytes(value))
  }

  var needsReply: Bool { flags & Self.needReplyFlag != 0 }

  /// The payload's first 64 bits; 0 for a shorter one, which the rules refuse before.
  var value: UInt64 { UInt64(word(0)) | UInt64(word(4)) << 32 }
  /// The ring of a message whose payload is a ring's state or address.
  var ring: Int { Int(word(0)) }
  /// The number of a ring's state.
  var number: UInt32 { word(4) }

  /// 32 bits at an offset of the payload; 0 past its end.
  func word(_ offset: Int) -> UInt32 { Self.word(payload, offset) }

  static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    guard offset >= 0, offset + 4 <= bytes.count else { return 0 }
    return (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
  }

  /// 64 bits at an offset of the payload; 0 past its end.
  func long(_ offset: Int) -> UInt64 { UInt64(word(offset)) | UInt64(word(offset + 4)) << 32 }

  static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
  }

  /// Header and payload as they go over the socket.
  package var encoded: [UInt8] {
    Self.bytes(request) + Self.bytes(flags) + Self.bytes(UInt32(payload.count)) + payload
  }
}
