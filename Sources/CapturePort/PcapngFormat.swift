/// Block types of pcapng (draft-ietf-opsawg-pcapng, 10.1) that are read here.
enum PcapngBlock {
  static var sectionHeader: UInt32 { 0x0a0d_0d0a }
  static var interfaceDescription: UInt32 { 1 }
  /// Obsolete, written by captures before 2009.
  static var packet: UInt32 { 2 }
  static var simplePacket: UInt32 { 3 }
  static var enhancedPacket: UInt32 { 6 }
}

/// What the current section of a pcapng file says about its blocks.
struct PcapngSection {
  /// The fields are not little-endian.
  var swapped = false
  /// Index in `CaptureReader.interfaces` of the section's interface 0.
  var firstInterface = 0
  /// Snapshot length of the section's interface 0, which Simple Packet Blocks need; 0 is no limit.
  var snapshotLength = 0
}

extension CaptureReader {
  /// Blocks of the types read here may have this many bytes: a packet and its options.
  private static var longestBlock: Int { longestPacket + 1 << 20 }
  /// Type, length before and after the body.
  private static var smallestBlock: Int { 12 }
  private static var mostInterfaces: Int { 1 << 20 }

  /// The hot loop's body for pcapng: passes over blocks until one holds a packet.
  mutating func nextPcapng(_ record: inout CaptureRecord) -> Bool {
    while true {
      guard window.available >= Self.smallestBlock || window.fill(Self.smallestBlock) else {
        return finish()
      }
      let type = load32(window.cursor, 0, swapped: section.swapped)
      let length = Int(load32(window.cursor, 4, swapped: section.swapped))
      if type == PcapngBlock.enhancedPacket {
        guard bringBlock(length) else { return false }
        return takeEnhancedPacket(&record, length)
      }
      switch type {
      case PcapngBlock.packet:
        return bringBlock(length) && takeOldPacket(&record, length)
      case PcapngBlock.simplePacket:
        return bringBlock(length) && takeSimplePacket(&record, length)
      case PcapngBlock.sectionHeader:
        // Its length is in its own byte order.
        if let why = startSection() { return stop(why) }
      case PcapngBlock.interfaceDescription:
        guard bringBlock(length) && addInterface(length) else { return false }
      default:
        guard skipBlock(length) else { return false }
      }
    }
  }

  /// Makes the whole block available and checks its frame; at damage ends reading.
  @inline(__always)
  private mutating func bringBlock(_ length: Int) -> Bool {
    guard length >= Self.smallestBlock, length & 3 == 0, length <= Self.longestBlock else {
      return stop("a pcapng block of \(length) bytes")
    }
    guard window.available >= length || window.fill(length) else { return finish() }
    guard
      Int(load32(window.cursor, length &- 4, swapped: section.swapped)) == length
    else { return stop("a pcapng block whose two length fields differ") }
    return true
  }

  /// Passes over a block of any length without holding it.
  private mutating func skipBlock(_ length: Int) -> Bool {
    guard length >= Self.smallestBlock, length & 3 == 0 else {
      return stop("a pcapng block of \(length) bytes")
    }
    guard window.skip(length &- 4), window.available >= 4 || window.fill(4) else {
      _ = finish()
      if window.available == 0 { warn("the last block is cut short") }
      return false
    }
    guard Int(load32(window.cursor, 0, swapped: section.swapped)) == length else {
      return stop("a pcapng block whose two length fields differ")
    }
    window.advance(4)
    return true
  }
}

// MARK: - Packets

extension CaptureReader {
  @inline(__always)
  private mutating func takeEnhancedPacket(_ record: inout CaptureRecord, _ length: Int) -> Bool {
    guard length >= 32 else { return stop("a packet block of \(length) bytes") }
    let interface = Int(load32(window.cursor, 8, swapped: section.swapped))
    return takeTimedPacket(&record, length, interface)
  }

  private mutating func takeOldPacket(_ record: inout CaptureRecord, _ length: Int) -> Bool {
    guard length >= 32 else { return stop("a packet block of \(length) bytes") }
    // 16 bits of interface, then 16 bits of drop count, where the newer block has 32 bits.
    let interface = Int(load16(window.cursor, 8, swapped: section.swapped))
    return takeTimedPacket(&record, length, interface)
  }

  /// The part that Enhanced and obsolete Packet Blocks share; `length` is at least 32.
  @inline(__always)
  private mutating func takeTimedPacket(
    _ record: inout CaptureRecord, _ length: Int, _ interface: Int
  ) -> Bool {
    let block = window.cursor
    let swapped = section.swapped
    let index = section.firstInterface &+ interface
    guard index < clocks.count else {
      return stop("a packet of interface \(interface), which the section does not have")
    }
    let captured = Int(load32(block, 20, swapped: swapped))
    guard captured <= length &- 32, captured <= Self.longestPacket else {
      return stop("a captured length of \(captured) bytes in a block of \(length)")
    }
    let ticks =
      UInt64(load32(block, 12, swapped: swapped)) << 32
      | UInt64(load32(block, 16, swapped: swapped))
    record.bytes = block + 28
    record.capturedLength = captured
    record.originalLength = max(captured, Int(load32(block, 24, swapped: swapped)))
    record.time = clocks[index].nanoseconds(ticks)
    record.linkType = interfaces[index].linkType
    record.interface = index
    window.advance(length)
    return true
  }

