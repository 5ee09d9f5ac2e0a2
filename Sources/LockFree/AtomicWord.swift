import CDataplane

/// A 64-bit word that several threads read and at most one at a time writes.
///
/// A view: the memory belongs to a `SharedMemory`, whose owner frees it after every view.
@frozen @safe
public struct AtomicWord: @unchecked Sendable {
  @usableFromInline let address: UnsafeMutablePointer<UInt64>

  /// - Parameter address: aligned to 8 bytes, and valid as long as the view.
  @unsafe @inlinable public init(at address: UnsafeMutablePointer<UInt64>) {
    unsafe self.address = unsafe address
  }

  // SAFETY, of all below: whoever made the view vouches for its address.

  /// Reads with acquire: what was written before the matching `store` is seen from here on.
  @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func load() -> UInt64 {
    // SAFETY: as above.
    unsafe apus_load_acquire(address)
  }

  /// Reads an address with acquire.
  @unsafe @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func loadAddress() -> UnsafeRawPointer? {
    // SAFETY: as above.
    unsafe apus_load_address(address)
  }

  /// Writes with release: publishes everything that this thread did before.
  @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func store(_ value: UInt64) {
    // SAFETY: as above.
    unsafe apus_store_release(address, value)
  }

  /// Reads the word alone, and orders nothing.
  @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func loadRelaxed() -> UInt64 {
    // SAFETY: as above.
    unsafe apus_load_relaxed(address)
  }

  /// Writes the word alone, and orders nothing.
  @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func storeRelaxed(_ value: UInt64) {
    // SAFETY: as above.
    unsafe apus_store_relaxed(address, value)
  }

  /// Adds, for a word that only the calling thread writes; wraps.
  @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func add(_ value: UInt64) {
    // SAFETY: as above.
    unsafe apus_add_relaxed(address, value)
  }
}

/// Orders every access of this thread before against every one after, even a store against a later
/// load: what two threads need that each write one word and then read the other's.
@inlinable @inline(__always) @_semantics("no_performance_analysis")
public func fullFence() { apus_fence() }

/// Lets the other hardware thread of the core go first, in a loop that waits.
@inlinable @inline(__always) @_semantics("no_performance_analysis")
public func spinPause() { apus_pause() }
