import VPCModel
import Wire

extension ModelBuilder {
  /// Types of network interfaces that AWS puts no security group on.
  private static let withoutGroups: Set = [
    "nat_gateway", "network_load_balancer", "gateway_load_balancer",
    "gateway_load_balancer_endpoint", "transit_gateway",
  ]

  /// How the ids of the groups begin that those are in.
  static let openGroups = "apus-allow-all-"

  mutating func buildInterfaces() {
    var records = inventory.interfaces.entries
    records.merge(inventory.instanceInterfaces.entries) { own, _ in own }
    let ofNATGateways = Set(
      inventory.natGateways.entries.values.lazy.filter(\.value.isLive).flatMap(\.value.interfaces))
    for (id, var entry) in records.sorted(by: { $0.key < $1.key }) {
      if ofNATGateways.contains(id) {
        entry.value.type = "nat_gateway"
        entry.value.sourceDestCheck = false
        entry.value.groups = []
      }
      guard let vpc = vpcOfSubnet[entry.value.subnet] else {
        // Of a subnet that is there, but left out with its VPC, that is said already.
        if inventory.subnets[entry.value.subnet] != nil { continue }
        missing.add(
          "subnet", entry.value.subnet, by: id, entry.place,
          consequence: "the network interfaces in it are left out")
        continue
      }
      guard !entry.value.addresses.isEmpty else {
        findings.add(
          .unsupported, entry.place, id: id, "has no address, and is left out: nothing can reach it"
        )
        continue
      }
      interfaces[id] = (entry.value, vpc)
      if let instance = entry.value.instance {
        interfacesOfInstance[instance, default: []].append(id)
      }
      note(.networkInterfaces, id, entry.place)
    }
    addElasticAddresses()
    for (id, entry) in interfaces.sorted(by: { $0.key < $1.key }) {
      model.networkInterfaces.append(interface(id, entry))
    }
  }

  private mutating func interface(
    _ id: String, _ entry: (record: InterfaceRecord, vpc: String)
  ) -> NetworkInterface {
    let (record, vpc) = entry
    let place = origins[ModelObjectName(.networkInterfaces, id)] ?? .none
    var nic = NetworkInterface(
      id: id, subnet: record.subnet, mac: record.mac ?? madeUpMAC(id, place),
      addresses: record.addresses)
    nic.securityGroups = record.groups
    for group in inventory.addedGroups[id] ?? [] where !nic.securityGroups.contains(group.value) {
      nic.securityGroups.append(group.value)
    }
    nic.securityGroups.sort()
    if nic.securityGroups.isEmpty {
      if Self.withoutGroups.contains(record.type) {
        nic.securityGroups = [openGroup(vpc, place)]
        findings.add(
          .assumed, place, id: id,
          "AWS has no security groups on a \(record.type): it is in a group that allows all")
      } else {
        findings.add(.assumed, place, id: id, "has no security group: nothing is allowed")
      }
    }
    nic.sourceDestCheck = record.sourceDestCheck
    nic.publicAddresses = record.publicAddresses.sorted { $0.privateAddress < $1.privateAddress }
    nic.connectionTracking = record.tracking
    return nic
  }

  /// A locally administered address that follows from the id.
  private mutating func madeUpMAC(_ id: String, _ place: Place) -> MACAddress {
    let mac = MACAddress(0x02_00_00_00_00_00 | UInt64(hash(id)))
    findings.add(.assumed, place, id: id, "the files have no MAC address of it: it is \(mac)")
    return mac
  }

  private mutating func openGroup(_ vpc: String, _ place: Place) -> String {
    let id = Self.openGroups + vpc
    guard vpcOfGroup[id] == nil else { return id }
    vpcOfGroup[id] = vpc
    let everything: [RulePeer] = [
      .cidr(IPPrefix(IPAddress(v4: 0), length: 0)), .cidr(IPPrefix(IPAddress(v6: 0, 0), length: 0)),
    ]
    let rules = ["ingress", "egress"].map {
      SecurityGroupRule(id: "\(id)/\($0)/0", match: TrafficMatch(), peers: everything)
    }
    model.securityGroups.append(
      SecurityGroup(id: id, vpc: vpc, ingress: [rules[0]], egress: [rules[1]]))
    note(.securityGroups, id, place)
    return id
  }

  // MARK: Public addresses

  private mutating func addElasticAddresses() {
    for id in inventory.addresses.ids {
      guard let entry = inventory.addresses.entries[id], let nic = entry.value.interface else {
        continue
      }
      let record = entry.value
      guard let known = interfaces[nic] else {
        findings.add(
          .unused, entry.place, id: id, "is the address of \(nic), which is in no file")
        continue
      }
      let inside = record.privateAddress ?? known.record.addresses[0]
      addPublic(record.publicAddress, of: inside, to: nic, id, entry.place)
    }
    for id in inventory.natGateways.ids {
      guard let entry = inventory.natGateways.entries[id] else { continue }
      for pair in entry.value.publicAddresses {
        let nic = entry.value.interfaces.first {
          interfaces[$0]?.record.addresses.contains(pair.privateAddress) ?? false
        }
        guard let nic else { continue }
        addPublic(pair.publicAddress, of: pair.privateAddress, to: nic, id, entry.place)
      }
    }
  }

  private mutating func addPublic(
    _ address: IPAddress, of inside: IPAddress, to nic: String, _ id: String, _ place: Place
  ) {
    guard let record = interfaces[nic]?.record else { return }
    guard record.addresses.contains(inside) else {
      findings.add(.conflict, place, id: id, "\(inside) is no address of \(nic)")
      return
    }
    let pair = PublicAddress(privateAddress: inside, publicAddress: address)
    if let other = record.publicAddresses.first(where: { $0.privateAddress == inside }) {
      if other != pair {
        findings.add(
          .conflict, place, id: id,
          "\(inside) of \(nic) has the public address \(address) here and \(other.publicAddress)"
            + " there; were the files made at once?")
      }
      return
    }
    interfaces[nic]?.record.publicAddresses.append(pair)
  }
}

extension Place {
  /// Of what comes from no file.
  static let none = Place(file: 0, line: 1, column: 1, path: nil)
}
