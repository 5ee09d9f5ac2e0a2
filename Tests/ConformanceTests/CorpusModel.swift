import CapturePort
import VPCModel
import Wire

@testable import ReferenceModel

/// Makes a model of a capture: its most frequent senders are network interfaces, the other addresses
/// live on other hosts.
struct CorpusModel {
  private struct Address {
    var count = 0
    var mac: MACAddress?
  }

  private var addresses: [IPAddress: Address] = [:]

  /// - Parameter interfaces: how many network interfaces to make.
  static func model(of packets: [ReferencePacket], interfaces: Int = 6) -> VPCModel {
    var census = CorpusModel()
    for packet in packets { census.count(packet) }
    return census.model(interfaces)
  }

  private mutating func count(_ packet: ReferencePacket) {
    let octets = Octets(bytes: packet.bytes, originalLength: packet.originalLength)
    let frame = Frame(linkType: packet.linkType, octets: octets, tags: 2)
    guard case .ip(let ip) = frame.content, ip.addressesKnown else { return }
    addresses[ip.source, default: Address()].count += 1
    if addresses[ip.source]?.mac == nil { addresses[ip.source]?.mac = frame.sourceMAC }
    addresses[ip.destination, default: Address()].count += 0
  }

  private func model(_ interfaces: Int) -> VPCModel {
    let known = addresses.filter { address, _ in
      !address.isMulticast && !address.isLimitedBroadcast && !address.isUnspecified
        && !address.isLinkLocal
    }.sorted { ($0.value.count, $1.key) > ($1.value.count, $0.key) }
    var model = VPCModel()
    let halves = [
      IPPrefix(IPAddress(v4: 0), length: 1), IPPrefix(IPAddress(v4: 1 << 31), length: 1),
      IPPrefix(IPAddress(v6: 0, 0), length: 1), IPPrefix(IPAddress(v6: 1 << 63, 0), length: 1),
    ]
    model.vpcs = [VPC(id: "vpc", vni: 7, cidrs: halves)]
    model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: halves)]
    model.host = Host(
      address: IPAddress(v4: 0xC612_0001), mac: MACAddress(0x02_AA_00_00_00_01),
      gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
    model.securityGroups = [Self.group()]
    var macs: Set<MACAddress> = []
    for (number, (address, facts)) in known.prefix(interfaces).enumerated() {
      var mac = facts.mac ?? MACAddress(0)
      if mac.bits == 0 || mac.isMulticast || !macs.insert(mac).inserted {
        mac = MACAddress(0x02_CC_00_00_00_00 | UInt64(number))
      }
      var nic = NetworkInterface(
        id: "eni-\(number)", subnet: "subnet", mac: mac, addresses: [address])
      nic.securityGroups = ["sg"]
      Self.limit(&nic, number)
      model.networkInterfaces.append(nic)
    }
    // A few addresses are left out, so that there is somebody that nobody knows.
    for (number, (address, _)) in known.dropFirst(interfaces).enumerated() where number % 7 != 6 {
      model.mappings.append(
        Mapping(
          vpc: "vpc", address: address, host: IPAddress(v4: 0xC612_0002 + UInt32(number % 3)),
          mac: MACAddress(0x02_DD_00_00_00_00 | UInt64(number))))
    }
    return model
  }

  private static func group() -> SecurityGroup {
    let everywhere = [
      RulePeer.cidr(IPPrefix(IPAddress(v4: 0), length: 0)),
      .cidr(IPPrefix(IPAddress(v6: 0, 0), length: 0)),
    ]
    func rule(_ id: String, _ match: TrafficMatch) -> SecurityGroupRule {
      SecurityGroupRule(id: id, match: match, peers: everywhere)
    }
    return SecurityGroup(
      id: "sg", vpc: "vpc",
      ingress: [
        rule("web", TrafficMatch(protocolNumber: 6, ports: [80...80, 443...443, 8000...9000])),
        rule("names", TrafficMatch(protocolNumber: 17, ports: [53...53])),
        rule("ping", TrafficMatch(protocolNumber: 1, icmpType: 8)),
        rule("ping6", TrafficMatch(protocolNumber: 58, icmpType: 128)),
        rule("sctp", TrafficMatch(protocolNumber: 132)),
      ],
      egress: [
        rule("tcp", TrafficMatch(protocolNumber: 6)),
        rule("udp", TrafficMatch(protocolNumber: 17, ports: [1...1023, 4000...65535])),
        rule("icmp", TrafficMatch(protocolNumber: 1)),
        rule("icmp6", TrafficMatch(protocolNumber: 58)),
        rule("gre", TrafficMatch(protocolNumber: 47)),
      ])
  }

  private static func limit(_ nic: inout NetworkInterface, _ number: Int) {
    switch number {
    case 1: nic.limits.packetsPerSecond = 500
    case 2: nic.limits.connections = 20
    case 3:
      nic.limits.bandwidthIn = 4_000_000
      nic.limits.burst = 100_000
    case 4: nic.sourceDestCheck = false
    default: break
    }
  }
}
