import Tables
import Wire

/// Where the sender's subnet and routes send a packet, before anyone asked who lives there.
enum RouteOutcome {
  case drop(DropReason, rule: UInt32)
  /// An address of the VPC, to be looked up in it; `rule` names a peering's route.
  case inVPC(TableIndex)
  /// Straight to a NIC of this host, whatever the address.
  case nic(TableIndex)
  case gateway(TableIndex)
}

extension Worker {
  /// Finds the way of a packet that NIC `nic` sends: its own subnet, or the subnet's route table.
  ///
  /// - Returns: the way, and whether it leads across the subnet's edge, where the network ACL
  ///   stands.
  mutating func routeStep(
    _ headers: borrowing Headers, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> (outcome: RouteOutcome, crossesEdge: Bool) {
    let vpc = tables.nics[nic].vpc
    let subnet = tables.nics[nic].subnet
    if headers.destination.isLinkLocal { return (.drop(.routeNone, rule: 0), true) }
    if isAddress(
      headers.destinationHigh, headers.destinationLow, headers.family,
      of: tables.nics[nic].addresses, tables)
    {
      return (.drop(.routeNone, rule: 0), false)
    }
    if isInside(headers.destination, tables.subnets[subnet].cidrs, tables.subnetCIDRs) {
      note(.sameSubnet)
      return (.inVPC(vpc), false)
    }
    let table = tables.routeTables[tables.subnets[subnet].routeTable]
    let found = tables.prefixes.lookup(
      headers.family == .v4 ? table.v4 : table.v6, high: headers.destinationHigh,
      low: headers.destinationLow)
    guard found != .none else {
      note(.routeMissing)
      return (.drop(.routeNone, rule: 0), true)
    }
    let route = tables.routes[found]
    note(.route, UInt64(route.rule), UInt64(route.kind.rawValue))
    switch route.kind {
    case .local: return (.inVPC(vpc), true)
    case .blackhole: return (.drop(.routeBlackhole, rule: route.rule), true)
    // A route to the sender itself leads nowhere.
    case .nic: return (route.target == nic ? .drop(.routeNone, rule: 0) : .nic(route.target), true)
    case .gateway: return (.gateway(route.target), true)
    case .peering:
      let peering = tables.peerings[route.target]
      let other = peering.first == vpc ? peering.second : peering.first
      if isInside(headers.destination, tables.vpcs[other].cidrs, tables.vpcCIDRs) {
        return (.inVPC(other), true)
      }
      return (.drop(.routePeering, rule: route.rule), true)
    }
  }

  /// Who lives at the end of a way; `none` as reason when somebody does.
  mutating func locate(
    _ outcome: RouteOutcome, _ headers: borrowing Headers, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> (destination: Destination, reason: DropReason) {
    switch outcome {
    case .drop(let reason, _): return (Destination(bits: 0), reason)
    case .nic(let index):
      note(.atNIC, UInt64(index))
      return (Destination(.nic, index), .none)
    case .gateway(let index):
      note(.throughGateway, UInt64(index))
      let isTranslated =
        headers.family == .v6 || publicAddress(of: nic, headers, tables) != .none
      return (Destination(.gateway, index), isTranslated ? .none : .natNone)
    case .inVPC(let vpc):
      let found = tables.addresses.lookup(scope: vpc, headers.destination)
      if found == .none { return (Destination(bits: 0), .mappingNone) }
      let location = Location(bits: found)
      note(location.isMapping ? .atMapping : .atNIC, UInt64(location.index))
      return (Destination(location), .none)
    }
  }

  /// The public address record of the packet's IPv4 source at a NIC; `none` when it has none.
  mutating func publicAddress(
    of nic: TableIndex, _ headers: borrowing Headers, _ tables: borrowing RuleTables
  ) -> TableIndex {
    let range = tables.nics[nic].publicAddresses
    var position = range.start
    while position < range.start &+ range.count {
      if tables.nicPublicAddresses[position].privateAddress.low == headers.sourceLow {
        return position
      }
      position &+= 1
    }
    return .none
  }

  /// Whether an address is one of a NIC's own.
  @inline(__always)
  func isAddress(
    _ high: UInt64, _ low: UInt64, _ family: IPFamily, of range: TableRange,
    _ tables: borrowing RuleTables
  ) -> Bool {
    if range.count == 0 { return false }
    // SAFETY: `pointer` checks that the first address is inside; the compiler made the range whole.
    var address = unsafe tables.nicAddresses.pointer(Int(range.start))
    let end = unsafe address + Int(range.count)
    while unsafe address < end {
      if unsafe address.pointee.address.low == low && address.pointee.address.high == high
        && address.pointee.address.family == family
      {
        return true
      }
      unsafe address += 1
    }
    return false
  }

  @inline(__always)
  func isInside(
    _ address: IPAddress, _ range: TableRange, _ cidrs: FlatArray<CIDRRecord>
  ) -> Bool {
    var position = range.start
    let end = position &+ range.count
    while position < end {
      if cidrs[position].prefix.contains(address) { return true }
      position &+= 1
    }
    return false
  }
}
