import VPCModel
import Wire

/// Where a packet of a network interface goes.
enum Place: Equatable {
  /// `route.none`, `route.blackhole` or `route.peering`.
  case refused(DropReason, rule: String)
  /// An address that should be somewhere and is nowhere.
  case missing
  /// Index of a network interface on this host.
  case local(Int)
  case otherHost
  case internetGateway
}

/// The addresses and routes of all VPCs.
struct Routing {
  let model: VPCModel
  let peers: PeerAddresses
  private var nics: [VPCAddress: Int] = [:]
  private var indices: [String: Int] = [:]
  private var mappings: [VPCAddress: Mapping] = [:]

  private struct VPCAddress: Hashable {
    var vpc: Int
    var address: IPAddress
  }

  init(_ model: VPCModel, _ peers: PeerAddresses, _ states: [NetworkInterfaceState]) {
    self.model = model
    self.peers = peers
    for (index, state) in states.enumerated() {
      indices[state.nic.id] = index
      for address in state.nic.addresses {
        nics[VPCAddress(vpc: state.vpc, address: address)] = index
      }
    }
    for mapping in model.mappings {
      guard let vpc = model.vpcs.firstIndex(where: { $0.id == mapping.vpc }) else { continue }
      mappings[VPCAddress(vpc: vpc, address: mapping.address)] = mapping
    }
  }

  func nic(_ vpc: Int, _ address: IPAddress) -> Int? {
    nics[VPCAddress(vpc: vpc, address: address)]
  }

  func mapping(_ vpc: Int, _ address: IPAddress) -> Mapping? {
    mappings[VPCAddress(vpc: vpc, address: address)]
  }

  func isInVPC(_ vpc: Int, _ address: IPAddress) -> Bool {
    model.vpcs[vpc].cidrs.contains { $0.contains(address) }
  }

  /// The VPCs that have a peering with this one.
  func peered(with vpc: Int) -> [Int] {
    let id = model.vpcs[vpc].id
    return model.vpcs.indices.filter { other in
      other != vpc
        && model.peerings.contains {
          $0.vpcs.contains(id) && $0.vpcs.contains(model.vpcs[other].id)
        }
    }
  }

  func place(of destination: IPAddress, from sender: NetworkInterfaceState) -> Place {
    if destination.isLinkLocal || sender.owns(destination) {
      return .refused(.routeNone, rule: "")
    }
    if sender.isInSubnet(destination) { return find(destination, in: sender.vpc) }
    guard let route = longestRoute(to: destination, sender) else {
      return .refused(.routeNone, rule: "")
    }
    guard let target = route.target else { return find(destination, in: sender.vpc) }
    switch target {
    case .blackhole: return .refused(.routeBlackhole, rule: route.name)
    case .internetGateway: return .internetGateway
    case .peering(let id):
      guard let peer = peer(id, of: sender.vpc), isInVPC(peer, destination) else {
        return .refused(.routePeering, rule: route.name)
      }
      return find(destination, in: peer)
    case .networkInterface(let id):
      guard let index = indices[id], id != sender.nic.id else {
        return .refused(.routeNone, rule: "")
      }
      return .local(index)
    }
  }

  /// The internet gateway that routes lead to.
  func gateway(of destination: IPAddress, from sender: NetworkInterfaceState) -> String? {
    guard case .internetGateway(let id)? = longestRoute(to: destination, sender)?.target else {
      return nil
    }
    return id
  }

  private func find(_ address: IPAddress, in vpc: Int) -> Place {
    if let index = nic(vpc, address) { return .local(index) }
    return mapping(vpc, address) == nil ? .missing : .otherHost
  }

  private func peer(_ id: String, of vpc: Int) -> Int? {
    let own = model.vpcs[vpc].id
    guard let peering = model.peerings.first(where: { $0.id == id }),
      peering.vpcs.contains(own)
    else { return nil }
    return model.vpcs.firstIndex { peering.vpcs.contains($0.id) && $0.id != own }
  }

  private struct Candidate {
    var prefix: IPPrefix
    /// Lower wins at the same length: local, CIDR, prefix list.
    var preference: Int
    /// Nil is local.
    var target: RouteTarget?
    var table: String

    var id: String?

    var name: String { id ?? "\(table)/\(prefix)" }
  }

  private func longestRoute(to destination: IPAddress, _ sender: NetworkInterfaceState)
    -> Candidate?
  {
    var candidates = model.vpcs[sender.vpc].cidrs.map {
      Candidate(prefix: $0, preference: 0, target: nil, table: "")
    }
    let table = sender.routeTable
    for route in table?.routes ?? [] {
      let (prefixes, preference) =
        switch route.destination {
        case .cidr(let prefix): ([prefix], 1)
        case .prefixList(let id): (peers.entries(of: id), 2)
        }
      for prefix in prefixes {
        candidates.append(
          Candidate(
            prefix: prefix, preference: preference, target: route.target, table: table?.id ?? "",
            id: route.id))
      }
    }
    var best: Candidate?
    for candidate in candidates where candidate.prefix.contains(destination) {
      guard let current = best else {
        best = candidate
        continue
      }
      let isLonger = candidate.prefix.length > current.prefix.length
      let isSame = candidate.prefix.length == current.prefix.length
      if isLonger || (isSame && candidate.preference < current.preference) { best = candidate }
    }
    return best
  }
}
