/// Memory that is made at start, zeroed, and freed at the end: the arrays that workers' ports
/// point to.
struct SetupMemory {
  private var blocks: [UnsafeMutableRawPointer] = []

  /// Room for `count` values on cache lines of their own; the bytes are zero.
  mutating func zeroed<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
    let lines = max(1, (MemoryLayout<T>.stride * count + 63) / 64)
    let block = UnsafeMutableRawPointer.allocate(byteCount: lines * 64, alignment: 64)
    block.initializeMemory(as: UInt8.self, repeating: 0, count: lines * 64)
    blocks.append(block)
    return block.bindMemory(to: type, capacity: count)
  }

  /// The same, with every value initialised.
  mutating func filled<T: BitwiseCopyable>(_ value: T, _ count: Int) -> UnsafeMutablePointer<T> {
    let memory = zeroed(T.self, count)
    memory.initialize(repeating: value, count: count)
    return memory
  }

  func free() {
    for block in blocks { block.deallocate() }
  }
}
