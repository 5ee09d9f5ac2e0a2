/// Reads the packets of a capture: pcap or pcapng, either byte order, also inside gzip, from a file
/// or a pipe.
///
/// Why not libpcap: it refuses pcapng files whose interfaces differ in link type or snapshot
/// length, knows no gzip, copies every packet through a callback or a buffer of its own, and gives
/// timestamps only as fine as one setting for the whole file. It compiles filter expressions here
/// and nothing else.
///
/// Captures are hostile input. Whatever the bytes are, reading ends with `false`, everything
/// before the damage has been returned, and `warning` says where and why it ended.
///
/// A regular file is mapped, so reading copies nothing and costs no system call a packet. The
/// price: if another process truncates the file while it is read, the kernel answers the next
/// access beyond its new end with SIGBUS and the process dies. A file that is still being written
/// (and grows) is safe, and is read up to the length it had when it was opened; a pipe never has
/// the problem.
public struct CaptureReader: ~Copyable {
  /// Packets longer than this are taken for damage: 256 MiB.
  public static var longestPacket: Int { 1 << 28 }

  /// The interfaces seen so far; those of pcapng appear as reading reaches them.
  public internal(set) var interfaces: [CaptureInterface] = []

  /// Packets so far that did not match the filter, so that callers can number packets by their
  /// place in the file.
  public private(set) var packetsPassedOver: UInt64 = 0

  var window: ByteWindow
  var format = CaptureFormat.ended
  /// State of a classic pcap file.
  var classic = ClassicLayout()
  /// State of the current section of a pcapng file.
  var section = PcapngSection()
  /// pcapng clocks, parallel to `interfaces`.
  var clocks: [InterfaceClock] = []
  private var damage: [String] = []
  private let filter: PacketFilter?

  /// Opens a capture and reads its file header, waiting for it if it comes from a pipe.
  ///
  /// - Parameters:
  ///   - path: a file, or `-` for standard input.
  ///   - filter: a tcpdump expression; packets that do not match are passed over. It must compile
  ///     for Ethernet. It is compiled anew for each other link type in the capture and matches
  ///     nothing of a type that it does not compile for, with a warning.
  /// - Throws: `cannotOpen`, `notACapture` (also for an empty file and a file that ends inside its
  ///   header) or `badFilter`.
  public init(path: String, filter: String? = nil) throws(CaptureError) {
    // Throwing is only possible before the first member that cannot be copied is set.
    let reader = try Self.opened(path, filter)
    self.filter = reader.filter
    interfaces = reader.interfaces
    clocks = reader.clocks
    format = reader.format
    classic = reader.classic
    section = reader.section
    damage = reader.damage
    window = reader.window
  }

  private static func opened(
    _ path: String, _ expression: String?
  ) throws(CaptureError) -> CaptureReader {
    var filter: PacketFilter?
    if let expression { filter = try PacketFilter(expression: expression) }
    var reader = CaptureReader(window: try ByteWindow(path: path), filter: filter)
    if let why = reader.readFileHeader() { throw .notACapture(path: path, why: why) }
    return reader
  }

  private init(window: consuming ByteWindow, filter: PacketFilter?) {
    self.window = window
    self.filter = filter
  }

  /// Finds the next packet; at the end or at damage returns false and leaves `record` as it was.
  ///
  /// Constant time and no allocation for each packet; a pipe is waited for, but never for more
  /// than the packet needs.
  ///
  /// - Parameter record: becomes a view of the packet, valid until the next call.
  public mutating func next(_ record: inout CaptureRecord) -> Bool {
    guard let filter else { return nextUnfiltered(&record) }
    while nextUnfiltered(&record) {
      if filter.accepts(record) { return true }
      packetsPassedOver += 1
    }
    return false
  }

  /// What is wrong with the capture as far as it was read, in words; nil if nothing is.
  public var warning: String? {
    let all = damage + (filter?.refusals ?? [])
    return all.isEmpty ? nil : all.joined(separator: "; ")
  }

  /// Bytes of the file used so far, before decompression.
  public var bytesRead: UInt64 { window.bytesRead }

  /// Size of the file in bytes, nil for a pipe.
  public var byteCount: UInt64? { window.byteCount }

  @inline(__always)
  private mutating func nextUnfiltered(_ record: inout CaptureRecord) -> Bool {
    switch format {
    case .classic: return nextClassic(&record)
    case .pcapng: return nextPcapng(&record)
    case .ended: return false
    }
  }
}

/// What the parser expects at the cursor.
enum CaptureFormat {
  case classic, pcapng, ended
}

// MARK: - Ends

extension CaptureReader {
  /// Ends reading because of damage at the cursor. Returns false for the caller to pass on.
  @inline(never)
  mutating func stop(_ why: String) -> Bool {
    warn(why)
    format = .ended
    return false
  }

  /// Ends reading where no whole record is left: silently if no byte is left either.
  @inline(never)
  mutating func finish() -> Bool {
    format = .ended
    if let failure = window.failure {
      damage.append(failure)
      if window.available > 0 { warn("the last record is incomplete") }
    } else if window.available > 0 {
      warn("the last record is cut short")
    }
    return false
  }

  /// Notes a fault at the cursor; reading may go on.
  @inline(never)
  mutating func warn(_ why: String) {
    // A hostile file must not fill memory with complaints.
    guard damage.count < 8 else { return }
    let unit = window.isCompressed ? "decompressed byte" : "byte"
    damage.append("at \(unit) \(window.offset): \(why)")
  }
}

// MARK: - File header

extension CaptureReader {
  /// Recognises the format. Returns why it is none, nil if it is one.
  private mutating func readFileHeader() -> String? {
    guard window.fill(4) else {
      if let failure = window.failure { return failure }
      return window.available == 0 && window.offset == 0
        ? (window.isCompressed ? "the gzip data is empty" : "the file is empty")
        : "it is shorter than any capture"
    }
    let magic = load32(window.cursor, 0, swapped: false)
    if magic == PcapngBlock.sectionHeader { return readFirstSection() }
    guard let layout = ClassicLayout(magic: magic) else {
      let digits = String(magic.byteSwapped, radix: 16)
      let padding = String(repeating: "0", count: 8 - digits.count)
      return "it starts with 0x\(padding)\(digits), which is neither pcap nor pcapng"
    }
    classic = layout
    return readClassicHeader()
  }
}
