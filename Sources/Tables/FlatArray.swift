/// A read-only, bounds-checked view of consecutive records in memory that somebody else owns.
///
/// The records hold no pointers. The owner (an image, or a worker's memory) outlives every view.
/// An index out of bounds is a defect of ours and traps; it never comes from a packet unchecked.
@frozen @safe
public struct FlatArray<Element: BitwiseCopyable>: @unchecked Sendable {
  @usableFromInline let base: UnsafePointer<Element>?
  public let count: Int

  /// - Parameter base: `count` initialised records, or nil when `count` is zero.
  @unsafe @inlinable public init(base: UnsafePointer<Element>?, count: Int) {
    unsafe self.base = base
    self.count = count
  }

  /// An array without records.
  @inlinable public init() {
    // SAFETY: with a count of zero no index passes the check.
    unsafe base = nil
    count = 0
  }

  // Addressors, so that reading one field of a record does not copy the record.
  @inlinable
  public subscript(_ index: Int) -> Element {
    // SAFETY: the index is checked below, and a non-empty array has a base.
    @inline(__always) unsafeAddress {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return unsafe base.unsafelyUnwrapped + index
    }
  }

  @inlinable
  public subscript(_ index: UInt32) -> Element {
    // SAFETY: the index is checked below, and a non-empty array has a base.
    @inline(__always) unsafeAddress {
      precondition(UInt(index) < UInt(bitPattern: count))
      return unsafe base.unsafelyUnwrapped + Int(index)
    }
  }

  /// The address of a record, to be prefetched or read in place.
  @unsafe @inlinable @inline(__always)
  public func pointer(_ index: Int) -> UnsafePointer<Element> {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
    return unsafe base.unsafelyUnwrapped + index
  }
}
