private let red = "vpcs: [{id: vpc-red, vni: 300, cidrs: [10.77.0.0/16]}]\n"

let referenceRefusals = [
  Refusal(
    "duplicate id", extra: "vpcs: [{id: vpc-blue, vni: 7, cidrs: [10.8.0.0/16]}]",
    "vpcs[0].id", "duplicate id `vpc-blue`; first at a.yaml:"),
  Refusal(
    "group and prefix list", extra: "prefixLists: [{id: sg-web, entries: []}]",
    "prefixLists[0].id", "the id `sg-web` is also a security group's; first at a.yaml:"),
  Refusal(
    "subnet without VPC",
    extra: "subnets: [{id: s, vpc: vpc-none, cidrs: [10.0.3.0/24]}]", "subnets[0].vpc",
    "there is no VPC `vpc-none`"),
  Refusal(
    "no route table", edit: ("routeTable: rtb-main", "routeTable: rtb-none"),
    "subnets[0].routeTable", "there is no route table `rtb-none`"),
  Refusal(
    "no network ACL", edit: ("networkACL: acl-a", "networkACL: acl-b"),
    "subnets[0].networkACL", "there is no network ACL `acl-b`"),
  Refusal(
    "no subnet", edit: ("subnet: subnet-a", "subnet: subnet-b"),
    "networkInterfaces[0].subnet", "there is no subnet `subnet-b`"),
  Refusal(
    "no group", edit: ("securityGroups: [sg-web]", "securityGroups: [sg-none]"),
    "networkInterfaces[0].securityGroups[0]", "there is no security group `sg-none`"),
  Refusal(
    "prefix list as group", edit: ("securityGroups: [sg-web]", "securityGroups: [pl-office]"),
    "networkInterfaces[0].securityGroups[0]", "is a prefix list, not a security group"),
  Refusal(
    "group twice", edit: ("securityGroups: [sg-web]", "securityGroups: [sg-web, sg-web]"),
    "networkInterfaces[0].securityGroups[1]", "twice"),
  Refusal(
    "no peer", edit: ("from: [sg-web, pl-office]", "from: [sg-web, pl-home]"),
    "securityGroups[0].ingress[1].from[1]", "there is no security group or prefix list `pl-home`"),
  Refusal(
    "no target", edit: ("via: igw-1", "via: igw-2"), "routeTables[0].routes[0].via",
    "there is no internet gateway or peering or network interface `igw-2`"),
  Refusal(
    "no prefix list", edit: ("to: 10.9.0.0/16", "to: pl-none"),
    "routeTables[0].routes[1].to", "there is no prefix list `pl-none`"),
  Refusal(
    "group as route destination", edit: ("to: 10.9.0.0/16", "to: sg-web"),
    "routeTables[0].routes[1].to", "is a security group, not a prefix list"),
  Refusal(
    "peering without VPC", edit: ("vpcs: [vpc-blue, vpc-green]", "vpcs: [vpc-blue, vpc-x]"),
    "peerings[0].vpcs[1]", "there is no VPC `vpc-x`"),
  Refusal(
    "peering of three", extra: red + "peerings: [{id: p, vpcs: [vpc-red, vpc-green, vpc-blue]}]",
    at: "peerings", "peerings[0].vpcs", "exactly two VPCs, not 3"),
  Refusal(
    "peering with itself", extra: "peerings: [{id: p, vpcs: [vpc-blue, vpc-blue]}]",
    "peerings[0].vpcs", "two different VPCs"),
  Refusal(
    "peering twice", extra: "peerings: [{id: p, vpcs: [vpc-green, vpc-blue]}]",
    "peerings[0].vpcs", "peered already"),
  Refusal(
    "mapping without VPC",
    extra: "mappings: [{vpc: v, address: 10.0.2.9, host: 192.0.2.2, mac: 02:00:00:00:00:15}]",
    "mappings[0].vpc", "there is no VPC `v`"),
  Refusal(
    "group of another VPC on a NIC",
    extra: "securityGroups: [{id: sg-x, vpc: vpc-green}]\n"
      + nic("securityGroups: [sg-web, sg-x]"), at: "networkInterfaces",
    "networkInterfaces[0].securityGroups[1]",
    "the security group `sg-x` is of `vpc-green`, not of `vpc-blue`"),
  Refusal(
    "route table of another VPC",
    extra: "subnets: [{id: s, vpc: vpc-green, cidrs: [10.9.3.0/24], routeTable: rtb-main}]",
    "subnets[0].routeTable", "the route table `rtb-main` is of `vpc-blue`, not of `vpc-green`"),
  Refusal(
    "network ACL of another VPC",
    extra: "subnets: [{id: s, vpc: vpc-green, cidrs: [10.9.3.0/24], networkACL: acl-a}]",
    "subnets[0].networkACL", "the network ACL `acl-a` is of `vpc-blue`, not of `vpc-green`"),
  Refusal(
    "gateway of another VPC",
    extra: "routeTables: [{id: t, vpc: vpc-green, routes: [{to: 0.0.0.0/0, via: igw-1}]}]",
    "routeTables[0].routes[0].via", "the internet gateway `igw-1` is of `vpc-blue`"),
  Refusal(
    "NIC of another VPC",
    extra: "routeTables: [{id: t, vpc: vpc-green, routes: [{to: 0.0.0.0/0, via: eni-web}]}]",
    "routeTables[0].routes[0].via", "the network interface `eni-web` is of `vpc-blue`"),
  Refusal(
    "peering of other VPCs",
    extra: red + "routeTables: [{id: t, vpc: vpc-red, routes: [{to: 0.0.0.0/0, via: pcx-green}]}]",
    at: "routeTables", "routeTables[0].routes[0].via",
    "joins `vpc-blue` and `vpc-green`, not `vpc-red`"),
  Refusal(
    "group of a VPC not peered",
    extra: red
      + "securityGroups: [{id: g, vpc: vpc-red, ingress: [{protocol: all, from: sg-web}]}]",
    at: "securityGroups", "securityGroups[0].ingress[0].from",
    "is of `vpc-blue`, not of `vpc-red` or a VPC peered with it"),
]

