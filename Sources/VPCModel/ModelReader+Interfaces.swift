import Wire

extension ModelReader {
  mutating func readNetworkInterface(_ item: Located) {
    guard let fields = fields(item, .networkInterface) else { return }
    let subnet = reference(fields["subnet"], .subnet)
    let owner = subnet.map { Owner.subnet($0) }
    let id = declare(fields["id"], .networkInterface, owner: owner)
    let mac = interfaceMAC(fields["mac"])
    let addresses = interfaceAddresses(fields["addresses"], owner: owner)
    let groups = interfaceGroups(fields["securityGroups"], owner: owner)
    let check = boolean(fields["sourceDestCheck"])
    let publicAddresses = publicAddresses(fields["publicAddresses"], of: addresses)
    let tracking = connectionTracking(fields["connectionTracking"])
    let limits = limits(fields["limits"])
    guard let id, let subnet, let mac else { return }
    var nic = NetworkInterface(id: id, subnet: subnet, mac: mac, addresses: addresses)
    nic.securityGroups = groups
    nic.sourceDestCheck = check ?? true
    nic.publicAddresses = publicAddresses
    nic.connectionTracking = tracking
    nic.limits = limits
    model.networkInterfaces.append(nic)
  }

  private mutating func interfaceAddresses(_ list: Located?, owner: Owner?) -> [IPAddress] {
    var addresses: [IPAddress] = []
    for item in items(list) {
      guard let address = address(item) else { continue }
      addresses.append(address)
      if let owner {
        facts.addresses.append(AddressFact(address: address, place: item.place, owner: owner))
      }
    }
    if let list, list.isNull || list.isEmptyList {
      fail(list.place, "must hold at least one address")
    }
    return addresses
  }

  private mutating func interfaceGroups(_ list: Located?, owner: Owner?) -> [String] {
    var groups: [String] = []
    var seen: Set<String> = []
    for item in items(list) {
      guard let group = reference(item, .securityGroup, scope: scope(owner)) else { continue }
      if seen.insert(group).inserted {
        groups.append(group)
      } else {
        fail(item.place, "names the security group `\(group)` twice")
      }
    }
    return groups
  }

  private mutating func publicAddresses(
    _ map: Located?, of addresses: [IPAddress]
  ) -> [PublicAddress] {
    let known = Set(addresses)
    var result: [PublicAddress] = []
    var seen: [IPAddress: Place] = [:]
    for (key, value) in pairs(map) {
      if let name = key.scalar?.string, isRepeatedKey(name) {
        fail(key.place, "is given twice")
        continue
      }
      let privateAddress = address(key)
      if let privateAddress {
        checkPrivate(privateAddress, key.place, known: known, seen: &seen)
      }
      guard let publicAddress = address(value) else { continue }
      guard publicAddress.family == .v4 else {
        fail(value.place, "`\(publicAddress)` must be an IPv4 address")
        continue
      }
      facts.publicAddresses.append((publicAddress, value.place))
      guard let privateAddress else { continue }
      result.append(
        PublicAddress(privateAddress: privateAddress, publicAddress: publicAddress))
    }
    return result.sorted { $0.privateAddress < $1.privateAddress }
  }

  private mutating func checkPrivate(
    _ address: IPAddress, _ place: Place, known: Set<IPAddress>, seen: inout [IPAddress: Place]
  ) {
    if address.family != .v4 {
      fail(place, "`\(address)` must be an IPv4 address")
    } else if !known.contains(address) {
      fail(place, "`\(address)` is not an address of this network interface")
    } else if let first = seen.updateValue(place, forKey: address) {
      fail(place, "`\(address)` is given twice; first at \(text(first))")
    }
  }

  private mutating func connectionTracking(_ section: Located?) -> ConnectionTracking {
    var tracking = ConnectionTracking()
    guard let section, !section.isNull, let fields = fields(section, .connectionTracking) else {
      return tracking
    }
    tracking.tcpEstablished = duration(fields["tcpEstablished"]) ?? tracking.tcpEstablished
    tracking.udp = duration(fields["udp"]) ?? tracking.udp
    tracking.udpStream = duration(fields["udpStream"]) ?? tracking.udpStream
    return tracking
  }

  private mutating func limits(_ section: Located?) -> Limits {
    var limits = Limits()
    guard let section, !section.isNull, let fields = fields(section, .limits) else {
      return limits
    }
    limits.bandwidthIn = bandwidth(fields["bandwidthIn"])
    limits.bandwidthOut = bandwidth(fields["bandwidthOut"])
    limits.burst = size(fields["burst"])
    limits.packetsPerSecond = rate(fields["packetsPerSecond"])
    limits.connections = integer(fields["connections"], in: 0...0xFFFF_FFFF)
    limits.connectionsPerSecond = rate(fields["connectionsPerSecond"])
    limits.linkLocalPacketsPerSecond =
      rate(fields["linkLocalPacketsPerSecond"]) ?? limits.linkLocalPacketsPerSecond
    return limits
  }

  /// Events per second; a rate of zero would block for good, which is a rule's work.
  private mutating func rate(_ value: Located?) -> UInt64? {
    integer(value, in: 1...1_000_000_000_000)
  }
}
