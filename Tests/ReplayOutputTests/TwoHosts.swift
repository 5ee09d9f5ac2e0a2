import TestPackets
import Testing
import VPCModel
import Wire

/// A VPC on two hosts with an internet gateway: everything is allowed, so that tests of bytes need
/// not think of rules.
enum TwoHosts {
  static let web = MACAddress(0x02_00_00_00_00_0A)
  static let data = MACAddress(0x02_00_00_00_00_0B)
  static let remote = MACAddress(0x02_00_00_00_00_14)
  static let vni: UInt32 = 0xABCDE
  static let gatewayVNI: UInt32 = 0x00_0101

  /// How hosts talk: encapsulation and the family of the underlay.
  struct Underlay: Sendable, CustomTestStringConvertible {
    var encapsulation: Encapsulation
    var family: IPFamily
    var testDescription: String { "\(encapsulation) over IPv\(family.rawValue)" }

    /// The address of host 1, 2, or of the gateway, 254.
    func address(_ host: Int) -> IPAddress {
      Compose.address(family == .v4 ? "192.0.2.\(host)" : "2001:db8::\(host)")
    }
  }

  static let underlays = [IPFamily.v4, .v6].flatMap { family in
    Encapsulation.allCases.map { Underlay(encapsulation: $0, family: family) }
  }
  static let plain = Underlay(encapsulation: .geneve, family: .v4)

  /// The model of host 1, with two network interfaces, or of host 2, with the third.
  static func model(host: Int, _ underlay: Underlay = plain) -> VPCModel {
    var model = VPCModel()
    var own = Host(
      address: underlay.address(host), mac: MACAddress(0x02_AA_00_00_00_00 | UInt64(host)),
      gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
    own.encapsulation = underlay.encapsulation
    model.host = own
    model.vpcs = [
      VPC(
        id: "vpc", vni: vni,
        cidrs: [Compose.prefix("10.0.0.0/16"), Compose.prefix("fd00:10::/56")])
    ]
    model.subnets = [
      Subnet(
        id: "subnet", vpc: "vpc",
        cidrs: [Compose.prefix("10.0.1.0/24"), Compose.prefix("fd00:10:0:1::/64")],
        routeTable: "rtb")
    ]
    let everywhere = ["0.0.0.0/0", "::/0"].map(Compose.prefix)
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc",
        routes: everywhere.map { Route(destination: .cidr($0), target: .internetGateway("igw")) })
    ]
    model.internetGateways = [
      InternetGateway(id: "igw", vpc: "vpc", host: underlay.address(254), vni: gatewayVNI)
    ]
    let all = SecurityGroupRule(
      id: "all", match: TrafficMatch(), peers: everywhere.map { .cidr($0) })
    model.securityGroups = [SecurityGroup(id: "sg", vpc: "vpc", ingress: [all], egress: [all])]
    addPlaces(host, underlay, to: &model)
    return model
  }

  private static func addPlaces(_ host: Int, _ underlay: Underlay, to model: inout VPCModel) {
    let places: [(id: String, host: Int, MACAddress, [String])] = [
      ("eni-web", 1, web, ["10.0.1.10", "fd00:10:0:1::a"]),
      ("eni-data", 1, data, ["10.0.1.11", "fd00:10:0:1::b"]),
      ("eni-remote", 2, remote, ["10.0.1.20", "fd00:10:0:1::14"]),
    ]
    for (id, place, mac, texts) in places {
      let addresses = texts.map(Compose.address)
      if place == host {
        var nic = NetworkInterface(id: id, subnet: "subnet", mac: mac, addresses: addresses)
        nic.securityGroups = ["sg"]
        if id == "eni-web" {
          nic.publicAddresses = [
            PublicAddress(
              privateAddress: addresses[0], publicAddress: Compose.address("203.0.113.10"))
          ]
        }
        model.networkInterfaces.append(nic)
      } else {
        for address in addresses {
          model.mappings.append(
            Mapping(vpc: "vpc", address: address, host: underlay.address(place), mac: mac))
        }
      }
    }
  }
}
