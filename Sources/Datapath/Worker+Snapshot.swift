import CDataplane
import Tables
import Wire

/// What a worker tells other threads of one NIC, as numbers that stand one after the other.
@frozen public enum NICWords {
  /// Drops by the raw value of their reason.
  @inlinable public static var drops: Int { 0 }
  /// `packetsIn` and the other fields of `NICCounters`, in their order.
  @inlinable public static var counters: Int { 64 }
  /// Tracked connections now.
  @inlinable public static var connections: Int { 73 }
  @inlinable public static var count: Int { 80 }
}

/// Writes a word whole, for who reads it meanwhile.
@unsafe @inline(__always) @_semantics("no_performance_analysis")
private func publish(_ value: UInt64, to word: UnsafeMutablePointer<UInt64>) {
  unsafe apus_store_relaxed(word, value)
}

extension Worker {
  /// Copies the counters of a NIC to memory that other threads read.
  ///
  /// Every word is written whole; the words together are of no one moment.
  ///
  /// - Parameter words: `NICWords.count` of them.
  @unsafe @_noLocks
  public func publishCounters(_ nic: TableIndex, to words: UnsafeMutablePointer<UInt64>) {
    // SAFETY: the caller has the words; a NIC has 64 counters of drops.
    let reasons = unsafe drops.pointer(Int(nic) &* 64)
    for reason in 0..<64 { unsafe publish(reasons[reason], to: words + reason) }
    // SAFETY: `pointer` checks the bounds, and states stay where they are.
    let state = unsafe nics.pointer(Int(nic))
    let place = unsafe words + NICWords.counters
    unsafe publish(state.pointee.counters.packetsIn, to: place)
    unsafe publish(state.pointee.counters.packetsOut, to: place + 1)
    unsafe publish(state.pointee.counters.bytesIn, to: place + 2)
    unsafe publish(state.pointee.counters.bytesOut, to: place + 3)
    unsafe publish(state.pointee.counters.bandwidthInExceeded, to: place + 4)
    unsafe publish(state.pointee.counters.bandwidthOutExceeded, to: place + 5)
    unsafe publish(state.pointee.counters.packetsExceeded, to: place + 6)
    unsafe publish(state.pointee.counters.connectionsExceeded, to: place + 7)
    unsafe publish(state.pointee.counters.linkLocalExceeded, to: place + 8)
    unsafe publish(UInt64(state.pointee.connections), to: words + NICWords.connections)
  }
}

extension NICCounters {
  /// Nothing counted.
  public static var zero: NICCounters { NICCounters() }
}
