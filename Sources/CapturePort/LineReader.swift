/// The lines of a text file, which may be compressed with gzip; `-` is standard input.
public struct LineReader: ~Copyable {
  /// Bytes of a line; longer ones are cut, and told by `isCut`.
  public static var longest: Int { 1 << 16 }

  /// Whether the last line was longer than that.
  public private(set) var isCut = false
  private var window: ByteWindow

  /// - Throws: `CaptureError.cannotOpen`.
  public init(path: String) throws(CaptureError) { window = try ByteWindow(path: path) }

  /// Why the lines end before the file does, in words; nil if they ended properly.
  public var failure: String? { window.failure }

  /// Bytes of the file that were read, and those that it has; nil of a pipe.
  public var progress: (read: UInt64, of: UInt64?) { (window.bytesRead, window.byteCount) }

  /// The next line without its end, CR LF too; nil at the end. Bytes that are not UTF-8 are
  /// replaced.
  public mutating func next() -> String? {
    isCut = false
    var searched = 0
    while true {
      let bytes = UnsafeRawBufferPointer(start: window.cursor, count: window.available)
      let part = bytes[min(searched, Self.longest)..<min(bytes.count, Self.longest)]
      if let end = part.firstIndex(of: UInt8(ascii: "\n")) {
        return take(end, skipping: 1)
      }
      if bytes.count >= Self.longest {
        let line = take(Self.longest, skipping: 0)
        isCut = true
        skipLine()
        return line
      }
      searched = bytes.count
      if !window.fill(bytes.count + 1) {
        return window.available == 0 ? nil : take(window.available, skipping: 0)
      }
    }
  }

  private mutating func take(_ count: Int, skipping end: Int) -> String {
    var bytes = UnsafeRawBufferPointer(start: window.cursor, count: count)[...]
    if bytes.last == UInt8(ascii: "\r") { bytes = bytes.dropLast() }
    let line = String(decoding: bytes, as: UTF8.self)
    window.advance(count + end)
    return line
  }

  private mutating func skipLine() {
    repeat {
      let bytes = UnsafeRawBufferPointer(start: window.cursor, count: window.available)
      if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) { return window.advance(end + 1) }
      window.advance(bytes.count)
    } while window.fill(1)
  }
}
