import Glibc

/// Bytes that end where readable memory ends: reading one too many kills the test.
public final class GuardedBytes {
  private let memory: UnsafeMutableRawPointer
  private let size: Int
  public let count: Int
  /// The first byte; there may be none.
  public let start: UnsafeMutableRawPointer

  /// Copies bytes to the end of a page that an inaccessible one follows.
  public init(_ bytes: some Collection<UInt8>) {
    let page = 4096
    let room = (bytes.count + page - 1) / page * page + page
    size = room + page
    guard
      let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      memory != MAP_FAILED, mprotect(memory + room, page, PROT_NONE) == 0
    else { preconditionFailure("the system refused memory") }
    self.memory = memory
    count = bytes.count
    start = memory + room - bytes.count
    for (index, byte) in bytes.enumerated() {
      start.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }
  }

  deinit { munmap(memory, size) }
}
