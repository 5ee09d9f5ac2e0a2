import VPCModel
import Wire

/// Network interfaces, as `describe-network-interfaces` and `describe-instances` print them.
extension Inventory {
  mutating func readInterface(_ item: Value) throws(Malformed) {
    let fields = try item.fields()
    let id = try fields.id("NetworkInterfaceId")
    add(id, try interface(fields, id, isOwn: true), at: item.place, to: \.interfaces)
  }

  /// Instances and what they are attached to.
  mutating func readReservation(_ item: Value) throws(Malformed) {
    for instance in try item.fields().objects("Instances") {
      let id = try instance.id("InstanceId")
      for value in try instance.items("NetworkInterfaces") {
        let fields = try value.fields()
        let name = try fields.id("NetworkInterfaceId")
        var record = try interface(fields, name, isOwn: false)
        record.instance = id
        add(name, record, at: value.place, to: \.instanceInterfaces)
      }
    }
  }

  private mutating func interface(
    _ fields: Fields, _ id: String, isOwn: Bool
  ) throws(Malformed) -> InterfaceRecord {
    var record = InterfaceRecord(
      subnet: try fields.id("SubnetId"),
      type: try fields.optionalText("InterfaceType") ?? "interface",
      instance: try fields["Attachment"]?.fields().optionalID("InstanceId"),
      mac: try fields.required("MacAddress").mac(), addresses: [], groups: [],
      sourceDestCheck: try fields.flag("SourceDestCheck", default: true), publicAddresses: [])
    for group in try fields.required("Groups").items() {
      let name = try group.fields().id("GroupId")
      if !record.groups.contains(name) { record.groups.append(name) }
    }
    try readAddresses(of: fields, id, into: &record)
    if let tracking = try fields["ConnectionTrackingConfiguration"]?.fields() {
      record.tracking = try timeouts(tracking)
    }
    if try fields.flag("DenyAllIgwTraffic", default: false) {
      findings.add(
        .unsupported, fields.place, id: id,
        "`DenyAllIgwTraffic`: the model cannot refuse a network interface its internet gateway")
    }
    return record
  }

  private func timeouts(_ fields: Fields) throws(Malformed) -> ConnectionTracking {
    var tracking = ConnectionTracking()
    for (name, field) in [
      ("TcpEstablishedTimeout", \ConnectionTracking.tcpEstablished), ("UdpTimeout", \.udp),
      ("UdpStreamTimeout", \.udpStream),
    ] {
      guard let seconds = try fields[name]?.number(1...432_000) else { continue }
      tracking[keyPath: field] = UInt64(seconds) * 1_000_000_000
    }
    return tracking
  }

  private mutating func readAddresses(
    of fields: Fields, _ id: String, into record: inout InterfaceRecord
  ) throws(Malformed) {
    var private4: [(address: IPAddress, isPrimary: Bool)] = []
    for entry in try fields.objects("PrivateIpAddresses") {
      let address = try entry.required("PrivateIpAddress").address()
      private4.append((address, try entry.flag("Primary", default: false)))
      guard let association = try entry["Association"]?.fields() else { continue }
      try readAssociation(association, of: address, id, into: &record)
    }
    if private4.isEmpty, let only = fields["PrivateIpAddress"] {
      private4 = [(try only.address(), true)]
    }
    // Of the primary address it stands at the interface as well.
    if record.publicAddresses.isEmpty, let association = try fields["Association"]?.fields(),
      let primary = private4.first(where: \.isPrimary)
    {
      try readAssociation(association, of: primary.address, id, into: &record)
    }
    // The primary address first; the others by number, however AWS lists them.
    private4.sort { a, b in
      a.isPrimary == b.isPrimary ? a.address < b.address : a.isPrimary
    }
    record.addresses = private4.map(\.address)
    for prefix in try fields.objects("Ipv4Prefixes") {
      record.addresses += try expanded(prefix.required("Ipv4Prefix"), id)
    }
    for entry in try fields.objects("Ipv6Addresses") {
      record.addresses.append(try entry.required("Ipv6Address").address())
    }
    for prefix in try fields.objects("Ipv6Prefixes") {
      record.addresses += try expanded(prefix.required("Ipv6Prefix"), id)
    }
    var seen: Set<IPAddress> = []
    record.addresses = record.addresses.filter { seen.insert($0).inserted }
  }

  private mutating func readAssociation(
    _ association: Fields, of address: IPAddress, _ id: String, into record: inout InterfaceRecord
  ) throws(Malformed) {
    for name in ["CarrierIp", "CustomerOwnedIp"] {
      guard let text = try association.optionalText(name), !text.isEmpty else { continue }
      findings.add(
        .unsupported, association.place, id: id,
        "`\(name)` \(quote(text)): the model knows public addresses of internet gateways only")
    }
    guard let text = try association.optionalText("PublicIp"), !text.isEmpty else { return }
    record.publicAddresses.append(
      PublicAddress(
        privateAddress: address, publicAddress: try association.required("PublicIp").address()))
  }

  /// The addresses of a delegated prefix: 16 of IPv4; those of IPv6 are too many to name.
  mutating func expanded(_ value: Value, _ id: String) throws(Malformed) -> [IPAddress] {
    let prefix = try value.prefix()
    let hostBits = prefix.family.bitWidth - prefix.length
    guard hostBits <= 8 else {
      findings.add(
        .unsupported, value.place, id: id,
        "the delegated prefix \(prefix) has more addresses than a model can list: packets of them"
          + " are not judged as this network interface's")
      return []
    }
    return (0..<UInt64(1 << hostBits)).map { prefix.address.advanced(by: $0) }
  }
}
