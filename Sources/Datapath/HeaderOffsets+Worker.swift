import Tables
import Wire

extension Worker {
  /// Where the headers of a packet of the last burst stand, for its owner's checksum and
  /// segmentation.
  ///
  /// Bytes from the start of the inner Ethernet frame: of the frame as it came, without what
  /// `process` put before it.
  ///
  /// - Parameter slot: the packet's place in the burst; traps beyond `burstCapacity`.
  @_noLocks
  public func headerOffsets(
    slot: Int
  ) -> (network: UInt16, transport: UInt16, isIPv6: Bool, isTCP: Bool) {
    // SAFETY: `pointer` checks the bounds, and nothing else uses the contexts between two bursts.
    let context = unsafe contexts.pointer(slot)
    return unsafe (
      context.pointee.headers.networkOffset, context.pointee.headers.transportOffset,
      context.pointee.headers.family == .v6, context.pointee.headers.transport == IPProtocol.tcp
    )
  }
}
