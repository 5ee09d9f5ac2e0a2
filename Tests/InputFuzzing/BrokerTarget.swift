import CFileDescriptors
import CMemoryFile
import FuzzSupport
import Glibc
import VhostBroker

extension FuzzTarget {
  /// Messages of a vhost-user front-end, with descriptors of all kinds, and answers of a back-end:
  /// refused, or taken into the session's record.
  public static let broker = FuzzTarget("broker", maximumLength: 1_024, seeds: BrokerTarget.seeds) {
    { BrokerTarget.run($0) }
  }
}

enum BrokerTarget {
  private static let messageLimit = 32

  static func run(_ input: UnsafeRawBufferPointer) -> String? {
    var reader = ByteReader(input)
    var record = SessionRecord()
    for _ in 0..<messageLimit where !reader.isAtEnd {
      let control = reader.byte()
      var request = UInt32(reader.byte())
      if control & 128 != 0 { request |= UInt32(reader.word()) << 16 }
      var flags = UInt32(control >> 4 & 7) ^ 1
      if control & 1 != 0 { flags |= 8 }
      let size = UInt32(reader.word())
      // The header first, as from a socket; a payload is read only of a size that is right.
      let count: Int
      do {
        count = try MessageRules.payloadSize(request: request, flags: flags, size: size)
      } catch { continue }
      var payload = [UInt8](reader.take(count))
      payload += [UInt8](repeating: 0, count: count - payload.count)
      let message = Message(
        request: request, flags: flags, payload: payload, descriptors: descriptors(&reader))
      take(message, control, &record, &reader)
    }
    _ = record.base(ofRing: 0)
    return nil
  }

  private static func take(
    _ message: Message, _ control: UInt8, _ record: inout SessionRecord,
    _ reader: inout ByteReader
  ) {
    do throws(MessageError) {
      let request = try MessageRules.check(message)
      try record.apply(request, message)
      if control & 2 == 0 {
        _ = record.answer(request, message)?.encoded
        return
      }
      let reply = Message(
        request: message.request, flags: Message.version | 4, payload: [UInt8](reader.take(8)))
      try MessageRules.checkReply(reply, to: message, request)
      _ = record.apply(reply: reply, to: request).encoded
    } catch { _ = error.description }
  }

  private static func descriptors(_ reader: inout ByteReader) -> [Descriptor] {
    (0..<Int(reader.byte() & 15) % 10).compactMap { _ in
      let kind = reader.byte()
      let raw: Int32
      switch kind & 3 {
      case 0: raw = apus_event_open()
      case 1:
        raw = apus_memory_file()
        if raw >= 0 { _ = ftruncate(raw, off_t(kind >> 2) << 12) }
      default: raw = open("/dev/null", O_RDWR | O_CLOEXEC)
      }
      return raw >= 0 ? Descriptor(raw) : nil
    }
  }

  static func seeds() -> [[UInt8]] {
    func little(_ value: UInt64, _ count: Int = 8) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
    func message(_ id: UInt8, _ payload: [UInt8], _ descriptors: [UInt8] = []) -> [UInt8] {
      [0, id, UInt8(payload.count >> 8), UInt8(payload.count & 255)] + payload
        + [UInt8(descriptors.count)] + descriptors
    }
    let table =
      little(1, 4) + little(0, 4) + little(0) + little(0x4000) + little(0x7F00_0000_0000)
      + little(0)
    let memory = message(5, table, [0x41])
    let ring =
      message(8, little(256 << 32)) + message(10, little(0))
      + message(
        9,
        little(0) + little(0x7F00_0000_0000) + little(0x7F00_0000_1000)
          + little(0x7F00_0000_2000) + little(0))
      + message(12, little(0), [0]) + message(13, little(0), [0]) + message(18, little(1 << 32))
    let features = message(1, []) + message(2, little(1 << 30)) + message(15, [])
    return [
      features + message(3, []) + memory + ring + message(11, little(0)),
      memory + message(6, little(0x1000) + little(0), [0x41]), message(12, little(256), []),
      message(4, []) + message(39, little(1)) + message(40, []),
    ]
  }
}
