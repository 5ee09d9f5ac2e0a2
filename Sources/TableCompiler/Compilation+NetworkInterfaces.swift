import Tables
import VPCModel
import Wire

extension Compilation {
  /// Network interfaces; their `openBits` come with the groups.
  mutating func addNetworkInterfaces() throws(TableCompilerError) {
    for (index, nic) in model.networkInterfaces.enumerated() {
      var record = NICRecord()
      record.mac = nic.mac
      record.subnet = try subnetNames[nic.subnet]
      record.vpc = subnets[Int(record.subnet)].vpc
      record.addresses = Self.append(nic.addresses.map { AddressRecord($0) }, to: &nicAddresses)
      for address in nic.addresses {
        addresses.add(scope: record.vpc, address, Location(nic: UInt32(index)).bits)
      }
      record.publicAddresses = addPublicAddresses(nic, index: UInt32(index), vpc: record.vpc)
      let groups = try nic.securityGroups.map { id throws(TableCompilerError) in
        try groupNames[id]
      }
      record.groups = Self.append(groups, to: &nicGroups)
      record.sourceDestCheck = nic.sourceDestCheck
      record.tcpEstablished = nic.connectionTracking.tcpEstablished
      record.udp = nic.connectionTracking.udp
      record.udpStream = nic.connectionTracking.udpStream
      Self.apply(nic.limits, to: &record)
      nics.append(record)
    }
    // Ranges into these arrays have 32-bit indices.
    let limit = Int(UInt32.max) - 1
    try TableCompilerError.check(nicAddresses.count, of: "addresses", limit: limit)
    try TableCompilerError.check(nicGroups.count, of: "group memberships", limit: limit)
  }

  private mutating func addPublicAddresses(
    _ nic: NetworkInterface, index: TableIndex, vpc: TableIndex
  ) -> TableRange {
    let start = UInt32(nicPublicAddresses.count)
    let records = nic.publicAddresses.map {
      PublicAddressRecord(
        nic: index, privateAddress: $0.privateAddress, publicAddress: $0.publicAddress)
    }
    for (offset, record) in records.enumerated() {
      publicAddresses.add(scope: vpc, record.publicAddress, start + UInt32(offset))
    }
    return Self.append(records, to: &nicPublicAddresses)
  }

  private static func apply(_ limits: Limits, to record: inout NICRecord) {
    record.bandwidthIn = bandwidth(limits.bandwidthIn, burst: limits.burst)
    record.bandwidthOut = bandwidth(limits.bandwidthOut, burst: limits.burst)
    record.packets = rate(limits.packetsPerSecond)
    record.connectionRate = rate(limits.connectionsPerSecond)
    record.linkLocal = rate(limits.linkLocalPacketsPerSecond)
    record.connections = limits.connections.map { UInt32(clamping: $0) } ?? .max
  }

  /// A bucket of bytes for a rate in bits per second.
  private static func bandwidth(_ bitsPerSecond: UInt64?, burst: UInt64?) -> BucketSettings {
    guard let bitsPerSecond else { return BucketSettings() }
    guard bitsPerSecond > 0 else { return .closed }
    return BucketSettings(
      tokens: bitsPerSecond, perNanoseconds: 8_000_000_000, depth: burst ?? bitsPerSecond / 8)
  }

  /// A bucket that holds one second's worth.
  private static func rate(_ perSecond: UInt64?) -> BucketSettings {
    guard let perSecond else { return BucketSettings() }
    guard perSecond > 0 else { return .closed }
    return BucketSettings(tokens: perSecond, perNanoseconds: 1_000_000_000, depth: perSecond)
  }
}

extension BucketSettings {
  /// A bucket that admits nothing: it refills but holds less than the price of any packet, zero.
  static var closed: BucketSettings {
    BucketSettings(tokens: 0, perNanoseconds: 1, depth: 0)
  }
}
