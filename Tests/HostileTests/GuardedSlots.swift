import Glibc

/// Places for frames, each followed by memory that nobody may touch.
final class GuardedSlots {
  private static let page = 4_096
  private static let pages = 18
  private static let room = 128
  private static let mark: UInt8 = 0xC5

  private let memory: UnsafeMutableRawPointer
  private let count: Int
  private var bases: [UnsafeMutableRawPointer]

  init(count: Int) {
    self.count = count
    let size = count * (Self.pages + 1) * Self.page
    guard
      let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      memory != MAP_FAILED
    else { preconditionFailure("the system refused memory") }
    self.memory = memory
    bases = [UnsafeMutableRawPointer](repeating: memory, count: count)
    for slot in 0..<count {
      let guardPage = memory + (slot * (Self.pages + 1) + Self.pages) * Self.page
      guard mprotect(guardPage, Self.page, PROT_NONE) == 0 else {
        preconditionFailure("the system refused memory")
      }
    }
  }

  deinit { munmap(memory, count * (Self.pages + 1) * Self.page) }

  /// Copies a frame to the end of a slot, with 128 bytes of headroom.
  ///
  /// - Parameter alignment: modulo 16, of the first byte; nil for the very end.
  func place(_ frame: [UInt8], slot: Int, alignment: Int?) -> UnsafeMutableRawPointer {
    let end = memory + (slot * (Self.pages + 1) + Self.pages) * Self.page
    var base = end - frame.count
    if let alignment { base -= (Int(bitPattern: base) - alignment) & 15 }
    (base - Self.room - 16).initializeMemory(as: UInt8.self, repeating: Self.mark, count: 16)
    for (index, byte) in frame.enumerated() {
      base.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }
    bases[slot] = base
    return base
  }

  /// Whether nothing was written before the headroom.
  func isIntact(slot: Int) -> Bool {
    let start = bases[slot] - Self.room - 16
    return (0..<16).allSatisfy {
      start.load(fromByteOffset: $0, as: UInt8.self) == Self.mark
    }
  }
}
