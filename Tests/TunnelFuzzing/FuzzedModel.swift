import VPCModel

/// The models of the targets that need one by hand.
package enum FuzzedModel {
  /// Loads a model that is right; the process ends when it is not.
  package static func load(_ text: String) -> VPCModel {
    do { return try ModelLoader.load(texts: [(name: "fuzzed", text: text)]) } catch {
      fatalError("\(error)")
    }
  }

  /// Two interfaces that may be asked on some ports and may ask some, so that all is tracked.
  package static func tracked(underlay: String = "192.0.2.1") -> VPCModel {
    let peer = underlay.contains(":") ? "2001:db8:ffff::2" : "192.0.2.2"
    let edge = underlay.contains(":") ? "2001:db8:ffff::fe" : "192.0.2.254"
    return load(
      """
      version: 1
      host: {address: "\(underlay)", mac: "02:aa:00:00:00:01", gatewayMAC: "02:aa:00:00:00:fe"}
      vpcs: [{id: blue, vni: 100, cidrs: [10.0.0.0/16, "fd00:10::/56"]}]
      subnets:
        - {id: a, vpc: blue, cidrs: [10.0.1.0/24, "fd00:10:0:1::/64"], routeTable: rtb}
      networkInterfaces:
        - id: web
          subnet: a
          mac: "02:00:00:00:00:0a"
          addresses: [10.0.1.10, "fd00:10:0:1::a"]
          securityGroups: [sg]
          publicAddresses: {10.0.1.10: 203.0.113.10}
          connectionTracking: {tcpEstablished: 600s}
        - id: data
          subnet: a
          mac: "02:00:00:00:00:0b"
          addresses: [10.0.1.11, "fd00:10:0:1::b"]
          securityGroups: [sg]
          limits: {connections: 3, packetsPerSecond: 20}
      securityGroups:
        - id: sg
          vpc: blue
          ingress:
            - {protocol: tcp, ports: 80, from: [198.51.100.0/24, 10.0.0.0/8, "fd00::/8"]}
            - {protocol: udp, ports: 53, from: [198.51.100.0/24, 10.0.0.0/8, "fd00::/8"]}
            - {protocol: icmp, type: 8, code: any, from: [10.0.0.0/8]}
          egress:
            - {protocol: tcp, to: [198.51.100.0/24, 10.0.0.0/8, "fd00::/8"]}
            - {protocol: udp, to: [198.51.100.0/24, 10.0.0.0/8, "fd00::/8"]}
      routeTables: [{id: rtb, vpc: blue, routes: [{to: 0.0.0.0/0, via: igw}]}]
      internetGateways: [{id: igw, vpc: blue, host: "\(edge)", vni: 1}]
      mappings:
        - {vpc: blue, address: 10.0.2.20, host: "\(peer)", mac: "02:00:00:00:00:14"}
        - {vpc: blue, address: "fd00:10:0:2::14", host: "\(peer)", mac: "02:00:00:00:00:14"}
      """)
  }
}
