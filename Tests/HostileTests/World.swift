import TestPackets
import VPCModel
import Wire

/// The VPCs of these tests: two with the same address block, whose interfaces share addresses and
/// MAC addresses, on one host.
enum World {
  /// Numbers of the interfaces.
  static let a: UInt32 = 0
  static let b: UInt32 = 1
  static let red: UInt32 = 2

  static let macA = MACAddress(0x02_00_00_00_00_0A)
  static let macB = MACAddress(0x02_00_00_00_00_0B)
  static let remoteMAC = MACAddress(0x02_00_00_00_00_1E)

  static let addressA = "10.0.1.10"
  static let addressB = "10.0.1.20"
  static let addressA6 = "fd00:10:0:1::a"
  static let addressB6 = "fd00:10:0:1::14"
  /// Behind another host, in both VPCs.
  static let remote = "10.0.2.30"
  static let remote6 = "fd00:10:0:2::1e"
  /// Behind the internet gateway.
  static let outside = "198.51.100.7"

  static let host = "192.0.2.1"
  static let blueHost = "192.0.2.2"
  static let redHost = "192.0.2.3"
  static let gatewayHost = "192.0.2.254"
  static let blueVNI: UInt32 = 100
  static let redVNI: UInt32 = 200
  static let gatewayVNI: UInt32 = 1

  /// Interface a and b in one subnet of blue; red's interface is a's double.
  static func model(_ change: (inout VPCModel) -> Void = { _ in }) -> VPCModel {
    var model = VPCModel()
    var host = Host(
      address: Compose.address(host), mac: MACAddress(0x02_AA_00_00_00_01),
      gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
    host.mtu = 1500
    model.host = host
    let blocks = [Compose.prefix("10.0.0.0/16"), Compose.prefix("fd00:10::/56")]
    model.vpcs = [
      VPC(id: "blue", vni: blueVNI, cidrs: blocks), VPC(id: "red", vni: redVNI, cidrs: blocks),
    ]
    let near = [Compose.prefix("10.0.1.0/24"), Compose.prefix("fd00:10:0:1::/64")]
    model.subnets = [
      Subnet(id: "sub-blue", vpc: "blue", cidrs: near, routeTable: "rtb"),
      Subnet(id: "sub-red", vpc: "red", cidrs: near),
    ]
    model.networkInterfaces = [
      nic("eni-a", "sub-blue", macA, [addressA, addressA6, "10.0.1.11"], "sg-a"),
      nic("eni-b", "sub-blue", macB, [addressB, addressB6], "sg-b"),
      nic("eni-red", "sub-red", macA, [addressA, addressA6], "sg-red"),
    ]
    model.networkInterfaces[0].publicAddresses = [
      PublicAddress(
        privateAddress: Compose.address(addressA), publicAddress: Compose.address("203.0.113.10"))
    ]
    model.securityGroups = [group("sg-a", "blue"), group("sg-b", "blue"), group("sg-red", "red")]
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "blue",
        routes: [
          route("198.51.100.0/24", .internetGateway("igw")),
          route("192.168.0.0/16", .blackhole),
          route("172.16.0.0/12", .networkInterface("eni-b")),
          route("172.15.0.0/16", .networkInterface("eni-a")),
        ])
    ]
    model.internetGateways = [
      InternetGateway(
        id: "igw", vpc: "blue", host: Compose.address(gatewayHost), vni: gatewayVNI)
    ]
    for (vpc, host) in [("blue", blueHost), ("red", redHost)] {
      for address in [remote, remote6] {
        model.mappings.append(
          Mapping(
            vpc: vpc, address: Compose.address(address), host: Compose.address(host),
            mac: remoteMAC))
      }
    }
    change(&model)
    return model
  }

  private static func nic(
    _ id: String, _ subnet: String, _ mac: MACAddress, _ addresses: [String], _ group: String
  ) -> NetworkInterface {
    var nic = NetworkInterface(
      id: id, subnet: subnet, mac: mac, addresses: addresses.map(Compose.address))
    nic.securityGroups = [group]
    return nic
  }

  private static func route(_ prefix: String, _ target: RouteTarget) -> Route {
    Route(destination: .cidr(Compose.prefix(prefix)), target: target)
  }

  static func rule(
    _ id: String, _ number: UInt8?, _ ports: [ClosedRange<UInt16>], _ peers: [String]
  ) -> SecurityGroupRule {
    SecurityGroupRule(
      id: id, match: TrafficMatch(protocolNumber: number, ports: ports),
      peers: peers.map { .cidr(Compose.prefix($0)) })
  }

  /// Everything out to private addresses and 198.51.100.0/24; in only TCP 443 and 21, UDP 53 and
  /// 4789, and SCTP 99. No rule is for everybody, so every flow is tracked.
  private static func group(_ id: String, _ vpc: String) -> SecurityGroup {
    let inside = ["10.0.0.0/8", "fd00::/8", "198.51.100.0/24"]
    let beyond = ["172.0.0.0/8", "192.168.0.0/16", "169.254.0.0/16", "fe80::/10"]
    return SecurityGroup(
      id: id, vpc: vpc,
      ingress: [
        rule("\(id)/https", 6, [443...443, 21...21], inside),
        rule("\(id)/dns", 17, [53...53, 4789...4789], inside),
        rule("\(id)/sctp", 132, [99...99], inside),
      ], egress: [rule("\(id)/out", nil, [], inside + beyond)])
  }
}
