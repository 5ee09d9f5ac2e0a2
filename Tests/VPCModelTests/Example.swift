import VPCModel

/// A model with every section and nearly every field.
let exampleText = #"""
  version: 1
  host:
    address: 192.0.2.1
    mac: 02:aa:00:00:00:01
    gatewayMAC: 02:aa:00:00:00:fe
    encapsulation: geneve
    mtu: 9100
  vpcs:
    - {id: vpc-blue, vni: 100, cidrs: [10.0.0.0/16, "fd00:10::/56"]}
    - {id: vpc-green, vni: 200, cidrs: [10.9.0.0/16]}
  subnets:
    - {id: subnet-a, vpc: vpc-blue, cidrs: [10.0.1.0/24, "fd00:10:0:1::/64"], routeTable: rtb-main, networkACL: acl-a}
  networkInterfaces:
    - id: eni-web
      subnet: subnet-a
      mac: 02:00:00:00:00:0a
      addresses: [10.0.1.10, "fd00:10:0:1::a"]
      securityGroups: [sg-web]
      sourceDestCheck: true
      publicAddresses: {10.0.1.10: 203.0.113.10}
      connectionTracking: {tcpEstablished: 432000s, udp: 30s, udpStream: 180s}
      limits:
        bandwidthIn: 5Gbps
        bandwidthOut: 5Gbps
        burst: 2MB
        packetsPerSecond: 500000
        connections: 100000
        connectionsPerSecond: 20000
        linkLocalPacketsPerSecond: 1024
  securityGroups:
    - id: sg-web
      vpc: vpc-blue
      ingress:
        - {protocol: tcp, ports: 443, from: [0.0.0.0/0, "::/0"]}
        - {protocol: tcp, ports: 8000-8100, from: [sg-web, pl-office]}
        - {protocol: icmp, type: 8, code: any, from: [10.0.0.0/8]}
      egress:
        - {protocol: all, to: [0.0.0.0/0, "::/0"]}
  prefixLists:
    - {id: pl-office, entries: [198.51.100.0/24, "2001:db8:1::/48"]}
  networkACLs:
    - id: acl-a
      vpc: vpc-blue
      ingress:
        - {rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}
      egress:
        - {rule: 100, action: deny, protocol: tcp, ports: 25, cidr: 0.0.0.0/0}
        - {rule: 200, action: allow, protocol: all, cidr: 0.0.0.0/0}
  routeTables:
    - id: rtb-main
      vpc: vpc-blue
      routes:
        - {to: 0.0.0.0/0, via: igw-1}
        - {to: 10.9.0.0/16, via: pcx-green}
        - {to: 172.16.0.0/12, via: eni-web}
        - {to: 192.168.0.0/16, via: blackhole}
  internetGateways:
    - {id: igw-1, vpc: vpc-blue, host: 192.0.2.254, vni: 1}
  peerings:
    - {id: pcx-green, vpcs: [vpc-blue, vpc-green]}
  mappings:
    - {vpc: vpc-blue, address: 10.0.2.20, host: 192.0.2.2, mac: 02:00:00:00:00:14}
  policy:
    midstream: evaluate
    onRuleChange: keep
  """#

/// The errors of texts that must be refused; empty when they are accepted.
func errors(_ texts: (name: String, text: String)...) -> [ModelError] {
  do throws(ModelErrors) {
    _ = try ModelLoader.load(texts: texts)
    return []
  } catch {
    return error.errors
  }
}

func load(_ texts: String...) throws(ModelErrors) -> VPCModel {
  try ModelLoader.load(texts: texts.enumerated().map { ("\($0.offset).yaml", $0.element) })
}
