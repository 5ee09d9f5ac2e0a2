import Glibc
import Gzip

/// A file of flow log records that is not whole yet.
final class FlowLogFile {
  private static let capacity = 1 << 16

  let name: String
  /// Bytes that were handed to the system.
  private(set) var bytes = 0
  /// Lines that tell of a flow or of an interface, and how many tell of a flow.
  private(set) var lines = 0
  private(set) var flows = 0
  /// Network interfaces that have a line.
  private(set) var interfaces: Set<String> = []
  private let folder: FlowLogFolder
  private let descriptor: Int32
  private let gzip: GzipOutput?
  private var buffer: [UInt8] = []
  private var failure: Int32 = 0
  private var isOpen = true

  /// - Parameter start: nanoseconds since 1970 of the interval's beginning.
  init(
    _ folder: FlowLogFolder, start: UInt64, isCompressed: Bool
  ) throws(FlowLogFailure) {
    self.folder = folder
    gzip = isCompressed ? GzipOutput() : nil
    if isCompressed && gzip == nil { throw FlowLogFailure("compress", ENOMEM) }
    (descriptor, name) = try folder.create(start: start, isCompressed: isCompressed)
    buffer.reserveCapacity(Self.capacity + 4_096)
  }

  /// What is not finished goes.
  deinit {
    if !isOpen { return }
    folder.discard(name)
    close(descriptor)
  }

  /// The first line.
  func append(header: String) throws(FlowLogFailure) { try append(header + "\n") }

  /// A line about a network interface.
  ///
  /// - Parameter isFlow: it is a record of packets.
  func append(line: String, of interface: String, isFlow: Bool) throws(FlowLogFailure) {
    lines += 1
    if isFlow { flows += 1 }
    interfaces.insert(interface)
    try append(line)
  }

  private func append(_ text: String) throws(FlowLogFailure) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.capacity { try flush(isLast: false) }
  }

  private func flush(isLast: Bool) throws(FlowLogFailure) {
    buffer.withUnsafeBytes { bytes in
      if let gzip {
        gzip.compress(bytes, isLast: isLast, write)
      } else {
        write(bytes)
      }
    }
    buffer.removeAll(keepingCapacity: true)
    if failure != 0 { throw FlowLogFailure("write \(name)", failure) }
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
    self.bytes += written
  }

  /// Writes what is left, and gives the file its name.
  func finish() throws(FlowLogFailure) {
    try flush(isLast: true)
    if fsync(descriptor) != 0 { throw FlowLogFailure("write \(name)", errno) }
    try folder.finish(name)
    isOpen = false
    close(descriptor)
  }
}
