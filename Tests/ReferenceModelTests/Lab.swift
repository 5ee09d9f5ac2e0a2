import ReferenceModel
import VPCModel
import Wire

/// A small world, and the packets for it, composed by hand.
struct Lab {
  var model = VPCModel()
  var options = ReferenceOptions()
  private var vpc: ReferenceVPC?
  private var number = 0

  static let macA: UInt64 = 0x02_00_00_00_00_0A
  static let macB: UInt64 = 0x02_00_00_00_00_0B
  static let macC: UInt64 = 0x02_00_00_00_00_0C
  static let macG: UInt64 = 0x02_00_00_00_00_0D
  static let elsewhere: UInt64 = 0x02_00_00_00_00_EE
  static let router = MACAddress.router.bits
  static let broadcast: UInt64 = 0xFFFF_FFFF_FFFF

  /// Two peered VPCs: eni-a and eni-c in one subnet, eni-b in another, eni-g in the peer.
  init(_ change: (inout VPCModel) -> Void = { _ in }) {
    var host = Host(
      address: address("192.0.2.1"), mac: MACAddress(1), gatewayMAC: MACAddress(2))
    host.mtu = 1500
    model.host = host
    model.vpcs = [
      VPC(id: "blue", vni: 100, cidrs: [prefix("10.0.0.0/16"), prefix("fd00:10::/56")]),
      VPC(id: "green", vni: 200, cidrs: [prefix("10.9.0.0/16"), prefix("fd00:20::/56")]),
    ]
    model.subnets = [
      Subnet(
        id: "sub-a", vpc: "blue", cidrs: [prefix("10.0.1.0/24"), prefix("fd00:10:0:1::/64")],
        routeTable: "rtb"),
      Subnet(id: "sub-b", vpc: "blue", cidrs: [prefix("10.0.2.0/24")], routeTable: "rtb"),
      Subnet(
        id: "sub-g", vpc: "green", cidrs: [prefix("10.9.1.0/24"), prefix("fd00:20:0:1::/64")]),
    ]
    model.networkInterfaces = [
      nic("eni-a", "sub-a", Lab.macA, ["10.0.1.10", "fd00:10:0:1::a", "10.0.1.11"], ["sg"]),
      nic("eni-c", "sub-a", Lab.macC, ["10.0.1.12"], ["sg"]),
      nic("eni-b", "sub-b", Lab.macB, ["10.0.2.10"], ["sg"]),
      nic("eni-g", "sub-g", Lab.macG, ["10.9.1.10"], ["sg-g"]),
    ]
    let inside = ["10.0.0.0/8", "fd00::/8", "198.51.100.0/24", "192.168.0.0/16", "172.16.0.0/12"]
    let out = rule("sg/egress/0", nil, [], inside)
    model.securityGroups = [
      SecurityGroup(
        id: "sg", vpc: "blue",
        ingress: [
          rule("sg/ingress/0", 6, [443...443], ["10.0.0.0/8", "198.51.100.0/24"]),
          rule("sg/ingress/1", 17, [53...53], ["10.0.0.0/8"]),
          rule("sg/ingress/2", 132, [99...99], ["10.0.0.0/8"]),
        ], egress: [out]),
      SecurityGroup(
        id: "sg-g", vpc: "green", ingress: [rule("sg-g/ingress/0", 6, [443...443], ["10.0.0.0/8"])],
        egress: []),
    ]
    model.peerings = [Peering(id: "pcx", vpcs: ["blue", "green"])]
    model.internetGateways = [
      InternetGateway(id: "igw", vpc: "blue", host: address("192.0.2.254"), vni: 1)
    ]
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "blue",
        routes: [
          route("198.51.100.0/24", .internetGateway("igw")), route("10.9.0.0/16", .peering("pcx")),
          route("10.10.0.0/16", .peering("pcx")), route("192.168.0.0/16", .blackhole),
          route("172.16.0.0/12", .networkInterface("eni-b")),
        ])
    ]
    model.mappings = [
      mapping("blue", "10.0.2.20", "192.0.2.2"), mapping("green", "10.9.1.50", "192.0.2.3"),
      mapping("blue", "fd00:10:0:1::20", "192.0.2.2"),
    ]
    change(&model)
  }

  /// Judges a frame; `at` is in milliseconds.
  mutating func judge(
    _ frame: [UInt8], at milliseconds: UInt64 = 0, link: UInt16 = 1, original: Int? = nil
  ) -> ReferenceVerdict {
    var vpc = self.vpc ?? ReferenceVPC(model: model, options: options)
    number += 1
    let verdict = vpc.judge(
      ReferencePacket(
        file: "lab", number: number, time: 1_000_000_000_000 + milliseconds * 1_000_000,
        linkType: link, bytes: frame, originalLength: original))
    self.vpc = vpc
    return verdict
  }

  /// A verdict in few words: verdict, then reason or state.
  mutating func brief(
    _ frame: [UInt8], at milliseconds: UInt64 = 0, link: UInt16 = 1, original: Int? = nil
  ) -> String {
    let verdict = judge(frame, at: milliseconds, link: link, original: original)
    return verdict.reason.isEmpty
      ? "\(verdict.verdict) \(verdict.state)" : "\(verdict.verdict) \(verdict.reason)"
  }
}

func address(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(v4: 0) }

func prefix(_ text: String) -> IPPrefix {
  IPPrefix(text) ?? IPPrefix(IPAddress(v4: 0), length: 32)
}

func nic(_ id: String, _ subnet: String, _ mac: UInt64, _ addresses: [String], _ groups: [String])
  -> NetworkInterface
{
  var nic = NetworkInterface(
    id: id, subnet: subnet, mac: MACAddress(mac), addresses: addresses.map { address($0) })
  nic.securityGroups = groups
  return nic
}

func rule(
  _ id: String, _ number: UInt8?, _ ports: [ClosedRange<UInt16>], _ peers: [String]
) -> SecurityGroupRule {
  SecurityGroupRule(
    id: id, match: TrafficMatch(protocolNumber: number, ports: ports),
    peers: peers.map { .cidr(prefix($0)) })
}

func aclRule(_ number: Int, _ allow: Bool, _ protocolNumber: UInt8?, _ cidr: String)
  -> NetworkACLRule
{
  NetworkACLRule(
    id: "acl/\(number)", number: number, allow: allow,
    match: TrafficMatch(protocolNumber: protocolNumber), cidr: prefix(cidr))
}

func route(_ text: String, _ target: RouteTarget) -> Route {
  Route(destination: .cidr(prefix(text)), target: target)
}

func mapping(_ vpc: String, _ inner: String, _ host: String) -> Mapping {
  Mapping(vpc: vpc, address: address(inner), host: address(host), mac: MACAddress(9))
}
