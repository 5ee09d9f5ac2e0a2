import CCapture

/// A tcpdump expression, compiled by libpcap for each link type that occurs.
///
/// A class: it owns C memory and is shared by nobody but its reader.
final class PacketFilter {
  private let expression: String
  /// Programs by link type; `nil` where libpcap refuses the expression for it.
  private var programs: [UInt16: OpaquePointer?] = [:]
  private var currentLinkType: UInt16
  private var current: OpaquePointer?
  /// Messages of link types that the expression does not compile for.
  private(set) var refusals: [String] = []

  /// Compiles for Ethernet, so that a mistake is reported before any packet is read.
  init(expression: String) throws(CaptureError) {
    self.expression = expression
    let (program, why) = Self.compile(expression, linkType: 1)
    guard let program else { throw .badFilter(expression: expression, why: why) }
    programs[1] = program
    currentLinkType = 1
    current = program
  }

  deinit {
    for program in programs.values { apus_filter_free(program) }
  }

  /// Whether the packet matches; never for a link type that the expression does not compile for.
  @inline(__always)
  func accepts(_ record: CaptureRecord) -> Bool {
    if record.linkType != currentLinkType { select(record.linkType) }
    guard let current else { return false }
    return apus_filter_accepts(
      current, record.bytes, UInt32(truncatingIfNeeded: record.capturedLength),
      UInt32(truncatingIfNeeded: record.originalLength)) != 0
  }

  @inline(never)
  private func select(_ linkType: UInt16) {
    currentLinkType = linkType
    if let known = programs[linkType] {
      current = known
      return
    }
    let (program, why) = Self.compile(expression, linkType: linkType)
    programs.updateValue(program, forKey: linkType)
    current = program
    if program == nil, refusals.count < 8 {
      refusals.append("the filter matches nothing of link type \(linkType): \(why)")
    }
  }

  private static func compile(
    _ expression: String, linkType: UInt16
  ) -> (program: OpaquePointer?, why: String) {
    var why = [CChar](repeating: 0, count: 512)
    let program = apus_filter_compile(linkType, expression, &why, why.count)
    return (program, text(why))
  }
}

/// The text before the terminating zero.
func text(_ characters: [CChar]) -> String {
  String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
