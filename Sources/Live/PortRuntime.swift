// What both runtimes have in common, as the daemon sees them. The types that open ports are
// `KernelRuntime` (KernelPort) and `DPDKRuntime` (DPDKPort). Beside this protocol each has
// `init(_ plan: HostPlan, tunnelAddress: IPAddress?) throws(PortError)` and
// `makeIO(worker index: Int) -> KernelIO` (`DPDKIO`), to be called once for each worker on the
// worker's own thread. A protocol cannot say that: associated types are always copyable.

/// The opened ports of a host.
public protocol PortRuntime: ~Copyable {
  /// Counters of a port, summed over workers; any thread may ask.
  func counters(port: Int) -> PortCounters

  /// What a port's device or guest does by itself, and whether it is up; any thread may ask.
  func offloads(port: Int) -> PortOffloads

  /// The MAC address of the uplink, zero without one.
  var uplinkMAC: UInt64 { get }

  /// Wakes a worker out of `PacketIO.wait`; any thread.
  func wake(worker index: Int)

  /// Takes the ports out of use, after every worker has stopped.
  mutating func close()
}
