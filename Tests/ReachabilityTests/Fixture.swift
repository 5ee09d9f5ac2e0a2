import TestPackets
import VPCModel
import Wire

@testable import Reachability

/// A model with one of everything that a path can lead over.
enum Fixture {
  /// Blue is peered with green and not with red; `eni-nat` forwards what is not its own.
  static let text = """
    version: 1
    host: {address: 192.0.2.1, mac: "02:aa:00:00:00:01", gatewayMAC: "02:aa:00:00:00:fe"}
    vpcs:
      - {id: vpc-blue, vni: 100, cidrs: [10.0.0.0/16, "fd00:10::/56"]}
      - {id: vpc-green, vni: 200, cidrs: [10.9.0.0/16]}
      - {id: vpc-red, vni: 300, cidrs: [10.8.0.0/16]}
    subnets:
      - {id: subnet-a, vpc: vpc-blue, cidrs: [10.0.1.0/24, "fd00:10:0:1::/64"], routeTable: rtb-a, networkACL: acl-a}
      - {id: subnet-b, vpc: vpc-blue, cidrs: [10.0.2.0/24, "fd00:10:0:2::/64"], routeTable: rtb-b}
      - {id: subnet-g, vpc: vpc-green, cidrs: [10.9.1.0/24], routeTable: rtb-g}
      - {id: subnet-r, vpc: vpc-red, cidrs: [10.8.1.0/24]}
    networkInterfaces:
      - id: eni-web
        subnet: subnet-a
        mac: "02:00:00:00:00:0a"
        addresses: [10.0.1.10, "fd00:10:0:1::a", 10.0.1.11]
        securityGroups: [sg-web]
        publicAddresses: {10.0.1.10: 203.0.113.10}
      - {id: eni-app, subnet: subnet-a, mac: "02:00:00:00:00:0b", addresses: [10.0.1.20], securityGroups: [sg-app]}
      - {id: eni-db, subnet: subnet-b, mac: "02:00:00:00:00:0c", addresses: [10.0.2.10], securityGroups: [sg-db]}
      - {id: eni-nat, subnet: subnet-b, mac: "02:00:00:00:00:0d", addresses: [10.0.2.20], securityGroups: [sg-open], sourceDestCheck: false}
      - {id: eni-bare, subnet: subnet-b, mac: "02:00:00:00:00:0e", addresses: [10.0.2.30]}
      - {id: eni-green, subnet: subnet-g, mac: "02:00:00:00:00:0f", addresses: [10.9.1.10], securityGroups: [sg-green]}
      - {id: eni-red, subnet: subnet-r, mac: "02:00:00:00:00:10", addresses: [10.8.1.10], securityGroups: [sg-red]}
    securityGroups:
      - id: sg-web
        vpc: vpc-blue
        ingress:
          - {protocol: tcp, ports: [80, 443], from: [0.0.0.0/0, "::/0"]}
          - {protocol: icmp, type: 8, code: any, from: 10.0.0.0/8}
          - {protocol: tcp, ports: 9000-9010, from: [pl-office, sg-app]}
        egress:
          - {protocol: tcp, ports: 5432, to: sg-db}
          - {protocol: udp, ports: 53, to: 10.0.0.0/8}
          - {protocol: tcp, ports: 443, to: 0.0.0.0/0}
      - {id: sg-app, vpc: vpc-blue, ingress: [{protocol: tcp, ports: 22, from: 10.0.1.0/24}], egress: [{protocol: tcp, to: 10.0.0.0/8}]}
      - {id: sg-db, vpc: vpc-blue, ingress: [{protocol: tcp, ports: 5432, from: [sg-web, sg-app]}], egress: []}
      - {id: sg-open, vpc: vpc-blue, ingress: [{protocol: all, from: [0.0.0.0/0, "::/0"]}]}
      - {id: sg-green, vpc: vpc-green, ingress: [{protocol: tcp, ports: 80, from: 10.0.0.0/16}]}
      - {id: sg-red, vpc: vpc-red, ingress: [{protocol: all, from: 0.0.0.0/0}]}
    prefixLists:
      - {id: pl-office, entries: [198.51.100.0/24, "2001:db8:1::/48"]}
    networkACLs:
      - id: acl-a
        vpc: vpc-blue
        ingress:
          - {rule: 90, action: deny, protocol: tcp, ports: 443, cidr: 198.51.100.128/25}
          - {rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}
        egress:
          - {rule: 100, action: allow, protocol: tcp, ports: 1024-65535, cidr: 0.0.0.0/0}
          - {rule: 110, action: allow, protocol: icmp, cidr: 10.0.0.0/8}
          - {rule: 120, action: allow, protocol: udp, cidr: 10.0.0.0/16}
          - {rule: 130, action: allow, protocol: tcp, ports: 443, cidr: 0.0.0.0/0}
    routeTables:
      - id: rtb-a
        vpc: vpc-blue
        routes:
          - {to: 0.0.0.0/0, via: igw-blue}
          - {to: 10.9.0.0/16, via: pcx-bg}
          - {to: 172.16.0.0/12, via: eni-nat}
          - {to: 192.168.0.0/16, via: blackhole}
      - {id: rtb-b, vpc: vpc-blue, routes: [{to: 10.9.0.0/16, via: pcx-bg}, {to: 10.7.0.0/16, via: pcx-bg}]}
      - {id: rtb-g, vpc: vpc-green, routes: [{to: 10.0.1.0/24, via: pcx-bg}]}
    internetGateways:
      - {id: igw-blue, vpc: vpc-blue, host: 192.0.2.254, vni: 1}
    peerings:
      - {id: pcx-bg, vpcs: [vpc-blue, vpc-green]}
    mappings:
      - {vpc: vpc-blue, address: 10.0.2.77, host: 192.0.2.7, mac: "02:00:00:00:01:07"}
      - {vpc: vpc-green, address: 10.9.1.77, host: 192.0.2.8, mac: "02:00:00:00:01:08"}
    """

  static func model(_ text: String = text) throws -> VPCModel {
    try ModelLoader.load(texts: [("model.yaml", text)])
  }

  static func tcp(_ port: UInt16, from source: UInt16 = 49_152) -> ProbeTraffic {
    var traffic = ProbeTraffic(protocolNumber: IPProtocol.tcp)
    traffic.destinationPort = port
    traffic.sourcePort = source
    return traffic
  }

  static func udp(_ port: UInt16) -> ProbeTraffic {
    var traffic = ProbeTraffic(protocolNumber: IPProtocol.udp)
    traffic.destinationPort = port
    return traffic
  }

  static func icmp(_ type: UInt8) -> ProbeTraffic {
    var traffic = ProbeTraffic(protocolNumber: IPProtocol.icmp)
    traffic.icmpType = type
    return traffic
  }
}
