import VPCModel
import Wire

/// Where the routes of a network interface lead a packet.
enum RoutePlace: Hashable, Sendable {
  /// No route, a black hole, or a peering that does not carry the address.
  case nowhere
  /// To whoever has the address in a VPC; `crossesEdge` tells that the subnet's ACL is asked.
  case inVPC(Int, crossesEdge: Bool)
  /// To a network interface, whatever the address.
  case forwarder(Int)
  case gateway(Int)
  /// Into a peered VPC, as far as the address is one of its blocks.
  case peering(Int)
}

/// The ways of all addresses of a family, as the network interfaces of a subnet send: the subnet
/// itself, its route table, the VPC's own blocks.
struct RouteMap: Sendable {
  private let places: IntervalMap<UInt128, RoutePlace>
  private let directory: ModelDirectory
  private let family: IPFamily

  /// - Complexity: O(n log n) in the number of routes and prefix list entries.
  init(_ directory: ModelDirectory, subnet index: Int, _ family: IPFamily) {
    self.directory = directory
    self.family = family
    let subnet = directory.model.subnets[index]
    // The loader saw to it that the VPC exists.
    let vpc = directory.vpcIndex[subnet.vpc] ?? 0
    var layers: [Layer] = directory.model.vpcs[vpc].cidrs.map {
      Layer(prefix: $0, preference: 2, place: .inVPC(vpc, crossesEdge: true))
    }
    let table = subnet.routeTable.flatMap { directory.routeTables[$0] }
    for route in table?.routes ?? [] {
      switch route.destination {
      case .cidr(let prefix):
        layers += Self.layers(route.target, [prefix], preference: 1, vpc, directory)
      case .prefixList(let id):
        let entries = directory.prefixLists[id] ?? []
        layers += Self.layers(route.target, entries, preference: 0, vpc, directory)
      }
    }
    // The last one painted wins: longer prefixes, of equal ones the preferred, then the first.
    var painting = layers.enumerated().filter { $0.element.prefix.family == family }
    painting.sort { a, b in
      (a.element.prefix.length, a.element.preference, -a.offset)
        < (b.element.prefix.length, b.element.preference, -b.offset)
    }
    // Before all routes: the subnet, and what is link-local.
    var painted = painting.map { ($0.element.prefix, $0.element.place) }
    painted += subnet.cidrs.map { ($0, RoutePlace.inVPC(vpc, crossesEdge: false)) }
    painted += Self.neverRouted.map { ($0, RoutePlace.nowhere) }
    let ways = IntervalMap.painted(
      painted.filter { $0.0.family == family }.map { ($0.0.range, $0.1) }, over: .nowhere)
    places = Self.withinPeers(ways, directory, family)
  }

  /// A peering carries the other VPC's addresses only.
  private static func withinPeers(
    _ ways: IntervalMap<UInt128, RoutePlace>, _ directory: ModelDirectory, _ family: IPFamily
  ) -> IntervalMap<UInt128, RoutePlace> {
    var ways = ways
    for case .peering(let vpc) in ways.values {
      let blocks = AddressSet(family, directory.model.vpcs[vpc].cidrs)
      ways = ways.combined(with: blocks.numbers) { place, isInside in
        guard place == .peering(vpc) else { return place }
        return isInside ? .inVPC(vpc, crossesEdge: true) : .nowhere
      }
    }
    return ways
  }

  /// Where a packet of an interface to an address goes: to itself nothing does.
  func place(of address: IPAddress, sentBy nic: Int) -> RoutePlace {
    let place = places.value(at: address.number)
    return place == .forwarder(nic) || directory.owns(nic, address) ? .nowhere : place
  }

  /// All ranges of addresses with their places, as an interface sends.
  func places(sentBy nic: Int) -> IntervalMap<UInt128, RoutePlace> {
    let addresses = directory.nic(nic).addresses.filter { $0.family == family }
    let own = IntervalMap<UInt128, Bool>(addresses.map { $0.number...$0.number })
    return places.combined(with: own) { $1 || $0 == .forwarder(nic) ? .nowhere : $0 }
  }

  private struct Layer {
    var prefix: IPPrefix
    var preference: Int
    var place: RoutePlace
  }

  /// 169.254.0.0/16 and fe80::/10 are link-local; 224.0.0.0/4, 255.255.255.255 and ff00::/8 are
  /// groups, which a VPC has none of.
  private static let neverRouted: [IPPrefix] = [
    IPPrefix(IPAddress(v4: 0xA9FE_0000), length: 16),
    IPPrefix(IPAddress(v4: 0xE000_0000), length: 4),
    IPPrefix(IPAddress(v4: 0xFFFF_FFFF), length: 32),
    IPPrefix(IPAddress(v6: 0xFE80 << 48, 0), length: 10),
    IPPrefix(IPAddress(v6: 0xFF00 << 48, 0), length: 8),
  ]

  private static func layers(
    _ target: RouteTarget, _ prefixes: [IPPrefix], preference: Int, _ vpc: Int,
    _ directory: ModelDirectory
  ) -> [Layer] {
    func all(_ place: RoutePlace) -> [Layer] {
      prefixes.map { Layer(prefix: $0, preference: preference, place: place) }
    }
    switch target {
    case .blackhole: return all(.nowhere)
    case .internetGateway(let id):
      guard let index = directory.gatewayIndex[id] else { return all(.nowhere) }
      return all(.gateway(index))
    case .networkInterface(let id):
      guard let index = directory.nicIndex[id] else { return all(.nowhere) }
      return all(.forwarder(index))
    case .peering(let id):
      let own = directory.model.vpcs[vpc].id
      let peering = directory.model.peerings.first { $0.id == id }
      guard let other = peering?.vpcs.first(where: { $0 != own }),
        let index = directory.vpcIndex[other]
      else { return all(.nowhere) }
      return all(.peering(index))
    }
  }
}
