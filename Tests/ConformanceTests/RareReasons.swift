import ReferenceModel
import VPCModel
import Wire

/// Traffic for reasons that random packets reach too seldom to count on.
enum RareReasons {
  /// More fragmented datagrams within 15 seconds than a network interface may have.
  static func scenario() -> Scenario {
    var model = VPCModel()
    let everything = IPPrefix(IPAddress(v4: 0), length: 0)
    model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)])]
    model.subnets = [
      Subnet(id: "subnet", vpc: "vpc", cidrs: [IPPrefix(IPAddress(v4: 0x0A00_0100), length: 24)])
    ]
    let all = SecurityGroupRule(id: "all", match: TrafficMatch(), peers: [.cidr(everything)])
    model.securityGroups = [SecurityGroup(id: "sg", vpc: "vpc", ingress: [all], egress: [all])]
    var nic = NetworkInterface(
      id: "eni", subnet: "subnet", mac: MACAddress(0x02_00_00_00_00_0A),
      addresses: [IPAddress(v4: 0x0A00_010A)])
    nic.securityGroups = ["sg"]
    model.networkInterfaces = [nic]
    let packets = (1...1_030).map { number in
      ReferencePacket(
        file: "rare", number: number, time: 1_700_000_000_000_000_000 + UInt64(number) * 1_000,
        linkType: 101, bytes: firstFragment(identifier: number))
    }
    return Scenario(model: model, options: ReferenceOptions(), packets: packets)
  }

  /// The first 16 bytes of a UDP datagram from 10.0.1.99 to 10.0.1.10, its checksum left to offload.
  private static func firstFragment(identifier: Int) -> [UInt8] {
    [0x45, 0, 0, 36, UInt8(identifier >> 8), UInt8(identifier & 255), 0x20, 0, 64, 17, 0, 0]
      + [10, 0, 1, 99, 10, 0, 1, 10] + [0, 9, 0, 9, 0, 64, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 0]
  }
}
