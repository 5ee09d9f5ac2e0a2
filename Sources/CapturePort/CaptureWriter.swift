import Glibc

/// Writes packets as pcapng: little-endian, nanoseconds, no times or names of the writing system,
/// so that the same calls give the same bytes.
///
/// Errors are kept and thrown by `close`, so that a loop over packets need not look; after an error
/// nothing more is written. Writing to a pipe whose reader is gone raises SIGPIPE unless the
/// process ignores it.
public struct CaptureWriter: ~Copyable {
  private static var bufferSize: Int { 1 << 20 }

  private let path: String
  private var descriptor: Int32
  private let buffer: UnsafeMutableRawPointer
  private var used = 0
  private var interfaceCount = 0
  private var problem: String?

  /// Creates or empties the file; `-` is standard output.
  ///
  /// - Throws: `cannotWrite`.
  public init(path: String) throws(CaptureError) {
    self.path = path
    if path == "-" {
      descriptor = STDOUT_FILENO
    } else {
      repeat {
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
      } while descriptor < 0 && errno == EINTR
      guard descriptor >= 0 else {
        throw .cannotWrite(path: path, why: systemMessage(errno))
      }
    }
    buffer = .allocate(byteCount: Self.bufferSize, alignment: 64)
    putSectionHeader()
  }

  deinit {
    if descriptor >= 0 {
      if problem == nil { _ = writeWhole(descriptor, UnsafeRawPointer(buffer), used) }
      if descriptor != STDOUT_FILENO { Glibc.close(descriptor) }
    }
    buffer.deallocate()
  }

  /// Adds an interface; it may be added after packets of others.
  ///
  /// - Parameters:
  ///   - name: if_name; cut after 65,535 bytes.
  ///   - linkType: LINKTYPE_* of its packets.
  /// - Returns: its number, counted from 0, for `write`.
  public mutating func addInterface(name: String, linkType: UInt16) -> Int {
    var name = name
    name.withUTF8 { name in
      let text = Self.cut(name)
      let length = 16 + Self.optionLength(text.count) + 8 + 4 + 4
      put32(PcapngBlock.interfaceDescription)
      put32(UInt32(length))
      put16(linkType)
      put16(0)
      put32(0)  // No snapshot length.
      putOption(2, text)
      put16(9)  // if_tsresol
      put16(1)
      put32(9)  // 10^-9 s, and padding.
      put32(0)  // End of options.
      put32(UInt32(length))
    }
    interfaceCount += 1
    return interfaceCount - 1
  }

  /// Adds a packet.
  ///
  /// - Parameters:
  ///   - interface: a number that `addInterface` returned.
  ///   - time: nanoseconds since 1970.
  ///   - bytes: what was captured, from the link-layer header on; at most 256 MiB.
  ///   - originalLength: bytes the packet had on the wire.
  ///   - comment: opt_comment, cut after 65,535 bytes.
  public mutating func write(
    interface: Int, time: UInt64, bytes: UnsafeRawBufferPointer, originalLength: Int,
    comment: String? = nil
  ) {
    guard interface >= 0, interface < interfaceCount else {
      keep("a packet for interface \(interface), which was not added")
      return
    }
    guard bytes.count <= CaptureReader.longestPacket else {
      keep("a packet of \(bytes.count) bytes")
      return
    }
    guard var comment else {
      putPacket(interface, time, bytes, originalLength, nil)
      return
    }
    comment.withUTF8 { comment in
      putPacket(interface, time, bytes, originalLength, Self.cut(comment))
    }
  }

  /// Hands what is buffered to the system, for a reader at the other end of a pipe.
  public mutating func flush() {
    if problem == nil, descriptor >= 0 {
      problem = writeWhole(descriptor, UnsafeRawPointer(buffer), used)
    }
    used = 0
  }

