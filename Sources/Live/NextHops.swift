import LockFree
import Tables
import Wire

/// The MAC address of the next hop to each tunnel endpoint: one word each, which the service thread
/// writes while workers read.
@frozen @safe
public struct NextHops: Sendable {
  @usableFromInline let memory: SharedMemory
  public let count: Int

  @inlinable static var resolvedBit: UInt64 { 1 << 63 }

  /// All unresolved.
  public init(count: Int) {
    self.count = count
    memory = SharedMemory(byteCount: count * 8)
  }

  /// Gives the memory back.
  public func deallocate() { memory.deallocate() }

  /// The next hop's MAC address, nil while it is unknown or for no endpoint.
  @inlinable @inline(__always)
  public subscript(_ endpoint: TableIndex) -> MACAddress? {
    guard Int(endpoint) < count else { return nil }
    let word = memory.word(Int(endpoint)).loadRelaxed()
    return word & Self.resolvedBit == 0 ? nil : MACAddress(word & 0xFFFF_FFFF_FFFF)
  }

  /// Sets or, with nil, forgets a next hop; one thread.
  public func set(_ endpoint: TableIndex, _ address: MACAddress?) {
    var word: UInt64 = 0
    if let address { word = address.bits | Self.resolvedBit }
    memory.word(Int(endpoint)).storeRelaxed(word)
  }
}
