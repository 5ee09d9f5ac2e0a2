import Glibc

/// Memory for the arrays that workers' ports point to, zeroed; freed all at once.
///
/// One thread at a time adds to it.
final class SetupMemory {
  private var blocks: [UnsafeMutableRawPointer] = []
  private var mappings: [(start: UnsafeMutableRawPointer, bytes: Int)] = []

  /// Room for `count` values on cache lines of their own; the bytes are zero.
  func zeroed<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
    let lines = max(1, (MemoryLayout<T>.stride * count + 63) / 64)
    let block = UnsafeMutableRawPointer.allocate(byteCount: lines * 64, alignment: 64)
    block.initializeMemory(as: UInt8.self, repeating: 0, count: lines * 64)
    blocks.append(block)
    return block.bindMemory(to: type, capacity: count)
  }

  /// The same, with every value initialised.
  func filled<T: BitwiseCopyable>(_ value: T, _ count: Int) -> UnsafeMutablePointer<T> {
    let memory = zeroed(T.self, count)
    memory.initialize(repeating: value, count: count)
    return memory
  }

  /// The same, of memory that takes pages only where it is touched; nil without address space.
  func reserved<T: BitwiseCopyable>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T>? {
    let bytes = max(1, MemoryLayout<T>.stride * count)
    let start = mmap(
      nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | Int32(MAP_NORESERVE), -1, 0)
    guard let start, start != MAP_FAILED else { return nil }
    mappings.append((start, bytes))
    return start.bindMemory(to: type, capacity: max(1, count))
  }

  func free() {
    for block in blocks { block.deallocate() }
    for mapping in mappings { munmap(mapping.start, mapping.bytes) }
    (blocks, mappings) = ([], [])
  }
}
