/// The fields of one kind of object in a model file, or in a file of the same form.
///
/// The loader refuses every other field, and the tests hold the JSON Schema against this table.
package struct ObjectFields: Sendable {
  /// The name of the definition in the JSON Schema; empty for the document itself.
  let name: String
  let required: [String]
  let optional: [String]

  var all: [String] { required + optional }

  package init(name: String, required: [String], optional: [String]) {
    self.name = name
    self.required = required
    self.optional = optional
  }

  static let document = ObjectFields(
    name: "", required: [],
    optional: [
      "version", "host", "vpcs", "subnets", "networkInterfaces", "securityGroups", "prefixLists",
      "networkACLs", "routeTables", "internetGateways", "peerings", "mappings", "policy",
    ])

  /// The fields of a document that may have one more section.
  static func document(with section: String?) -> ObjectFields {
    guard let section else { return document }
    return ObjectFields(name: "", required: [], optional: document.optional + [section])
  }

  static let host = ObjectFields(
    name: "host", required: ["address", "mac", "gatewayMAC"], optional: ["encapsulation", "mtu"])
  static let vpc = ObjectFields(name: "vpc", required: ["id", "vni", "cidrs"], optional: [])
  static let subnet = ObjectFields(
    name: "subnet", required: ["id", "vpc", "cidrs"], optional: ["routeTable", "networkACL"])
  static let networkInterface = ObjectFields(
    name: "networkInterface", required: ["id", "subnet", "mac", "addresses"],
    optional: [
      "securityGroups", "sourceDestCheck", "publicAddresses", "connectionTracking", "limits",
    ])
  static let connectionTracking = ObjectFields(
    name: "connectionTracking", required: [], optional: ["tcpEstablished", "udp", "udpStream"])
  static let limits = ObjectFields(
    name: "limits", required: [],
    optional: [
      "bandwidthIn", "bandwidthOut", "burst", "packetsPerSecond", "connections",
      "connectionsPerSecond", "linkLocalPacketsPerSecond",
    ])
  static let securityGroup = ObjectFields(
    name: "securityGroup", required: ["id", "vpc"], optional: ["ingress", "egress"])
  static let ingressRule = ObjectFields(
    name: "ingressRule", required: ["protocol", "from"], optional: ["id", "ports", "type", "code"])
  static let egressRule = ObjectFields(
    name: "egressRule", required: ["protocol", "to"], optional: ["id", "ports", "type", "code"])
  static let prefixList = ObjectFields(
    name: "prefixList", required: ["id", "entries"], optional: [])
  static let networkACL = ObjectFields(
    name: "networkACL", required: ["id", "vpc"], optional: ["ingress", "egress"])
  static let networkACLRule = ObjectFields(
    name: "networkACLRule", required: ["rule", "action", "protocol", "cidr"],
    optional: ["id", "ports", "type", "code"])
  static let routeTable = ObjectFields(
    name: "routeTable", required: ["id", "vpc"], optional: ["routes"])
  static let route = ObjectFields(name: "route", required: ["to", "via"], optional: ["id"])
  static let internetGateway = ObjectFields(
    name: "internetGateway", required: ["id", "vpc", "host", "vni"], optional: [])
  static let peering = ObjectFields(name: "peering", required: ["id", "vpcs"], optional: [])
  static let mapping = ObjectFields(
    name: "mapping", required: ["vpc", "address", "host", "mac"], optional: [])
  static let policy = ObjectFields(
    name: "policy", required: [], optional: ["midstream", "onRuleChange"])

  /// Every kind of object, for tests.
  static let kinds: [ObjectFields] = [
    document, host, vpc, subnet, networkInterface, connectionTracking, limits, securityGroup,
    ingressRule, egressRule, prefixList, networkACL, networkACLRule, routeTable, route,
    internetGateway, peering, mapping, policy,
  ]

  /// The field that was probably meant by `name`; nil when none is close.
  func suggestion(for name: String) -> String? {
    guard name.utf8.count <= 64 else { return nil }
    let lowered = name.lowercased()
    let best = all.map { (field: $0, distance: editDistance($0.lowercased(), lowered)) }
      .min { $0.distance < $1.distance }
    guard let best, best.distance <= max(1, min(3, name.utf8.count / 3)) else { return nil }
    return best.field
  }
}

/// The number of characters to insert, delete or replace to make one text the other (Levenshtein).
private func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.utf8), Array(b.utf8))
  var row = Array(0...b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
    }
  }
  return row[b.count]
}
