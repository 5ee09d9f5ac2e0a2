import VPCModel
import Wire

/// Puts together a model of what the files say.
///
/// Each step sees only what the steps before it let into the model, so that nothing refers to what
/// is not there.
struct ModelBuilder {
  let inventory: Inventory
  let options: AWSImportOptions
  var findings: Findings
  var model = VPCModel()
  /// Where the objects of a section come from.
  var origins: [ModelObjectName: Place] = [:]
  var missing = MissingObjects()

  /// What is in the model, by id.
  var vpcs: [String: VPCRecord] = [:]
  var vpcOfSubnet: [String: String] = [:]
  var interfaces: [String: (record: InterfaceRecord, vpc: String)] = [:]
  var vpcOfGroup: [String: String] = [:]
  var interfacesOfInstance: [String: [String]] = [:]
  var peers: [String: Set<String>] = [:]
  var vpcsOfPeering: [String: [String]] = [:]
  var prefixLists: Set<String> = []
  /// Rules that are objects of their own and not of the group's, by group.
  let rulesAdded: [String: [(isEgress: Bool, permission: Sited<Permission>)]]

  init(_ inventory: consuming Inventory, _ options: AWSImportOptions) {
    findings = inventory.findings
    findings.isMissingAllowed = options.allowMissing
    var added: [String: [(isEgress: Bool, permission: Sited<Permission>)]] = [:]
    for (_, entry) in inventory.addedRules.entries.sorted(by: { $0.key < $1.key }) {
      let permission = Sited(value: entry.value.permission, place: entry.place)
      added[entry.value.group, default: []].append((entry.value.isEgress, permission))
    }
    rulesAdded = added
    self.inventory = inventory
    self.options = options
  }

  mutating func build() {
    for page in inventory.pages.incomplete {
      findings.add(
        .missing, page.place, "another page of `\(page.call)` follows, and is in no file")
    }
    buildVPCs()
    buildPeerings()
    buildSubnets()
    buildInterfaces()
    buildPrefixLists()
    buildGroups()
    buildACLs()
    buildGateways()
    buildRouteTables()
    finishSubnets()
    numberNetworks()
    sortObjects()
    missing.report(to: &findings)
  }

  mutating func note(_ section: ModelSection, _ id: String, _ place: Place) {
    origins[ModelObjectName(section, id)] = place
  }

  // MARK: Networks

  private mutating func buildVPCs() {
    for (id, entry) in inventory.vpcs.entries {
      var record = entry.value
      for block in inventory.addedBlocks[id] ?? [] where !record.cidrs.contains(block.value) {
        record.cidrs.append(block.value)
      }
      vpcs[id] = record
      note(.vpcs, id, entry.place)
    }
  }

  /// Active peerings; a VPC of another account is there with the blocks that its peering shows.
  private mutating func buildPeerings() {
    for id in inventory.peerings.ids {
      guard let record = inventory.peerings[id], let place = inventory.peerings.place(id),
        record.isActive
      else { continue }
      let ends = [record.requester, record.accepter]
      // Between VPCs of which none is here it carries nothing that is judged.
      guard ends.contains(where: { vpcs[$0.id] != nil }) else { continue }
      for end in ends where vpcs[end.id] == nil {
        missing.add(
          "VPC", end.id, by: id, place,
          consequence: "packets to it are judged only as they leave, and find nobody there")
        guard !end.cidrs.isEmpty else { continue }
        vpcs[end.id] = VPCRecord(cidrs: end.cidrs)
        note(.vpcs, end.id, place)
      }
      guard ends.allSatisfy({ vpcs[$0.id] != nil }) else { continue }
      peers[record.requester.id, default: []].insert(record.accepter.id)
      peers[record.accepter.id, default: []].insert(record.requester.id)
      vpcsOfPeering[id] = ends.map(\.id)
      model.peerings.append(Peering(id: id, vpcs: ends.map(\.id)))
      note(.peerings, id, place)
    }
  }

