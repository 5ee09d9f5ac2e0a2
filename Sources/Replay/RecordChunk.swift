import CapturePort

/// Consecutive records of one capture, copied, so that two engines can judge them at the same time.
struct RecordChunk: Sendable {
  static let recordCapacity = 1 << 14
  /// Bytes after which a chunk is full; it may end with one record more.
  static let byteCapacity = 16 << 20

  /// A record without its bytes, and where those are.
  private struct Entry {
    var number: UInt64
    var time: UInt64
    var start: Int
    var capturedLength: Int
    var originalLength: Int
    var linkType: UInt16
    var interface: Int
  }

  private var entries: [Entry] = []
  private var bytes: [UInt8] = []

  var count: Int { entries.count }
  var isFull: Bool { entries.count >= Self.recordCapacity || bytes.count >= Self.byteCapacity }

  /// Copies a record, with its frame number in its file.
  mutating func append(_ record: borrowing CaptureRecord, number: UInt64) {
    entries.append(
      Entry(
        number: number, time: record.time, start: bytes.count,
        capturedLength: record.capturedLength, originalLength: record.originalLength,
        linkType: record.linkType, interface: record.interface))
    bytes.append(
      contentsOf: UnsafeRawBufferPointer(start: record.bytes, count: record.capturedLength))
  }

  mutating func removeAll() {
    entries.removeAll(keepingCapacity: true)
    bytes.removeAll(keepingCapacity: true)
  }

  /// Gives a record whose bytes are valid within `body`.
  func withRecord<Result>(
    _ index: Int, _ body: (borrowing CaptureRecord, _ number: UInt64) -> Result
  ) -> Result {
    let entry = entries[index]
    return bytes.withUnsafeBytes { memory in
      var record = CaptureRecord()
      record.capturedLength = entry.capturedLength
      record.originalLength = entry.originalLength
      record.time = entry.time
      record.linkType = entry.linkType
      record.interface = entry.interface
      if let base = memory.baseAddress { record.bytes = base + entry.start }
      return body(record, entry.number)
    }
  }
}
