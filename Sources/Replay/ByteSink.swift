import Glibc
import Gzip

/// A file that is written in large pieces from a buffer of its own, compressed when its name ends
/// with `.gz`.
///
/// The first failure of the system is kept and reported by `close`; later bytes are dropped.
final class ByteSink {
  static let capacity = 1 << 20

  let path: String
  private let descriptor: Int32
  private let gzip: GzipOutput?
  let buffer: UnsafeMutablePointer<UInt8>
  /// Bytes in the buffer.
  var count = 0
  private var failure: Int32 = 0
  private var isOpen = true

  /// Creates or truncates a file; `-` is standard output.
  init(path: String) throws(ReplayError) {
    self.path = path
    gzip = path.hasSuffix(".gz") ? GzipOutput() : nil
    if path.hasSuffix(".gz") && gzip == nil {
      throw .cannotWrite(path: path, why: systemError(ENOMEM))
    }
    if path == "-" {
      descriptor = STDOUT_FILENO
    } else {
      descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
      if descriptor < 0 { throw .cannotWrite(path: path, why: systemError(errno)) }
    }
    buffer = .allocate(capacity: Self.capacity)
  }

  deinit {
    if isOpen && descriptor != STDOUT_FILENO { Glibc.close(descriptor) }
    buffer.deallocate()
  }

  var hasFailed: Bool { failure != 0 }

  /// Makes room for `length` more bytes, at most the capacity.
  @inline(__always)
  func reserve(_ length: Int) {
    if count + length > Self.capacity { flush() }
  }

  /// Hands the buffer to the system.
  func flush() { flush(isLast: false) }

  private func flush(isLast: Bool) {
    let bytes = UnsafeRawBufferPointer(start: buffer, count: count)
    if let gzip {
      gzip.compress(bytes, isLast: isLast, write)
    } else {
      write(bytes)
    }
    count = 0
  }

  private func write(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    var written = 0
    while written < bytes.count && failure == 0 {
      let result = Glibc.write(descriptor, base + written, bytes.count - written)
      if result > 0 {
        written += result
      } else if result < 0 && errno != EINTR {
        failure = errno
      }
    }
  }

  func append(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      guard let base = bytes.baseAddress else { return }
      var start = 0
      while start < bytes.count {
        let length = min(bytes.count - start, Self.capacity)
        reserve(length)
        (buffer + count).initialize(from: base + start, count: length)
        count += length
        start += length
      }
    }
  }

  /// Writes what is left, and reports the first failure.
  func close() throws(ReplayError) {
    if isOpen { flush(isLast: true) }
    if isOpen && descriptor != STDOUT_FILENO && Glibc.close(descriptor) != 0 && failure == 0 {
      failure = errno
    }
    isOpen = false
    if failure != 0 { throw .cannotWrite(path: path, why: systemError(failure)) }
  }
}

/// The system's text for an error number.
func systemError(_ number: Int32) -> String {
  guard let text = strerror(number) else { return "error \(number)" }
  return String(cString: text)
}