  private mutating func buildSubnets() {
    for id in inventory.subnets.ids {
      guard let entry = inventory.subnets.entries[id] else { continue }
      let record = entry.value
      guard isThere(record.vpc, for: id, entry.place) else { continue }
      vpcOfSubnet[id] = record.vpc
      model.subnets.append(
        Subnet(id: id, vpc: record.vpc, cidrs: record.cidrs.sorted(by: IPPrefix.isBefore)))
      note(.subnets, id, entry.place)
    }
  }

  /// Whether a VPC is in the model; if not, what is in it is left out.
  mutating func isThere(_ vpc: String, for id: String, _ place: Place) -> Bool {
    if vpcs[vpc] != nil { return true }
    missing.add("VPC", vpc, by: id, place, consequence: "what is in it is left out")
    return false
  }

  // MARK: Numbers and order

  /// AWS has no VNIs. They follow from the ids alone, so that they stay when other VPCs come or go.
  private mutating func numberNetworks() {
    var used: Set<UInt32> = []
    func number(_ id: String) -> UInt32 {
      var number = 0x1000 + hash(id) % (0xFF_FFFF - 0x1000)
      while !used.insert(number).inserted { number = max(0x1000, (number + 1) & 0xFF_FFFF) }
      return number
    }
    model.vpcs = vpcs.keys.sorted().map { id in
      VPC(id: id, vni: number(id), cidrs: (vpcs[id]?.cidrs ?? []).sorted(by: IPPrefix.isBefore))
    }
    for index in model.internetGateways.indices {
      model.internetGateways[index].vni = number(model.internetGateways[index].id)
    }
  }

  private mutating func sortObjects() {
    model.subnets.sort { $0.id < $1.id }
    model.networkInterfaces.sort { $0.id < $1.id }
    model.securityGroups.sort { $0.id < $1.id }
    model.prefixLists.sort { $0.id < $1.id }
    model.networkACLs.sort { $0.id < $1.id }
    model.routeTables.sort { $0.id < $1.id }
    model.internetGateways.sort { $0.id < $1.id }
    model.peerings.sort { $0.id < $1.id }
  }
}

/// The FNV-1a hash of a text (RFC 9923), for numbers that follow from an id.
func hash(_ text: String) -> UInt32 {
  text.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
}

/// What is referred to and is in no file: each once, however many refer to it.
struct MissingObjects {
  private struct Reference {
    var place: Place
    var by: String
    var noun: String
    var consequence: String
    var count = 1
  }

  private var references: [String: Reference] = [:]

  /// - Parameters:
  ///   - noun: what kind of object it is.
  ///   - referrer: the id of the object that names it.
  ///   - consequence: what follows when that is allowed.
  mutating func add(
    _ noun: String, _ id: String, by referrer: String, _ place: Place, consequence: String
  ) {
    let key = "\(noun) \(id)"
    if references[key] != nil {
      references[key]?.count += 1
    } else {
      references[key] = Reference(
        place: place, by: referrer, noun: noun, consequence: consequence)
    }
  }

  private static let calls = [
    "VPC": "describe-vpcs", "subnet": "describe-subnets",
    "network interface": "describe-network-interfaces",
    "security group": "describe-security-groups", "network ACL": "describe-network-acls",
    "main route table": "describe-route-tables", "peering": "describe-vpc-peering-connections",
    "internet gateway": "describe-internet-gateways", "NAT gateway": "describe-nat-gateways",
    "prefix list": "get-managed-prefix-list-entries",
  ]

  func report(to findings: inout Findings) {
    for (key, reference) in references.sorted(by: { $0.key < $1.key }) {
      let id = String(key.dropFirst(reference.noun.count + 1))
      var reason = "names the \(reference.noun) `\(id)`"
      if reference.count > 1 { reason += " (and so do \(reference.count - 1) other places)" }
      reason += ", which is in no file"
      if findings.isMissingAllowed {
        reason += ": \(reference.consequence)"
      } else if let call = Self.calls[reference.noun] {
        reason += ": add the output of `aws ec2 \(call)`"
      }
      findings.add(.missing, reference.place, id: reference.by, reason)
    }
  }
}
