import Explanation
import Tables
import VPCModel
import Wire

/// Why a record tells no flow (AWS, "Flow log records", `log-status`).
package enum FlowLogStatus: String, Sendable {
  /// There was no traffic to or from the network interface.
  case noData = "NODATA"
  /// Some records are missing.
  case skipData = "SKIPDATA"
}

/// Turns records into lines: what the model knows about a NIC, in AWS's words.
package struct FlowLogNames: Sendable {
  package let format: FlowLogFormat
  private let model: VPCModel
  private let ruleNames: [String]
  private let subnets: [String: Subnet]
  private let vpcs: [String: VPC]
  private let primaries: [IPAddress?]
  /// Places in the model's network interfaces by the number of the NIC.
  private let places: [TableIndex: Int]?

  /// - Parameters:
  ///   - ruleNames: by the number of the rule.
  ///   - places: in the model's network interfaces, by the number of the NIC; nil when both are
  ///     the same.
  package init(
    model: VPCModel, ruleNames: [String], format: FlowLogFormat, places: [TableIndex: Int]? = nil
  ) {
    self.model = model
    self.format = format
    self.ruleNames = ruleNames
    self.places = places
    subnets = Dictionary(model.subnets.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    vpcs = Dictionary(model.vpcs.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    primaries = model.networkInterfaces.map { nic in
      nic.addresses.first { $0.family == .v4 }
    }
  }

  private func place(_ nic: TableIndex) -> Int? {
    let place = places == nil ? Int(nic) : places?[nic] ?? -1
    return model.networkInterfaces.indices.contains(place) ? place : nil
  }

  /// The id of a network interface; nil for a number that is nobody's.
  package func interface(_ nic: TableIndex) -> String? {
    place(nic).map { model.networkInterfaces[$0].id }
  }

  /// Ids of all network interfaces, in the order of the model.
  package var interfaces: [String] { model.networkInterfaces.map(\.id) }

  /// The line of a record, with its line feed.
  package func line(_ record: FlowLogRecord) -> String {
    let nic = place(record.key.nic).map { model.networkInterfaces[$0] }
    return format.fields.map { value($0, record, nic) }.joined(separator: " ") + "\n"
  }

  /// The line of an interval without records of its own, with its line feed; what only a flow has
  /// is `-` (AWS, "Flow log record examples").
  ///
  /// - Parameters:
  ///   - interface: id; one that the model does not have any more has no other names.
  ///   - start: nanoseconds since 1970.
  package func line(
    _ status: FlowLogStatus, interface: String, start: UInt64, end: UInt64
  ) -> String {
    let nic = model.networkInterfaces.first { $0.id == interface }
    let words = format.fields.map { field in
      switch field {
      case .version: "\(format.version)"
      case .interfaceID: interface
      case .start: "\(start / 1_000_000_000)"
      case .end: "\(end / 1_000_000_000)"
      case .logStatus: status.rawValue
      case .vpcID: nic.flatMap { subnets[$0.subnet]?.vpc } ?? "-"
      case .subnetID: nic?.subnet ?? "-"
      default: "-"
      }
    }
    return words.joined(separator: " ") + "\n"
  }

  private func value(
    _ field: FlowLogField, _ record: FlowLogRecord, _ nic: NetworkInterface?
  ) -> String {
    let tuple = record.key.tuple
    return switch field {
    case .version: "\(format.version)"
    case .interfaceID: nic?.id ?? "-"
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
    case .vpcID: nic.flatMap { subnets[$0.subnet]?.vpc } ?? "-"
    case .subnetID: nic?.subnet ?? "-"
    case .tcpFlags: "\(record.tcpFlags)"
    case .type: tuple.source.family == .v4 ? "IPv4" : "IPv6"
    case .flowDirection: record.key.isIngress ? "ingress" : "egress"
    case .trafficPath: trafficPath(record, nic)
    case .apusRule: ruleName(record.rule)
    case .apusReason: record.reason == .none ? "-" : record.reason.name
    // AWS's reasons are others than groups and ACLs, for which it writes `-` too.
    case .rejectReason: "-"
    case .accountID, .instanceID, .region, .azID, .sublocationType, .sublocationID,
      .pktSrcAWSService, .pktDstAWSService, .resourceID, .encryptionStatus:
      "-"
    }
  }

  private func ruleName(_ rule: UInt32) -> String {
    rule == 0 || rule >= ruleNames.count ? "-" : ruleNames[Int(rule)]
  }

  /// `srcaddr` and `dstaddr` show the NIC's primary private IPv4 address on its own side.
  private func ownAddress(_ record: FlowLogRecord, _ address: IPAddress) -> IPAddress {
    guard address.family == .v4 else { return address }
    return place(record.key.nic).flatMap { primaries[$0] } ?? address
  }

  /// The destination as the guest sees it: an internet gateway's packet came for the public one.
  private func privateAddress(_ record: FlowLogRecord, _ nic: NetworkInterface?) -> IPAddress {
    let destination = record.key.tuple.destination
    guard record.key.isIngress else { return destination }
    return nic?.publicAddresses.first { $0.publicAddress == destination }?.privateAddress
      ?? destination
  }

  /// 1 inside the VPC or by a NIC of it, 4 peering, 8 internet gateway; `-` otherwise.
  private func trafficPath(_ record: FlowLogRecord, _ nic: NetworkInterface?) -> String {
    guard !record.key.isIngress, record.key.isAccepted, let nic, let subnet = subnets[nic.subnet]
    else {
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
