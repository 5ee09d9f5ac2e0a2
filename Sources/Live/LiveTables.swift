import LockFree
import Tables
import Wire

/// All that workers read of one published generation: the rules, which port is which NIC, and the
/// next hops in the underlay.
///
/// Built by the control side, given away to `WorkerShared.publish`, and freed by it when no worker
/// uses it any more.
@safe
public struct LiveTables: ~Copyable {
  /// Views of memory that stays the control side's, and stays until this is freed.
  public let rules: RuleTables
  /// Number of the publication, for quiescence; set by `WorkerShared.publish`.
  public internal(set) var generation: UInt64 = 0
  /// Port by NIC; `.none` for a NIC without one.
  public let portOfNIC: WorkerMemory<UInt32>
  /// NIC by port; `.none` for the uplink and for a port without a NIC.
  public let nicOfPort: WorkerMemory<TableIndex>
  /// The generation since which each port has its NIC, its lower 32 bits.
  @usableFromInline let portAges: WorkerMemory<UInt32>
  /// Ports that are there, which workers poll in this order.
  public let polledPorts: WorkerMemory<UInt16>
  public let nextHops: NextHops
  /// The uplink's own MAC address.
  public let uplinkMAC: MACAddress

  /// Tables without ports and next hops; `connect` and `nextHops.set` fill them in.
  ///
  /// - Parameters:
  ///   - rules: copied; the memory that they view has to stay until these tables are freed.
  ///   - portCount: the uplink and all places for guests' ports.
  ///   - polled: the ports that are there, each below `portCount`; nil is all.
  public init(
    rules: borrowing RuleTables, portCount: Int, polled: [Int]? = nil, uplinkMAC: MACAddress
  ) {
    portOfNIC = WorkerMemory(count: rules.nics.count)
    for nic in 0..<rules.nics.count { portOfNIC[nic] = .none }
    nicOfPort = WorkerMemory(count: portCount)
    for port in 0..<portCount { nicOfPort[port] = .none }
    portAges = WorkerMemory(count: portCount)
    polledPorts = WorkerMemory(count: polled?.count ?? portCount)
    for place in 0..<polledPorts.count {
      let port = polled?[place] ?? place
      precondition(port < portCount)
      polledPorts[place] = UInt16(port)
    }
    nextHops = NextHops(count: rules.endpoints.count)
    self.uplinkMAC = uplinkMAC
    // SAFETY: rule tables are views and numbers; a second copy of their bytes owns nothing.
    let copy = UnsafeMutablePointer<RuleTables>.allocate(capacity: 1)
    unsafe withUnsafePointer(to: rules) { source in
      unsafe UnsafeMutableRawPointer(copy).copyMemory(
        from: source, byteCount: MemoryLayout<RuleTables>.size)
    }
    self.rules = unsafe copy.move()
    unsafe copy.deallocate()
  }

  deinit {
    portOfNIC.deallocate()
    nicOfPort.deallocate()
    portAges.deallocate()
    polledPorts.deallocate()
    nextHops.deallocate()
  }

  /// Makes a guest's port the port of a NIC; before the tables are published.
  public func connect(port: Int, nic: TableIndex) {
    nicOfPort[port] = nic
    portOfNIC[nic] = UInt32(port)
  }

  /// Notes since when each port has its NIC; before the tables are published.
  ///
  /// - Complexity: O(n) in the number of ports.
  func keepAges(from before: borrowing LiveTables) {
    for port in 0..<portAges.count {
      let nic = nicOfPort[port]
      // Another owner of the NIC's number is another NIC.
      let isSame =
        nic != .none && before.nic(of: port) == nic
        && before.rules.nics[nic].since == rules.nics[nic].since
      portAges[port] = isSame ? before.portAges[port] : UInt32(truncatingIfNeeded: generation)
    }
  }

  /// The same for the first tables.
  func keepAges() {
    for port in 0..<portAges.count { portAges[port] = UInt32(truncatingIfNeeded: generation) }
  }

  /// Whether the NIC of a port was already its NIC in a generation, of which the lower 32 bits are
  /// given.
  @inlinable @inline(__always)
  func isNIC(of port: Int, since generation: UInt32) -> Bool {
    port < portAges.count && Int32(bitPattern: generation &- portAges[port]) >= 0
  }

  /// The port of a NIC, nil without one or for a number that is none.
  @inlinable @inline(__always)
  public func port(of nic: TableIndex) -> Int? {
    guard Int(nic) < portOfNIC.count else { return nil }
    let port = portOfNIC[nic]
    return port == .none ? nil : Int(port)
  }

  /// The NIC of a port, `.none` without one.
  @inlinable @inline(__always)
  public func nic(of port: Int) -> TableIndex {
    port < nicOfPort.count ? nicOfPort[port] : .none
  }
}
