/// What is wrong with a message. It ends the session: nothing behind it can be trusted.
package enum MessageError: Error, Equatable, CustomStringConvertible {
  case request(UInt32)
  case flags(UInt32)
  case payloadSize(Int)
  case descriptorCount(Int)
  case descriptorsTruncated
  case regionCount(Int)
  case region(Int, String)
  case ring(UInt64)
  case ringSize(UInt32)
  case ringState(UInt32)
  case ringAddress
  case notificationDescriptor
  case log
  case features(UInt64)
  case reply(UInt32)

  package var description: String {
    switch self {
    case .request(let id): "request \(id) is unknown or not offered"
    case .flags(let flags): "flags 0x\(String(flags, radix: 16)) are not those of a request"
    case .payloadSize(let size): "\(size) bytes of payload do not fit the request"
    case .descriptorCount(let count): "\(count) descriptors do not fit the request"
    case .descriptorsTruncated: "more descriptors came than any message has"
    case .regionCount(let count): "\(count) memory regions (1 to \(MemoryTable.regionLimit))"
    case .region(let index, let why): "memory region \(index) \(why)"
    case .ring(let index): "ring \(index) is out of range"
    case .ringSize(let size):
      "a ring of \(size) entries (\(MessageRules.leastRingSize) to \(MessageRules.ringSizeLimit))"
    case .ringState(let state): "state \(state) of a ring"
    case .ringAddress: "flags of a ring's address are unknown"
    case .notificationDescriptor: "a notification descriptor is no event descriptor"
    case .log: "the dirty log is empty, overflows or exceeds its file"
    case .features(let bits): "features 0x\(String(bits, radix: 16)) were not offered"
    case .reply(let id): "an answer to request \(id) is malformed or was not asked for"
    }
  }
}

/// The rules that a message by itself must keep.
package enum MessageRules {
  /// rte_vhost serves 128 pairs of queues.
  static let ringLimit = 256
  /// A queue's greatest size (virtio 1.2, 2.7).
  static let ringSizeLimit: UInt32 = 32768
  /// A data plane refuses less: rte_vhost takes up to 32 frames at once, and notes them in memory
  /// for as many entries as the ring has.
  static let leastRingSize: UInt32 = 64
  /// Bit 8 of a notification: poll, there is no descriptor.
  static let noDescriptor: UInt64 = 1 << 8

  /// Checks a header before its payload is read.
  /// - Returns: the payload's size in bytes.
  package static func payloadSize(
    request id: UInt32, flags: UInt32, size: UInt32
  ) throws(MessageError) -> Int {
    guard let request = Request(rawValue: id) else { throw .request(id) }
    guard flags & ~Message.needReplyFlag == Message.version else { throw .flags(flags) }
    let size = Int(size)
    guard size <= Message.payloadLimit, size == request.payloadSize ?? size else {
      throw .payloadSize(size)
    }
    return size
  }

  /// Checks a message with its descriptors.
  /// - Returns: which request it is.
  package static func check(_ message: Message) throws(MessageError) -> Request {
    _ = try payloadSize(
      request: message.request, flags: message.flags, size: UInt32(message.payload.count))
    guard let request = Request(rawValue: message.request) else { throw .request(message.request) }
    switch request {
    case .setMemoryTable: _ = try MemoryTable(message)
    case .setRingKick, .setRingCall, .setRingError: try checkNotification(message)
    case .setLogBase: try checkLog(message)
    default:
      guard message.descriptors.isEmpty else { throw .descriptorCount(message.descriptors.count) }
      try checkRing(request, message)
    }
    return request
  }

  private static func checkRing(_ request: Request, _ message: Message) throws(MessageError) {
    switch request {
    case .setRingSize, .setRingAddress, .setRingBase, .getRingBase, .setRingEnable: break
    default: return
    }
    guard message.ring < ringLimit else { throw .ring(UInt64(message.ring)) }
    switch request {
    case .setRingSize where !(leastRingSize...ringSizeLimit).contains(message.number):
      throw .ringSize(message.number)
    case .setRingEnable where message.number > 1: throw .ringState(message.number)
    // The only flag is the log's.
    case .setRingAddress where message.number > 1: throw .ringAddress
    default: break
    }
  }

  private static func checkNotification(_ message: Message) throws(MessageError) {
    guard message.value & ~noDescriptor < ringLimit else { throw .ring(message.value) }
    let wanted = message.value & noDescriptor == 0 ? 1 : 0
    guard message.descriptors.count == wanted else {
      throw .descriptorCount(message.descriptors.count)
    }
    guard message.descriptors.allSatisfy(\.isEvent) else { throw .notificationDescriptor }
  }

  private static func checkLog(_ message: Message) throws(MessageError) {
    guard message.descriptors.count == 1, let file = message.descriptors.first else {
      throw .descriptorCount(message.descriptors.count)
    }
    let (end, overflow) = message.long(0).addingReportingOverflow(message.long(8))
    guard message.long(0) > 0, !overflow, let size = file.fileSize, end <= size else { throw .log }
  }

  /// Checks a back-end's answer: version 1, the reply flag, the request, the size that belongs to
  /// it, the ring asked for, and no descriptor.
  package static func checkReply(
    _ reply: Message, to message: Message, _ request: Request
  ) throws(MessageError) {
    let sizes: [Int] = request.answer == .empty ? [0, 8] : [8]
    guard reply.request == message.request, sizes.contains(reply.payload.count),
      reply.flags & ~Message.needReplyFlag == Message.version | Message.replyFlag,
      reply.descriptors.isEmpty, request.answer != .ringState || reply.ring == message.ring
    else { throw .reply(reply.request) }
  }
}
