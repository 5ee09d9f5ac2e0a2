/// The longest time that a record covers, in seconds: one of the two that AWS offers.
public enum FlowLogInterval: Int, Sendable, CaseIterable {
  case oneMinute = 60
  case tenMinutes = 600
}

/// A field of a flow log record: AWS's names and versions, and two of ours.
public enum FlowLogField: String, CaseIterable, Sendable {
  case version
  case accountID = "account-id"
  case interfaceID = "interface-id"
  case srcaddr, dstaddr, srcport, dstport
  case protocolNumber = "protocol"
  case packets, bytes, start, end, action
  case logStatus = "log-status"
  case vpcID = "vpc-id"
  case subnetID = "subnet-id"
  case instanceID = "instance-id"
  case tcpFlags = "tcp-flags"
  case type
  case pktSrcaddr = "pkt-srcaddr"
  case pktDstaddr = "pkt-dstaddr"
  case region
  case azID = "az-id"
  case sublocationType = "sublocation-type"
  case sublocationID = "sublocation-id"
  case pktSrcAWSService = "pkt-src-aws-service"
  case pktDstAWSService = "pkt-dst-aws-service"
  case flowDirection = "flow-direction"
  case trafficPath = "traffic-path"
  case rejectReason = "reject-reason"
  case resourceID = "resource-id"
  case encryptionStatus = "encryption-status"
  /// The rule that decided the record's first packet.
  case apusRule = "apus-rule"
  /// Why the record's first packet was dropped.
  case apusReason = "apus-reason"

  /// The AWS record version that brought the field; 0 for ours.
  var version: Int {
    switch self {
    case .version, .accountID, .interfaceID, .srcaddr, .dstaddr, .srcport, .dstport,
      .protocolNumber, .packets, .bytes, .start, .end, .action, .logStatus:
      2
    case .vpcID, .subnetID, .instanceID, .tcpFlags, .type, .pktSrcaddr, .pktDstaddr: 3
    case .region, .azID, .sublocationType, .sublocationID: 4
    case .pktSrcAWSService, .pktDstAWSService, .flowDirection, .trafficPath: 5
    case .rejectReason: 8
    case .resourceID: 9
    case .encryptionStatus: 10
    case .apusRule, .apusReason: 0
    }
  }
}

/// Why a text is no format of records.
public struct FlowLogFormatError: Error, Equatable, Sendable {
  public var why: String
}

/// The fields of a flow log's records, in order.
public struct FlowLogFormat: Sendable, Equatable {
  public let fields: [FlowLogField]

  /// AWS's version 2 record, then `apus-rule` and `apus-reason`.
  public init() {
    fields = FlowLogField.allCases.filter { $0.version == 2 || $0.version == 0 }
  }

  /// Parses AWS's notation, `${version} ${interface-id} ...`.
  ///
  /// - Throws: for anything that is not `${FIELD}`, or an unknown field.
  public init(_ text: String) throws(FlowLogFormatError) {
    var fields: [FlowLogField] = []
    for word in text.split(separator: " ") {
      guard word.hasPrefix("${"), word.hasSuffix("}"), word.utf8.count > 3 else {
        throw FlowLogFormatError(why: "'\(word)' is not of the form ${FIELD}")
      }
      let name = String(word.dropFirst(2).dropLast())
      guard let field = FlowLogField(rawValue: name) else {
        let known = FlowLogField.allCases.map(\.rawValue).joined(separator: ", ")
        throw FlowLogFormatError(why: "there is no field '\(name)'; the fields are \(known)")
      }
      fields.append(field)
    }
    if fields.isEmpty { throw FlowLogFormatError(why: "it names no field") }
    self.fields = fields
  }

  /// AWS's version 2 record, the default there.
  public static var version2: [FlowLogField] {
    FlowLogField.allCases.filter { $0.version == 2 }
  }

  /// The first line of the file: the names of the fields.
  public var header: String { fields.map(\.rawValue).joined(separator: " ") }

  /// The highest AWS version among the fields, at least 2.
  public var version: Int { max(2, fields.map(\.version).max() ?? 2) }
}
