/// Builds the bytes of captures field by field, in either byte order.
struct CaptureBytes {
  var bytes: [UInt8] = []
  var bigEndian = false

  mutating func put<Value: FixedWidthInteger>(_ value: Value) {
    withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { bytes += $0 }
  }

  mutating func put16(_ value: Int) { put(UInt16(truncatingIfNeeded: value)) }
  mutating func put32(_ value: Int) { put(UInt32(truncatingIfNeeded: value)) }

  mutating func pad() {
    while bytes.count % 4 != 0 { bytes.append(0) }
  }
}

// MARK: - Classic pcap

extension CaptureBytes {
  mutating func classicHeader(
    magic: UInt32 = 0xa1b2_c3d4, major: Int = 2, minor: Int = 4, snapshotLength: Int = 262144,
    linkType: Int = 1
  ) {
    put(magic)
    put16(major)
    put16(minor)
    put32(0)
    put32(0)
    put32(snapshotLength)
    put32(linkType)
  }

  mutating func classicRecord(
    seconds: Int, fraction: Int, _ data: [UInt8], captured: Int? = nil, original: Int? = nil,
    extra: [UInt8] = []
  ) {
    put32(seconds)
    put32(fraction)
    put32(captured ?? data.count)
    put32(original ?? data.count)
    bytes += extra + data
  }
}

// MARK: - pcapng

extension CaptureBytes {
  mutating func block(
    _ type: UInt32, length: Int? = nil, trailing: Int? = nil, _ body: (inout CaptureBytes) -> Void
  ) {
    var inner = CaptureBytes(bigEndian: bigEndian)
    body(&inner)
    inner.pad()
    put(type)
    put32(length ?? inner.bytes.count + 12)
    bytes += inner.bytes
    put32(trailing ?? length ?? inner.bytes.count + 12)
  }

  mutating func section(major: Int = 1, minor: Int = 0) {
    block(0x0a0d_0d0a) {
      $0.put(UInt32(0x1a2b_3c4d))
      $0.put16(major)
      $0.put16(minor)
      $0.put(Int64(-1))
    }
  }

  mutating func interface(
    linkType: Int = 1, snapshotLength: Int = 0, name: String? = nil, resolution: UInt8? = nil,
    offset: Int64? = nil
  ) {
    block(1) {
      $0.put16(linkType)
      $0.put16(0)
      $0.put32(snapshotLength)
      if let name { $0.option(2, Array(name.utf8)) }
      if let resolution { $0.option(9, [resolution]) }
      if let offset {
        var value = CaptureBytes(bigEndian: $0.bigEndian)
        value.put(offset)
        $0.option(14, value.bytes)
      }
      $0.put32(0)
    }
  }

  mutating func option(_ code: Int, length: Int? = nil, _ value: [UInt8]) {
    put16(code)
    put16(length ?? value.count)
    bytes += value
    pad()
  }

  mutating func enhancedPacket(
    interface: Int = 0, ticks: UInt64, _ data: [UInt8], captured: Int? = nil, original: Int? = nil
  ) {
    block(6) {
      $0.put32(interface)
      $0.put32(Int(ticks >> 32))
      $0.put32(Int(ticks & 0xffff_ffff))
      $0.put32(captured ?? data.count)
      $0.put32(original ?? data.count)
      $0.bytes += data
    }
  }
}

// MARK: - gzip

/// A gzip member (RFC 1952) of stored blocks (RFC 1951, 3.2.4).
func gzipMember(_ data: [UInt8], blockLength: Int = 65535) -> [UInt8] {
  let starts = stride(from: 0, to: data.count, by: blockLength)
  return Array(
    gzipPieces(starts.map { Array(data[$0..<min($0 + blockLength, data.count)]) }).joined())
}

/// A gzip member in pieces, one for each of `data`, and one that ends it.
func gzipPieces(_ data: [[UInt8]]) -> [[UInt8]] {
  let header: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
  var pieces = data.map { storedBlock($0, last: false) }
  let whole = Array(data.joined())
  var end = CaptureBytes(bytes: storedBlock([], last: true))
  end.put(checksum(whole))
  end.put32(whole.count)
  pieces.append(end.bytes)
  pieces[0] = header + pieces[0]
  return pieces
}

private func storedBlock(_ data: [UInt8], last: Bool) -> [UInt8] {
  var block = CaptureBytes(bytes: [last ? 1 : 0])
  block.put16(data.count)
  block.put16(~data.count)
  return block.bytes + data
}

/// CRC-32 of each byte alone (RFC 1952, 8).
private let checksumTable: [UInt32] = (0..<256).map { byte in
  (0..<8).reduce(UInt32(byte)) { remainder, _ in
    remainder & 1 == 1 ? remainder >> 1 ^ 0xedb8_8320 : remainder >> 1
  }
}

private func checksum(_ data: [UInt8]) -> UInt32 {
  let table = checksumTable
  var remainder: UInt32 = 0xffff_ffff
  for byte in data {
    remainder = remainder >> 8 ^ table[Int(UInt8(truncatingIfNeeded: remainder) ^ byte)]
  }
  return ~remainder
}

// MARK: - Sample captures

/// Records that the two samples hold.
let sampleCount = 12

func sampleFrame(_ index: Int) -> [UInt8] {
  (0..<(14 + index * 7)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) }
}

func sampleClassic(bigEndian: Bool = false) -> [UInt8] {
  var capture = CaptureBytes(bigEndian: bigEndian)
  capture.classicHeader()
  for index in 0..<sampleCount {
    capture.classicRecord(seconds: 1000 + index, fraction: index, sampleFrame(index))
  }
  return capture.bytes
}

/// Two sections of different byte order, three interfaces, an unknown block, and all packet blocks.
func samplePcapng() -> [UInt8] {
  var capture = CaptureBytes()
  capture.section()
  capture.interface(name: "one", resolution: 9)
  capture.interface(linkType: 101, name: "two", offset: 5)
  for index in 0..<4 {
    capture.enhancedPacket(interface: index % 2, ticks: UInt64(index), sampleFrame(index))
  }
  capture.block(0x0000_0bad) { $0.bytes += sampleFrame(9) }
  var second = CaptureBytes(bigEndian: true)
  second.section()
  second.interface(linkType: 276, name: "three")
  for index in 4..<sampleCount {
    if index == 5 {
      second.block(3) {
        $0.put32(sampleFrame(index).count)
        $0.bytes += sampleFrame(index)
      }
    } else {
      second.enhancedPacket(ticks: UInt64(index), sampleFrame(index))
    }
  }
  return capture.bytes + second.bytes
}
