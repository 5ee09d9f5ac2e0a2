let structureRefusals = [
  Refusal("not YAML", extra: "vpcs:\n  - {id: [", at: "- {id", "", "not valid YAML"),
  Refusal("a list as document", extra: "- 1", "", "must be an object with fields"),
  Refusal("two documents", extra: "version: 1\n---\nversion: 1", at: "---", "", "document"),
  Refusal("version 2", edit: ("version: 1", "version: 2"), "version", "from 1 to 1"),
  Refusal(
    "unknown field", edit: ("sourceDestCheck", "sourceDestCheek"),
    "networkInterfaces[0].sourceDestCheek", "did you mean `sourceDestCheck`?"),
  Refusal("unknown section", extra: "gateways: []", "gateways", "is not a known field"),
  Refusal(
    "field of the other direction", extra: sg("{protocol: all, to: 0.0.0.0/0}"),
    "securityGroups[0].ingress[0].to", "is not a known field", count: 2),
  Refusal("missing field", edit: ("vni: 100, ", ""), at: "vpc-blue", "vpcs[0].vni", "is missing"),
  Refusal(
    "repeated key", edit: ("encapsulation: geneve", "encapsulation: geneve\n  mtu: 1500"),
    at: "mtu: 9100", "host.mtu", "is given twice; first at a.yaml:"),
  Refusal(
    "list for text", edit: ("vpc: vpc-blue, cidrs", "vpc: [vpc-blue], cidrs"),
    "subnets[0].vpc", "must be text, not a list"),
  Refusal(
    "text for list", edit: ("[sg-web]", "sg-web"),
    at: "securityGroups: sg-web", "networkInterfaces[0].securityGroups", "must be a list"),
  Refusal("object for list", extra: "vpcs: {id: a}", "vpcs", "must be a list, not an object"),
  Refusal("text for object", extra: "networkACLs: [acl]", "networkACLs[0]", "must be an object"),
  Refusal("host twice", extra: hostText, "host", "is given twice; first at a.yaml:"),
  Refusal("policy twice", extra: "policy: {}", "policy", "is given twice; first at a.yaml:"),
  Refusal(
    "empty egress", extra: "securityGroups:\n  - id: sg-x\n    vpc: vpc-blue\n    egress:",
    at: "egress", "securityGroups[0].egress", "write [] for no egress"),
]

let hostText = "host: {address: 192.0.2.9, mac: 02:aa:00:00:00:01, gatewayMAC: 02:aa:00:00:00:fe}"

/// A second file with one group of one rule.
func sg(_ rule: String) -> String {
  "securityGroups: [{id: sg-x, vpc: vpc-blue, ingress: [\(rule)]}]"
}

/// A second file with one network ACL of some ingress rules.
func acl(_ rules: String) -> String {
  "networkACLs: [{id: acl-x, vpc: vpc-blue, ingress: [\(rules)]}]"
}

/// A second file with one NIC.
func nic(_ fields: String, mac: String = "02:00:00:00:00:0b", address: String = "10.0.1.11")
  -> String
{
  "networkInterfaces: [{id: eni-x, subnet: subnet-a, mac: \"\(mac)\", addresses: [\(address)],"
    + " \(fields)}]"
}

private let limits = "networkInterfaces[0].limits"
private let tracking = "networkInterfaces[0].connectionTracking"

