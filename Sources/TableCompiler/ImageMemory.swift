import Tables

/// The memory of one compiled image: it grows while the image is built and is freed as a whole.
final class ImageMemory {
  /// A cache line, so that no slot of an `AddressMap` bucket lies across two.
  private static let alignment = 64

  private var blocks: [UnsafeMutableRawPointer] = []
  private(set) var byteCount = 0

  /// Copies records into the image.
  func store<Element: BitwiseCopyable>(_ records: [Element]) -> FlatArray<Element> {
    guard !records.isEmpty else { return FlatArray() }
    let size = records.count * MemoryLayout<Element>.stride
    let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: Self.alignment)
    blocks.append(block)
    byteCount += size
    let typed = block.bindMemory(to: Element.self, capacity: records.count)
    records.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      typed.initialize(from: base, count: source.count)
    }
    return FlatArray(base: UnsafePointer(typed), count: records.count)
  }

  deinit {
    for block in blocks { block.deallocate() }
  }
}
