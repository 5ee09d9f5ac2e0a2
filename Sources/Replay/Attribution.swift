import Tables
import VPCModel
import Wire

/// Who sent a recorded frame, or received it.
package enum Attribution: Equatable {
  /// A frame of none of the model's NICs: verdict `ignore`, reason `eni.none`.
  case ignore
  case guest(TableIndex)
  case captured(TableIndex)
  case underlay
}

/// Decides from a frame's addresses which NIC sent or received it.
///
/// The sender is found by source MAC, then by source IP; the receiver by destination IP, then by
/// destination MAC. Nothing is allocated for a packet.
package struct Attributor: ~Copyable {
  private let macs: AddressTable
  private let v4: AddressTable
  private let v6: AddressTable
  private let nicMACs: [UInt64]
  /// The NIC that settles doubt; `.none` without `--eni`.
  private let preferred: TableIndex
  private let atNIC: Bool
  private let hostIsPresent: Bool
  private let host: IPAddress

  /// - Parameters:
  ///   - preferred: the NIC that settles doubt.
  ///   - atNIC: VLAN tags are the guest's own, so what is behind them is not looked at.
  package init(model: VPCModel, preferred: TableIndex = .none, atNIC: Bool = false) {
    self.atNIC = atNIC
    self.preferred = preferred
    hostIsPresent = model.host != nil
    host = model.host?.address ?? IPAddress(v4: 0)
    nicMACs = model.networkInterfaces.map(\.mac.bits)
    macs = Self.table(model) { nic in [AddressTable.Key(high: 0, low: nic.mac.bits)] }
    v4 = Self.table(model) { nic in Self.keys(nic, .v4) }
    v6 = Self.table(model) { nic in Self.keys(nic, .v6) }
  }

  private static func keys(_ nic: NetworkInterface, _ family: IPFamily) -> [AddressTable.Key] {
    nic.addresses.filter { $0.family == family }.map {
      AddressTable.Key(high: $0.high, low: $0.low)
    }
  }

  private static func table(
    _ model: VPCModel, _ keys: (NetworkInterface) -> [AddressTable.Key]
  ) -> AddressTable {
    var positions: [AddressTable.Key: Int] = [:]
    var entries: [(key: AddressTable.Key, nics: [UInt32])] = []
    for (index, nic) in model.networkInterfaces.enumerated() {
      for key in keys(nic) {
        if let position = positions[key] {
          entries[position].nics.append(UInt32(index))
        } else {
          positions[key] = entries.count
          entries.append((key, [UInt32(index)]))
        }
      }
    }
    return AddressTable(entries)
  }

  /// The MAC address of a NIC.
  @inline(__always)
  package func mac(_ nic: TableIndex) -> MACAddress { MACAddress(nicMACs[Int(nic)]) }

  /// The first NIC, in model order, among those with an address that also satisfies a condition.
  func receiver(of address: IPAddress, where condition: (TableIndex) -> Bool) -> TableIndex {
    let found =
      address.family == .v4 ? v4.lookup(0, address.low) : v6.lookup(address.high, address.low)
    for position in found.start..<found.start + found.count {
      let nic = address.family == .v4 ? v4.nic(position) : v6.nic(position)
      if condition(nic) { return nic }
    }
    return .none
  }

  /// Attributes one record by its link layer and its network or ARP addresses.
  @inline(__always)
  package func attribute(_ link: LinkLayer, _ bytes: UnsafeRawPointer, _ captured: Int)
    -> Attribution
  {
    if atNIC && link.tagBytes > 0 { return attributeByMAC(link) }
    let present = link.isCutInTag ? 0 : captured - link.network
    switch link.etherType {
    case EtherType.ipv4: return attributeV4(link, bytes + link.network, present)
    case EtherType.ipv6: return attributeV6(link, bytes + link.network, present)
    case EtherType.arp: return attributeARP(link, bytes + link.network, present)
    default: return attributeByMAC(link)
    }
  }

  @inline(__always)
  private func attributeV4(_ link: LinkLayer, _ ip: UnsafeRawPointer, _ present: Int)
    -> Attribution
  {
    let hasAddresses = present >= 20 && ip.byte(0) >> 4 == 4
    let source = hasAddresses ? UInt64(ip.big32(12)) : 0
    if let nic = senderByMAC(link, v4, hasAddresses, 0, source) { return .guest(nic) }
    let destination = hasAddresses ? UInt64(ip.big32(16)) : 0
    if hostIsPresent && host.family == .v4 {
      if hasAddresses && destination == host.low {
        return Self.isTunnelV4(ip, present) ? .underlay : .ignore
      }
      if hasAddresses && source == host.low { return .ignore }
    }
    if hasAddresses, let nic = choose(v4, v4.lookup(0, source), LinkLayer.noMAC) {
      return .guest(nic)
    }
    // What goes to a group is judged only as sent.
    if link.isToGroup { return .ignore }
    if hasAddresses {
      if destination >> 28 == 0xE || destination == 0xFFFF_FFFF { return .ignore }
      if let nic = choose(v4, v4.lookup(0, destination), link.destination) {
        return .captured(nic)
      }
    }
    return receiverByMAC(link)
  }

  @inline(__always)
  private func attributeV6(_ link: LinkLayer, _ ip: UnsafeRawPointer, _ present: Int)
    -> Attribution
  {
    let hasAddresses = present >= 40 && ip.byte(0) >> 4 == 6
    let (sourceHigh, sourceLow) = hasAddresses ? (ip.big64(8), ip.big64(16)) : (0, 0)
    if let nic = senderByMAC(link, v6, hasAddresses, sourceHigh, sourceLow) { return .guest(nic) }
    let (high, low) = hasAddresses ? (ip.big64(24), ip.big64(32)) : (0, 0)
    if hostIsPresent && host.family == .v6 {
      if hasAddresses && high == host.high && low == host.low {
        return Self.isTunnelV6(ip, present) ? .underlay : .ignore
      }
      if hasAddresses && sourceHigh == host.high && sourceLow == host.low { return .ignore }
    }
    if hasAddresses, let nic = choose(v6, v6.lookup(sourceHigh, sourceLow), LinkLayer.noMAC) {
      return .guest(nic)
    }
    if link.isToGroup { return .ignore }
    if hasAddresses {
      if high >> 56 == 0xFF { return .ignore }
      if let nic = choose(v6, v6.lookup(high, low), link.destination) { return .captured(nic) }
    }
    return receiverByMAC(link)
  }

  /// ARP for IPv4 over Ethernet (RFC 826): its protocol addresses stand for the packet's.
  private func attributeARP(
    _ link: LinkLayer, _ arp: UnsafeRawPointer, _ present: Int
  ) -> Attribution {
    let isIPv4 = present >= 28 && arp.big16(2) == EtherType.ipv4 && arp.big16(4) == 0x0604
    let sender = isIPv4 ? UInt64(arp.big32(14)) : 0
    let target = isIPv4 ? UInt64(arp.big32(24)) : 0
    if let nic = senderByMAC(link, v4, isIPv4, 0, sender) { return .guest(nic) }
    if isIPv4 {
      if let nic = choose(v4, v4.lookup(0, sender), LinkLayer.noMAC) { return .guest(nic) }
      if let nic = choose(v4, v4.lookup(0, target), link.destination) { return .captured(nic) }
    }
    return receiverByMAC(link)
  }

  private func attributeByMAC(_ link: LinkLayer) -> Attribution {
    if let nic = senderByMAC(link, v4, false, 0, 0) { return .guest(nic) }
    return receiverByMAC(link)
  }

  /// The sender by source MAC; of several the one that has the source address, then `--eni`, then
  /// model order.
  @inline(__always)
  private func senderByMAC(
    _ link: LinkLayer, _ family: borrowing AddressTable, _ hasAddresses: Bool,
    _ high: UInt64, _ low: UInt64
  ) -> TableIndex? {
    let found = macs.lookup(0, link.source)
    if found.count == 0 { return nil }
    if found.count == 1 { return macs.nic(found.start) }
    if hasAddresses {
      let owners = family.lookup(high, low)
      var chosen: TableIndex?
      for owner in owners.start..<owners.start + owners.count {
        let nic = family.nic(owner)
        guard nicMACs[Int(nic)] == link.source else { continue }
        if nic == preferred { return nic }
        if chosen == nil { chosen = nic }
      }
      if let chosen { return chosen }
    }
    return choose(macs, found, LinkLayer.noMAC)
  }

  private func receiverByMAC(_ link: LinkLayer) -> Attribution {
    guard let nic = choose(macs, macs.lookup(0, link.destination), LinkLayer.noMAC) else {
      return .ignore
    }
    return .captured(nic)
  }

  /// One of several candidates: the one with a MAC, then `--eni`, then model order.
  @inline(__always)
  private func choose(
    _ table: borrowing AddressTable, _ found: AddressTable.Candidates, _ mac: UInt64
  ) -> TableIndex? {
    if found.count == 0 { return nil }
    let first = table.nic(found.start)
    return found.count == 1 ? first : chooseAmong(table, found, mac, first)
  }

  private func chooseAmong(
    _ table: borrowing AddressTable, _ found: AddressTable.Candidates, _ mac: UInt64,
    _ first: TableIndex
  ) -> TableIndex {
    var byMAC: TableIndex?
    var isPreferredThere = false
    for position in found.start..<found.start + found.count {
      let nic = table.nic(position)
      if nicMACs[Int(nic)] == mac {
        if nic == preferred { return nic }
        if byMAC == nil { byMAC = nic }
      }
      if nic == preferred { isPreferredThere = true }
    }
    return byMAC ?? (isPreferredThere ? preferred : first)
  }
}