let addressRefusals = [
  Refusal(
    "NIC outside its subnet", extra: nic("", address: "10.0.2.5"),
    "networkInterfaces[0].addresses[0]", "outside the CIDR blocks of subnet `subnet-a`"),
  Refusal(
    "NIC has the router's address", extra: nic("", address: "10.0.1.1"),
    "networkInterfaces[0].addresses[0]", "the router of subnet `subnet-a`"),
  Refusal(
    "NIC without address", extra: nic("", address: ""), "networkInterfaces[0].addresses",
    "at least one address"),
  Refusal(
    "duplicate address", extra: nic("", address: "10.0.1.10"),
    "networkInterfaces[0].addresses[0]", "duplicate address `10.0.1.10` in `vpc-blue`; first at"),
  Refusal(
    "mapping of a local address",
    extra:
      "mappings: [{vpc: vpc-blue, address: 10.0.1.10, host: 192.0.2.2, mac: 02:00:00:00:00:15}]",
    "mappings[0].address", "duplicate address `10.0.1.10` in `vpc-blue`; first at a.yaml:"),
  Refusal(
    "mapping of the router",
    extra:
      "mappings: [{vpc: vpc-blue, address: 10.0.1.1, host: 192.0.2.2, mac: 02:00:00:00:00:15}]",
    "mappings[0].address", "the router of subnet `subnet-a`"),
  Refusal(
    "mapping to the other family",
    extra:
      "mappings: [{vpc: vpc-blue, address: 10.0.3.1, host: 2001:db8::2, mac: 02:00:00:00:00:15}]",
    "mappings[0].host", "must be of the family of this host's address"),
  Refusal(
    "gateway of the other family", edit: ("host: 192.0.2.254", "host: \"2001:db8::fe\""),
    "internetGateways[0].host", "must be of the family of this host's address"),
  Refusal(
    "overlapping blocks of a VPC", edit: ("10.9.0.0/16]", "10.9.0.0/16, 10.9.128.0/17]"),
    "vpcs[1].cidrs[1]", "`10.9.128.0/17` overlaps `10.9.0.0/16` of `vpc-green`"),
  Refusal(
    "overlapping peers", edit: ("10.9.0.0/16]", "10.0.128.0/17]"), at: "pcx-green, vpcs",
    "peerings[0].vpcs", "`10.0.0.0/16` of `vpc-blue` at a.yaml:"),
  Refusal(
    "subnet outside its VPC",
    extra: "subnets: [{id: s, vpc: vpc-blue, cidrs: [10.1.1.0/24]}]", "subnets[0].cidrs[0]",
    "outside the CIDR blocks of `vpc-blue`"),
  Refusal(
    "overlapping subnets",
    extra: "subnets: [{id: s, vpc: vpc-blue, cidrs: [10.0.1.128/25]}]", "subnets[0].cidrs[0]",
    "overlaps `10.0.1.0/24` of subnet `subnet-a` at a.yaml:"),
  Refusal(
    "VPC without blocks", extra: "vpcs: [{id: v, vni: 9, cidrs: []}]", "vpcs[0].cidrs",
    "at least one CIDR block"),
  Refusal(
    "duplicate VNI", edit: ("vni: 200", "vni: 100"), at: "vpc-green, vni", "vpcs[1].vni",
    "VNI 100 is another VPC's; first at a.yaml:"),
  Refusal(
    "gateway with a VPC's VNI", edit: ("vni: 1}", "vni: 200}"), "internetGateways[0].vni",
    "VNI 200 is a VPC's, at a.yaml:"),
  Refusal(
    "public address of nobody", extra: nic("publicAddresses: {10.0.1.12: 203.0.113.9}"),
    "networkInterfaces[0].publicAddresses.10.0.1.12", "is not an address of this network"),
  Refusal(
    "public IPv6 address", extra: nic("publicAddresses: {10.0.1.11: 2001:db8::1}"),
    "networkInterfaces[0].publicAddresses.10.0.1.11", "must be an IPv4 address"),
  Refusal(
    "public address of an IPv6 address",
    extra: nic("publicAddresses: {\"fd00:10:0:1::b\": 203.0.113.9}", address: "\"fd00:10:0:1::b\""),
    "networkInterfaces[0].publicAddresses.fd00:10:0:1::b", "must be an IPv4 address"),
  Refusal(
    "duplicate public address", extra: nic("publicAddresses: {10.0.1.11: 203.0.113.10}"),
    "networkInterfaces[0].publicAddresses.10.0.1.11",
    "duplicate public address `203.0.113.10`; first at a.yaml:"),
  Refusal(
    "public address of one address twice",
    extra: nic("publicAddresses: {10.0.1.11: 203.0.113.8,\n  10.0.1.11: 203.0.113.9}"),
    at: "networkInterfaces", "networkInterfaces[0].publicAddresses.10.0.1.11", "is given twice"),
]