let scalarRefusals = [
  Refusal(
    "bad CIDR", edit: ("10.9.0.0/16]", "10.9.0.0/33]"), "vpcs[1].cidrs[0]",
    "is not a CIDR block"),
  Refusal(
    "address for CIDR", extra: "prefixLists: [{id: pl-x, entries: [10.0.0.1]}]",
    "prefixLists[0].entries[0]", "write `10.0.0.1/32`"),
  Refusal(
    "bad address", edit: ("address: 192.0.2.1", "address: 192.0.2.256"), "host.address",
    "is not an IPv4 or IPv6 address"),
  Refusal(
    "address with NUL", extra: nic("publicAddresses: {\"10.0.1.11\\0x\": 203.0.113.1}"),
    "networkInterfaces[0].publicAddresses.10.0.1.11\0x", "is not an IPv4 or IPv6 address"),
  Refusal(
    "host is multicast", edit: ("address: 192.0.2.1", "address: 224.0.0.1"), "host.address",
    "is not the address of a host"),
  Refusal(
    "bad MAC", edit: ("gatewayMAC: 02:aa", "gatewayMAC: 2:aa"), "host.gatewayMAC",
    "is not a MAC address"),
  Refusal(
    "multicast MAC", extra: nic("", mac: "01:00:00:00:00:01"), "networkInterfaces[0].mac",
    "multicast"),
  Refusal(
    "the router's MAC", extra: nic("", mac: "02:61:70:75:73:01"), "networkInterfaces[0].mac",
    "virtual router"),
  Refusal("MTU too small", edit: ("mtu: 9100", "mtu: 575"), "host.mtu", "from 576 to 65535"),
  Refusal(
    "VNI over 24 bits", edit: ("vni: 200", "vni: 16777216"), "vpcs[1].vni",
    "from 0 to 16777215"),
  Refusal(
    "quoted number", edit: ("vni: 200", "vni: \"200\""), "vpcs[1].vni",
    "must be a whole number, not `200`"),
  Refusal("octal number", edit: ("vni: 200", "vni: 0200"), "vpcs[1].vni", "whole number"),
  Refusal(
    "number as id", edit: ("id: pl-office", "id: 17"), "prefixLists[0].id",
    "must be text, not the number 17", count: 2),
  Refusal(
    "id with a slash", extra: "prefixLists: [{id: pl/x, entries: []}]", "prefixLists[0].id",
    "slash"),
  Refusal(
    "id with a space", extra: "prefixLists: [{id: pl x, entries: []}]", "prefixLists[0].id",
    "no spaces"),
  Refusal(
    "address as id", extra: "prefixLists: [{id: 10.0.0.1, entries: []}]", "prefixLists[0].id",
    "is an address, not an id"),
  Refusal(
    "reserved id", edit: ("id: pcx-green", "id: blackhole"), "peerings[0].id", "route's target",
    count: 2),
  Refusal(
    "word for boolean", edit: ("sourceDestCheck: true", "sourceDestCheck: maybe"),
    "networkInterfaces[0].sourceDestCheck", "true or false"),
  Refusal(
    "bad encapsulation", edit: ("encapsulation: geneve", "encapsulation: gre"),
    "host.encapsulation", "must be `geneve` or `vxlan`, not `gre`"),
  Refusal(
    "bad policy", edit: ("midstream: evaluate", "midstream: allow"), "policy.midstream",
    "`evaluate` or `drop`"),
  Refusal("duration without unit", edit: ("udp: 30s", "udp: 30"), tracking + ".udp", "no unit"),
  Refusal(
    "duration with bad unit", edit: ("udp: 30s", "udp: 30sec"), tracking + ".udp",
    "unknown unit `sec`"),
  Refusal("duration of zero", edit: ("udp: 30s", "udp: 0s"), tracking + ".udp", "above zero"),
  Refusal("negative duration", edit: ("udp: 30s", "udp: -1s"), tracking + ".udp", "not a duration"),
  Refusal(
    "duration too long", edit: ("udp: 30s", "udp: 99999999999999s"), tracking + ".udp",
    "too large"),
  Refusal(
    "bandwidth without unit", edit: ("bandwidthIn: 5Gbps", "bandwidthIn: 5"),
    limits + ".bandwidthIn", "no unit"),
  Refusal("bad size", edit: ("burst: 2MB", "burst: 2MBit"), limits + ".burst", "unknown unit"),
  Refusal(
    "rate of zero", edit: ("packetsPerSecond: 500000", "packetsPerSecond: 0"),
    limits + ".packetsPerSecond", "from 1 to"),
  Refusal(
    "negative connections", edit: ("connections: 100000", "connections: -1"),
    limits + ".connections", "from 0 to"),
]

private let rule = "securityGroups[0].ingress[0]"
private let aclRule = "networkACLs[0].ingress[0]"

