import Explanation
import Tables
import VPCModel
import Wire

/// Turns records into lines: what the model knows about a NIC, in AWS's words.
struct FlowLogNames {
  let format: FlowLogFormat
  private let model: VPCModel
  private let ruleNames: [String]
  private let subnets: [String: Subnet]
  private let vpcs: [String: VPC]
  private let primaries: [IPAddress?]

  init(model: VPCModel, ruleNames: [String], format: FlowLogFormat) {
    self.model = model
    self.format = format
    self.ruleNames = ruleNames
    subnets = Dictionary(model.subnets.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    vpcs = Dictionary(model.vpcs.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    primaries = model.networkInterfaces.map { nic in
      nic.addresses.first { $0.family == .v4 }
    }
  }

  /// The line of a record, with its line feed.
  func line(_ record: FlowLog.Record) -> String {
    format.fields.map { value($0, record) }.joined(separator: " ") + "\n"
  }

  private func value(_ field: FlowLogField, _ record: FlowLog.Record) -> String {
    let tuple = record.key.tuple
    let nic = model.networkInterfaces[Int(record.key.nic)]
    return switch field {
    case .version: "\(format.version)"
    case .interfaceID: nic.id
    case .srcaddr: "\(record.key.isIngress ? tuple.source : ownAddress(record, tuple.source))"
    case .dstaddr:
      "\(record.key.isIngress ? ownAddress(record, tuple.destination) : tuple.destination)"
    case .pktSrcaddr: "\(tuple.source)"
    case .pktDstaddr: "\(privateAddress(record, nic))"
    case .srcport: "\(tuple.sourcePort)"
    case .dstport: "\(tuple.destinationPort)"
    case .protocolNumber: "\(tuple.protocolNumber)"
    case .packets: "\(record.packets)"
    case .bytes: "\(record.bytes)"
    case .start: "\(record.start / 1_000_000_000)"
    case .end: "\(record.end / 1_000_000_000)"
    case .action: record.key.isAccepted ? "ACCEPT" : "REJECT"
    case .logStatus: "OK"
    case .vpcID: subnets[nic.subnet]?.vpc ?? "-"
    case .subnetID: nic.subnet
    case .tcpFlags: "\(record.tcpFlags)"
    case .type: tuple.source.family == .v4 ? "IPv4" : "IPv6"
    case .flowDirection: record.key.isIngress ? "ingress" : "egress"
    case .trafficPath: trafficPath(record, nic)
    case .apusRule: record.rule == 0 ? "-" : ruleNames[Int(record.rule)]
    case .apusReason: record.reason == .none ? "-" : record.reason.name
    case .accountID, .instanceID, .region, .azID, .sublocationType, .sublocationID,
      .pktSrcAWSService, .pktDstAWSService, .rejectReason, .resourceID, .encryptionStatus:
      "-"
    }
  }

  /// `srcaddr` and `dstaddr` show the NIC's primary private IPv4 address on its own side.
  private func ownAddress(_ record: FlowLog.Record, _ address: IPAddress) -> IPAddress {
    guard address.family == .v4 else { return address }
    return primaries[Int(record.key.nic)] ?? address
  }

  /// The destination as the guest sees it: an internet gateway's packet came for the public one.
  private func privateAddress(_ record: FlowLog.Record, _ nic: NetworkInterface) -> IPAddress {
    let destination = record.key.tuple.destination
    guard record.key.isIngress else { return destination }
    return nic.publicAddresses.first { $0.publicAddress == destination }?.privateAddress
      ?? destination
  }

  /// 1 inside the VPC or by a NIC of it, 4 peering, 8 internet gateway; `-` otherwise.
  private func trafficPath(_ record: FlowLog.Record, _ nic: NetworkInterface) -> String {
    guard !record.key.isIngress, record.key.isAccepted, let subnet = subnets[nic.subnet] else {
      return "-"
    }
    let destination = record.key.tuple.destination
    if vpcs[subnet.vpc]?.cidrs.contains(where: { $0.contains(destination) }) ?? false { return "1" }
    guard let table = model.routeTables.first(where: { $0.id == subnet.routeTable }) else {
      return "-"
    }
    return switch target(table, destination) {
    case .networkInterface: "1"
    case .peering: "4"
    case .internetGateway: "8"
    case .blackhole, nil: "-"
    }
  }

  /// The longest route to an address; a CIDR wins over a prefix list of the same length.
  private func target(_ table: RouteTable, _ destination: IPAddress) -> RouteTarget? {
    var best: (length: Int, target: RouteTarget)?
    for route in table.routes {
      var length = -1
      switch route.destination {
      case .cidr(let prefix):
        if prefix.contains(destination) { length = prefix.length * 2 + 1 }
      case .prefixList(let id):
        for prefix in model.prefixLists.first(where: { $0.id == id })?.entries ?? []
        where prefix.contains(destination) {
          length = max(length, prefix.length * 2)
        }
      }
      if length > best?.length ?? -1 { best = (length, route.target) }
    }
    return best?.target
  }
}
