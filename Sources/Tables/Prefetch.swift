import CDataplane

/// Brings the cache line at an address towards the core; never faults.
@unsafe @inlinable @inline(__always)
@_semantics("no_performance_analysis")
public func prefetch(_ address: UnsafeRawPointer) {
  unsafe apus_prefetch(address)
}