  private mutating func takeSimplePacket(_ record: inout CaptureRecord, _ length: Int) -> Bool {
    guard length >= 16 else { return stop("a packet block of \(length) bytes") }
    let index = section.firstInterface
    guard index < interfaces.count else {
      return stop("a packet of interface 0, which the section does not have")
    }
    let original = Int(load32(window.cursor, 8, swapped: section.swapped))
    // The block does not say how much was captured; the snapshot length does.
    let limit = section.snapshotLength
    let captured = limit == 0 ? original : min(original, limit)
    guard captured <= length &- 16, captured <= Self.longestPacket else {
      return stop("a captured length of \(captured) bytes in a block of \(length)")
    }
    record.bytes = window.cursor + 12
    record.capturedLength = captured
    record.originalLength = original
    record.time = 0
    record.linkType = interfaces[index].linkType
    record.interface = index
    window.advance(length)
    return true
  }
}

// MARK: - Sections and interfaces

extension CaptureReader {
  /// Reads the section header that a pcapng file must start with. Returns why it is not one.
  mutating func readFirstSection() -> String? {
    if let why = startSection() { return why }
    format = .pcapng
    return nil
  }

  /// Reads a Section Header Block at the cursor and forgets the interfaces of the section before.
  private mutating func startSection() -> String? {
    let smallest = 28
    guard window.fill(smallest) else {
      return window.failure ?? "the file ends inside a section header"
    }
    switch load32(window.cursor, 8, swapped: false) {
    case 0x1a2b_3c4d: section.swapped = false
    case 0x4d3c_2b1a: section.swapped = true
    default: return "a pcapng section header without byte-order magic"
    }
    let length = Int(load32(window.cursor, 4, swapped: section.swapped))
    guard length >= smallest, length & 3 == 0, length <= Self.longestBlock else {
      return "a pcapng section header of \(length) bytes"
    }
    guard window.fill(length) else {
      return window.failure ?? "the file ends inside a section header"
    }
    guard Int(load32(window.cursor, length &- 4, swapped: section.swapped)) == length else {
      return "a pcapng section header whose two length fields differ"
    }
    let major = load16(window.cursor, 12, swapped: section.swapped)
    let minor = load16(window.cursor, 14, swapped: section.swapped)
    // 1.2 was written by mistake for 1.0 (pcapng draft, 4.1).
    guard major == 1, minor == 0 || minor == 2 else {
      return "pcapng version \(major).\(minor) is unknown"
    }
    section.firstInterface = interfaces.count
    section.snapshotLength = 0
    window.advance(length)
    return nil
  }

  /// Reads the Interface Description Block of `length` bytes at the cursor.
  private mutating func addInterface(_ length: Int) -> Bool {
    guard length >= 20 else { return stop("an interface block of \(length) bytes") }
    guard interfaces.count < Self.mostInterfaces else {
      return stop("more than \(Self.mostInterfaces) interfaces")
    }
    let options = readInterfaceOptions(length)
    if interfaces.count == section.firstInterface {
      section.snapshotLength = Int(load32(window.cursor, 12, swapped: section.swapped))
    }
    interfaces.append(
      CaptureInterface(
        name: options.name, linkType: load16(window.cursor, 8, swapped: section.swapped)))
    clocks.append(
      InterfaceClock(resolution: options.resolution, offsetSeconds: options.offsetSeconds))
    window.advance(length)
    return true
  }

  private struct InterfaceOptions {
    var name = ""
    var resolution: UInt8 = 6
    var offsetSeconds: Int64 = 0
  }

  /// Reads if_name, if_tsresol and if_tsoffset; damage among the options only ends the options.
  private mutating func readInterfaceOptions(_ length: Int) -> InterfaceOptions {
    var options = InterfaceOptions()
    let end = length &- 4
    var at = 16
    while at &+ 4 <= end {
      let code = load16(window.cursor, at, swapped: section.swapped)
      let size = Int(load16(window.cursor, at &+ 2, swapped: section.swapped))
      at &+= 4
      if code == 0 { return options }
      guard size <= end &- at else {
        warn("an interface option reaches past its block; it and those after it are ignored")
        return options
      }
      let value = window.cursor + at
      switch (code, size) {
      case (2, _):
        options.name = String(
          decoding: UnsafeRawBufferPointer(start: value, count: size).prefix { $0 != 0 },
          as: UTF8.self)
      case (9, 1): options.resolution = value.load(as: UInt8.self)
      case (14, 8):
        options.offsetSeconds = Int64(
          bitPattern: load64(value, 0, swapped: section.swapped))
      case (9, _), (14, _): warn("interface option \(code) of \(size) bytes is ignored")
      default: break
      }
      at &+= (size &+ 3) & ~3
    }
    return options
  }
}