let ruleRefusals = [
  Refusal(
    "range ends before it starts", edit: ("8000-8100", "8100-8000"),
    "securityGroups[0].ingress[1].ports", "ends before it starts"),
  Refusal(
    "port above 65535", edit: ("ports: 443", "ports: 65536"), rule + ".ports",
    "above 65535"),
  Refusal(
    "bad port in a list", edit: ("ports: 443", "ports: [80, http]"), rule + ".ports[1]",
    "must be a port"),
  Refusal("empty port list", edit: ("ports: 443", "ports: []"), rule + ".ports", "at least one"),
  Refusal(
    "empty ports", edit: ("ports: 443", "ports: "), at: "ports: ,", rule + ".ports",
    "must be a port"),
  Refusal(
    "ports of icmp", extra: sg("{protocol: icmp, ports: 80, from: 10.0.0.0/8}"),
    rule + ".ports", "only tcp, udp and sctp have ports"),
  Refusal(
    "ports of all", extra: sg("{protocol: all, ports: 80, from: 10.0.0.0/8}"),
    rule + ".ports", "only tcp, udp and sctp have ports"),
  Refusal(
    "type of tcp", extra: sg("{protocol: tcp, type: 8, from: 10.0.0.0/8}"), rule + ".type",
    "only icmp and icmpv6 have a type"),
  Refusal(
    "code of all", extra: sg("{protocol: all, code: any, from: 10.0.0.0/8}"), rule + ".code",
    "only icmp and icmpv6 have a code"),
  Refusal(
    "code without type", extra: sg("{protocol: icmp, code: 1, from: 10.0.0.0/8}"),
    rule + ".code", "needs a `type`"),
  Refusal(
    "type above 255", edit: ("type: 8", "type: 256"), "securityGroups[0].ingress[2].type",
    "0 to 255"),
  Refusal(
    "bad protocol", extra: sg("{protocol: tpc, from: 10.0.0.0/8}"), rule + ".protocol",
    "must be `all`"),
  Refusal(
    "protocol above 255", extra: sg("{protocol: 256, from: 10.0.0.0/8}"), rule + ".protocol",
    "0 to 255"),
  Refusal(
    "bad CIDR in a rule", extra: sg("{protocol: all, from: [10.0.0.0/8, 10.0.0.0/40]}"),
    rule + ".from[1]", "is not a CIDR block"),
  Refusal(
    "address in a rule", extra: sg("{protocol: all, from: 10.0.0.1}"), rule + ".from",
    "write `10.0.0.1/32`"),
  Refusal(
    "duplicate rule id",
    extra: sg("{id: r, protocol: all, from: []}, {id: r, protocol: all, from: []}"),
    "securityGroups[0].ingress[1].id", "duplicate rule id `r`; first at b.yaml:1"),
  Refusal(
    "ACL rule 0", extra: acl("{rule: 0, action: deny, protocol: all, cidr: 0.0.0.0/0}"),
    aclRule + ".rule", "from 1 to 32766"),
  Refusal(
    "ACL rule 32767", extra: acl("{rule: 32767, action: deny, protocol: all, cidr: 0.0.0.0/0}"),
    aclRule + ".rule", "from 1 to 32766"),
  Refusal(
    "ACL action", extra: acl("{rule: 1, action: drop, protocol: all, cidr: 0.0.0.0/0}"),
    aclRule + ".action", "`allow` or `deny`"),
  Refusal(
    "ACL group", extra: acl("{rule: 1, action: deny, protocol: all, cidr: sg-web}"),
    aclRule + ".cidr", "is not a CIDR block"),
  Refusal(
    "ACL rule number twice",
    extra: acl(
      "{rule: 7, action: deny, protocol: all, cidr: 0.0.0.0/0},\n"
        + "{rule: 7, action: allow, protocol: all, cidr: 0.0.0.0/0}"),
    at: "{rule: 7, action: allow",
    "networkACLs[0].ingress[1].rule", "duplicate rule number 7; first at b.yaml:1"),
  Refusal(
    "route to nonsense", edit: ("to: 172.16.0.0/12", "to: 172.16.0.0"),
    "routeTables[0].routes[2].to", "write `172.16.0.0/32`"),
  Refusal(
    "route twice", edit: ("to: 172.16.0.0/12", "to: 10.9.1.0/16"),
    "routeTables[0].routes[2].to", "is given twice; first at a.yaml:"),
]