  /// Writes what is buffered and closes the file; the writer takes no packets after it.
  ///
  /// - Throws: `cannotWrite` with the first error since `init`. A second call does nothing.
  public mutating func close() throws(CaptureError) {
    guard descriptor >= 0 else { return }
    flush()
    if descriptor != STDOUT_FILENO, Glibc.close(descriptor) != 0 { keep(systemMessage(errno)) }
    descriptor = -1
    if let problem { throw .cannotWrite(path: path, why: problem) }
  }
}

// MARK: - Blocks

extension CaptureWriter {
  private mutating func putSectionHeader() {
    put32(PcapngBlock.sectionHeader)
    put32(28)
    put32(0x1a2b_3c4d)
    put16(1)
    put16(0)
    put64(.max)  // The section's length is not known in advance.
    put32(28)
  }

  private mutating func putPacket(
    _ interface: Int, _ time: UInt64, _ bytes: UnsafeRawBufferPointer, _ originalLength: Int,
    _ comment: UnsafeRawBufferPointer?
  ) {
    var length = 32 + Self.padded(bytes.count)
    if let comment { length += Self.optionLength(comment.count) + 4 }
    put32(PcapngBlock.enhancedPacket)
    put32(UInt32(length))
    put32(UInt32(truncatingIfNeeded: interface))
    put32(UInt32(truncatingIfNeeded: time >> 32))
    put32(UInt32(truncatingIfNeeded: time))
    put32(UInt32(bytes.count))
    put32(UInt32(clamping: max(originalLength, bytes.count)))
    putBytes(bytes)
    if let comment {
      putOption(1, comment)
      put32(0)  // End of options.
    }
    put32(UInt32(length))
  }

  private mutating func putOption(_ code: UInt16, _ value: UnsafeRawBufferPointer) {
    put16(code)
    put16(UInt16(value.count))
    putBytes(value)
  }

  private static func padded(_ count: Int) -> Int { (count + 3) & ~3 }

  private static func optionLength(_ count: Int) -> Int { 4 + padded(count) }

  /// At most what an option can hold, and no part of a UTF-8 sequence at the end.
  private static func cut(_ text: UnsafeBufferPointer<UInt8>) -> UnsafeRawBufferPointer {
    var count = min(text.count, Int(UInt16.max))
    if count < text.count {
      while count > 0, text[count] & 0xc0 == 0x80 { count -= 1 }
    }
    return UnsafeRawBufferPointer(start: text.baseAddress, count: count)
  }
}

// MARK: - Buffer

extension CaptureWriter {
  private mutating func put16(_ value: UInt16) { put(value.littleEndian) }
  private mutating func put32(_ value: UInt32) { put(value.littleEndian) }
  private mutating func put64(_ value: UInt64) { put(value.littleEndian) }

  @inline(__always)
  private mutating func put<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
    if used + MemoryLayout<Value>.size > Self.bufferSize { flush() }
    (buffer + used).storeBytes(of: value, as: Value.self)
    used += MemoryLayout<Value>.size
  }

  /// Copies bytes and pads them with zeros to a multiple of four.
  private mutating func putBytes(_ bytes: UnsafeRawBufferPointer) {
    var left = bytes[...]
    while !left.isEmpty {
      if used == Self.bufferSize { flush() }
      let piece = left.prefix(Self.bufferSize - used)
      UnsafeMutableRawBufferPointer(start: buffer + used, count: piece.count)
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: piece))
      used += piece.count
      left = left.dropFirst(piece.count)
    }
    for _ in bytes.count..<Self.padded(bytes.count) { put(UInt8(0)) }
  }

  private mutating func keep(_ why: String) {
    if problem == nil { problem = why }
  }
}

/// Writes all bytes, over interruptions and short writes. Returns what went wrong, nil if nothing.
private func writeWhole(
  _ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int
) -> String? {
  var done = 0
  while done < count {
    let written = Glibc.write(descriptor, bytes + done, count - done)
    if written > 0 {
      done += written
      continue
    }
    switch written == 0 ? EIO : errno {
    case EINTR: continue
    case EAGAIN: waitUntilReady(descriptor, POLLOUT)
    case let code: return systemMessage(code)
    }
  }
  return nil
}
