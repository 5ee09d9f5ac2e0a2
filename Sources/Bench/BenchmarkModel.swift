import VPCModel
import Wire

/// The model that the pipeline benchmark judges by: one NIC with every feature on.
///
/// A group of 24 egress rules for a part of the address space (so that flows are tracked), network
/// ACL, route table, 256 mappings behind 16 tunnel endpoints, and limits that never refuse.
enum BenchmarkModel {
  static let source = IPAddress(v4: 0x0A00_010A)
  static let nicMAC = MACAddress(0x0200_0000_000A)
  static let mappingCount = 256
  static let hostAddress = IPAddress(v4: 0xC000_0201)
  static let hostMAC = MACAddress(0x02AA_0000_0001)
  static let gatewayMAC = MACAddress(0x02AA_0000_00FE)
  static let vni: UInt32 = 100

  static func destination(_ index: Int) -> IPAddress { IPAddress(v4: 0x0A00_1000 + UInt32(index)) }
  /// The tunnel endpoint of a destination.
  static func endpoint(_ index: Int) -> IPAddress {
    IPAddress(v4: 0xC000_0210 + UInt32(index % 16))
  }
  static func mappingMAC(_ index: Int) -> MACAddress {
    MACAddress(0x0200_0001_0000 + UInt64(index))
  }

  static func make() -> VPCModel {
    var model = VPCModel()
    model.host = Host(address: hostAddress, mac: hostMAC, gatewayMAC: gatewayMAC)
    model.host?.mtu = 9100
    let everything = IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)
    model.vpcs = [VPC(id: "vpc", vni: vni, cidrs: [everything])]
    model.subnets = [
      Subnet(
        id: "subnet", vpc: "vpc", cidrs: [IPPrefix(IPAddress(v4: 0x0A00_0100), length: 24)],
        routeTable: "rtb", networkACL: "acl")
    ]
    model.routeTables = [RouteTable(id: "rtb", vpc: "vpc", routes: [])]
    let all = IPPrefix(IPAddress(v4: 0), length: 0)
    let allowAll = NetworkACLRule(
      id: "acl/all", number: 100, allow: true, match: TrafficMatch(), cidr: all)
    model.networkACLs = [
      NetworkACL(id: "acl", vpc: "vpc", ingress: [allowAll], egress: [allowAll])
    ]
    var nic = NetworkInterface(id: "eni", subnet: "subnet", mac: nicMAC, addresses: [source])
    nic.securityGroups = ["sg"]
    nic.limits.bandwidthIn = 400_000_000_000
    nic.limits.bandwidthOut = 400_000_000_000
    nic.limits.packetsPerSecond = 1_000_000_000
    model.networkInterfaces = [nic]
    model.securityGroups = [group(to: everything)]
    for index in 0..<mappingCount {
      model.mappings.append(
        Mapping(
          vpc: "vpc", address: destination(index), host: endpoint(index), mac: mappingMAC(index)))
    }
    return model
  }

  /// 23 rules for single TCP ports and one for all UDP.
  private static func group(to prefix: IPPrefix) -> SecurityGroup {
    var egress = (0..<23).map { index in
      SecurityGroupRule(
        id: "sg/egress/\(index)",
        match: TrafficMatch(
          protocolNumber: IPProtocol.tcp, ports: [UInt16(1000 + index)...UInt16(1000 + index)]),
        peers: [.cidr(prefix)])
    }
    egress.append(
      SecurityGroupRule(
        id: "sg/egress/23", match: TrafficMatch(protocolNumber: IPProtocol.udp),
        peers: [.cidr(prefix)]))
    return SecurityGroup(id: "sg", vpc: "vpc", ingress: [], egress: egress)
  }
}
