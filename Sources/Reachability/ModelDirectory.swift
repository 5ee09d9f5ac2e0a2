import VPCModel
import Wire

/// Who has an address in a VPC.
enum Resident: Hashable, Sendable {
  /// Index of a network interface of the model.
  case nic(Int)
  /// Index of a mapping of the model.
  case mapping(Int)
}

/// A model with what its references lead to, found by index instead of search.
struct ModelDirectory: Sendable {
  let model: VPCModel
  private(set) var nicIndex: [String: Int] = [:]
  private(set) var vpcIndex: [String: Int] = [:]
  private(set) var subnetIndex: [String: Int] = [:]
  private(set) var gatewayIndex: [String: Int] = [:]
  /// Of each network interface: index of its subnet and of its VPC.
  private(set) var subnetOf: [Int] = []
  private(set) var vpcOf: [Int] = []
  /// Network interfaces that have an address, in any VPC.
  private(set) var owners: [IPAddress: [Int]] = [:]
  /// By VPC.
  private(set) var residents: [[IPAddress: Resident]] = []
  private(set) var mappingsOf: [IPAddress: [Int]] = [:]
  /// By VPC: the VPCs that it is peered with.
  private(set) var peersOf: [[Int]] = []
  private(set) var groupMembers: [String: [IPAddress]] = [:]
  private(set) var publicOwners: [IPAddress: (nic: Int, privateAddress: IPAddress)] = [:]
  private(set) var prefixLists: [String: [IPPrefix]] = [:]
  private(set) var groups: [String: SecurityGroup] = [:]
  private(set) var acls: [String: NetworkACL] = [:]
  private(set) var routeTables: [String: RouteTable] = [:]

  /// - Complexity: O(n) in the size of the model.
  init(_ model: VPCModel) {
    self.model = model
    for (index, vpc) in model.vpcs.enumerated() { vpcIndex[vpc.id] = index }
    for (index, subnet) in model.subnets.enumerated() { subnetIndex[subnet.id] = index }
    for (index, gateway) in model.internetGateways.enumerated() {
      gatewayIndex[gateway.id] = index
    }
    for group in model.securityGroups { groups[group.id] = group }
    for list in model.prefixLists { prefixLists[list.id] = list.entries }
    for acl in model.networkACLs { acls[acl.id] = acl }
    for table in model.routeTables { routeTables[table.id] = table }
    residents = Array(repeating: [:], count: model.vpcs.count)
    peersOf = Array(repeating: [], count: model.vpcs.count)
    for (index, nic) in model.networkInterfaces.enumerated() { add(nic, index) }
    for (index, mapping) in model.mappings.enumerated() {
      guard let vpc = vpcIndex[mapping.vpc] else { continue }
      residents[vpc][mapping.address] = .mapping(index)
      mappingsOf[mapping.address, default: []].append(index)
    }
    for peering in model.peerings {
      let ends = peering.vpcs.compactMap { vpcIndex[$0] }
      guard ends.count == 2 else { continue }
      peersOf[ends[0]].append(ends[1])
      peersOf[ends[1]].append(ends[0])
    }
  }

  private mutating func add(_ nic: NetworkInterface, _ index: Int) {
    nicIndex[nic.id] = index
    // The loader saw to it that subnet and VPC exist.
    let subnet = subnetIndex[nic.subnet] ?? 0
    let vpc = vpcIndex[model.subnets[subnet].vpc] ?? 0
    subnetOf.append(subnet)
    vpcOf.append(vpc)
    for address in nic.addresses {
      owners[address, default: []].append(index)
      residents[vpc][address] = .nic(index)
    }
    for group in nic.securityGroups { groupMembers[group, default: []] += nic.addresses }
    for pair in nic.publicAddresses {
      publicOwners[pair.publicAddress] = (index, pair.privateAddress)
    }
  }

  func nic(_ index: Int) -> NetworkInterface { model.networkInterfaces[index] }
  func subnet(ofNIC index: Int) -> Subnet { model.subnets[subnetOf[index]] }
  func vpc(ofNIC index: Int) -> VPC { model.vpcs[vpcOf[index]] }

  func acl(ofNIC index: Int) -> NetworkACL? {
    subnet(ofNIC: index).networkACL.flatMap { acls[$0] }
  }

  func owns(_ nic: Int, _ address: IPAddress) -> Bool {
    self.nic(nic).addresses.contains(address)
  }

  func isInSubnet(ofNIC nic: Int, _ address: IPAddress) -> Bool {
    subnet(ofNIC: nic).cidrs.contains { $0.contains(address) }
  }

  func isInVPC(_ vpc: Int, _ address: IPAddress) -> Bool {
    model.vpcs[vpc].cidrs.contains { $0.contains(address) }
  }

  /// The public address that stands for a private one of a network interface.
  func publicAddress(of nic: Int, _ address: IPAddress) -> IPAddress? {
    self.nic(nic).publicAddresses.first { $0.privateAddress == address }?.publicAddress
  }

  /// The VPC and those peered with it.
  func near(_ vpc: Int) -> [Int] { [vpc] + peersOf[vpc] }

  /// Prefixes that a peer of a group's rule stands for.
  func prefixes(of peer: RulePeer) -> [IPPrefix] {
    switch peer {
    case .cidr(let prefix): [prefix]
    case .prefixList(let id): prefixLists[id] ?? []
    case .securityGroup(let id):
      (groupMembers[id] ?? []).map { IPPrefix($0, length: $0.family.bitWidth) }
    }
  }
}
