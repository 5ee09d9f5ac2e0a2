import CDataplane
import Glibc

/// Consecutive records that one worker owns, zeroed. From a megabyte on it is anonymous memory,
/// reserved whole at start and backed by pages, huge ones where the kernel has them, only when they
/// are touched. Smaller arrays come with tables and questions while workers run: they are of the
/// heap, as giving pages back to the kernel interrupts every processor that runs a worker.
///
/// Indices are bounds-checked; one out of bounds is a defect of ours and traps. The memory is never
/// moved, so views of it stay valid until `deallocate`.
@frozen @safe
public struct WorkerMemory<Element: ~Copyable>: @unchecked Sendable {
  @usableFromInline let base: UnsafeMutablePointer<Element>
  public let count: Int
  private let mapping: UnsafeMutableRawPointer
  private let mappedBytes: Int

  /// Arrays from this size on get huge pages: a page walk costs more than the rest of a page.
  private static var hugeFrom: Int { 1 << 20 }
  private static var hugePage: Int { 2 << 20 }

  /// Reserves zeroed memory for `count` records of `Element`, whose all-zero bytes must be a value.
  public init(count: Int) {
    self.count = count
    let bytes = max(1, count) * MemoryLayout<Element>.stride
    let isHuge = bytes >= Self.hugeFrom
    // Room to begin and to end on a huge page; what is not touched costs nothing.
    let whole = isHuge ? (bytes + Self.hugePage - 1) / Self.hugePage * Self.hugePage : bytes
    mappedBytes = isHuge ? whole + Self.hugePage : bytes
    // SAFETY: the memory is new, nobody else knows it, and all of it is inside `mappedBytes`.
    guard let memory = unsafe apus_map_memory(UInt64(mappedBytes)) else {
      preconditionFailure("the system refused \(bytes) bytes of memory")
    }
    unsafe mapping = unsafe memory
    var start = unsafe memory
    if isHuge {
      unsafe start = memory.alignedUp(toMultipleOf: Self.hugePage)
      unsafe _ = madvise(start, whole, MADV_HUGEPAGE)
    }
    unsafe base = start.bindMemory(to: Element.self, capacity: max(1, count))
  }

  /// Has the kernel back all of it with pages now, so that no first touch has to wait for one: a
  /// huge page takes it hundreds of microseconds. Where it cannot, they come when they are touched.
  ///
  /// - Complexity: O(n) in the bytes, about a second for 10 GB.
  public func prefault() {
    // Smaller ones were touched when they were made.
    if mappedBytes < Self.hugeFrom { return }
    // SAFETY: all records are inside the mapping, and what they hold does not change.
    unsafe _ = madvise(base, max(1, count) * MemoryLayout<Element>.stride, MADV_POPULATE_WRITE)
  }

  /// Gives the memory back. The owner calls it once, when no view is used any more.
  public func deallocate() {
    // SAFETY: the owner says that no view is used any more.
    unsafe apus_unmap_memory(mapping, UInt64(mappedBytes))
  }

  @inlinable
  public subscript(_ index: Int) -> Element {
    // SAFETY: the index is checked below; the memory stays until `deallocate`.
    @inline(__always) unsafeAddress {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return unsafe UnsafePointer(base + index)
    }
    @inline(__always) nonmutating unsafeMutableAddress {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return unsafe base + index
    }
  }

  @inlinable
  public subscript(_ index: UInt32) -> Element {
    // SAFETY: the index is checked below; the memory stays until `deallocate`.
    @inline(__always) unsafeAddress {
      precondition(UInt(index) < UInt(bitPattern: count))
      return unsafe UnsafePointer(base + Int(index))
    }
    @inline(__always) nonmutating unsafeMutableAddress {
      precondition(UInt(index) < UInt(bitPattern: count))
      return unsafe base + Int(index)
    }
  }

  /// The address of a record whose number is below `count` by construction, such as a masked hash.
  @unsafe @inlinable @inline(__always)
  public func uncheckedPointer(_ index: Int) -> UnsafeMutablePointer<Element> {
    unsafe base + index
  }

  /// The address of a record, to be prefetched.
  @unsafe @inlinable @inline(__always)
  public func pointer(_ index: Int) -> UnsafeMutablePointer<Element> {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
    return unsafe base + index
  }
}
