import FlowLogs
import Reachability
import Replay
import VPCModel
import Wire

/// A record of a flow log, as far as it is compared.
struct FlowLogLine {
  enum Status: String {
    case ok = "OK"
    case noData = "NODATA"
    case skipData = "SKIPDATA"
  }

  var interface: String
  var source: IPAddress
  var destination: IPAddress
  var sourcePort: UInt16
  var destinationPort: UInt16
  var protocolNumber: UInt8
  var packets: UInt64
  var isAccepted: Bool
  /// nil when the log does not say.
  var isIngress: Bool?
  /// FIN 1, SYN 2, RST 4, SYN with ACK 18, of all packets; nil when the log does not say.
  var tcpFlags: UInt8?
  /// Why Apus dropped the first packet; nil when the log does not say, or it was forwarded.
  var reason: String?

  /// Whether it can be what comes back in a conversation: by SYN and ACK, or else by ports, as who
  /// asks has the higher one nearly always.
  var mayBeAnswer: Bool {
    guard ProbeTraffic.hasPorts(protocolNumber) else { return true }
    if let tcpFlags, protocolNumber == IPProtocol.tcp, tcpFlags & 2 != 0 {
      return tcpFlags & 16 != 0
    }
    return sourcePort <= destinationPort
  }

  /// Neither a rule of a group nor of an ACL refused it: of such packets AWS writes no records.
  var isDroppedOtherwise: Bool {
    guard let reason else { return false }
    return !reason.hasPrefix("sg.") && !reason.hasPrefix("acl.")
  }
}

/// Why a line is no record.
struct FlowLogLineError: Error, Equatable {
  var why: String
}

/// The columns of a flow log that are compared.
struct FlowLogColumns {
  let fields: [FlowLogField]
  private let places: [FlowLogField: Int]

  /// Fields without which nothing can be compared; addresses also by their other names.
  private static let needed: [[FlowLogField]] = [
    [.interfaceID], [.pktSrcaddr, .srcaddr], [.pktDstaddr, .dstaddr], [.srcport], [.dstport],
    [.protocolNumber], [.action],
  ]

  /// - Throws: when a field that is needed is not there.
  init(_ fields: [FlowLogField]) throws(FlowLogLineError) {
    self.fields = fields
    places = Dictionary(
      fields.enumerated().map { ($0.element, $0.offset) }, uniquingKeysWith: { first, _ in first })
    let known = places
    let lacking = Self.needed.filter { names in names.allSatisfy { known[$0] == nil } }
    if !lacking.isEmpty {
      let names = lacking.map { $0.map(\.rawValue).joined(separator: " or ") }
      throw FlowLogLineError(why: "the log lacks the fields \(names.joined(separator: ", "))")
    }
  }

  /// The fields that a first line names; nil when it is a record.
  static func header(_ line: String) -> [FlowLogField]? {
    let fields = line.split(separator: " ").map { FlowLogField(rawValue: String($0)) }
    let known = fields.compactMap { $0 }
    return known.count == fields.count && !known.isEmpty ? known : nil
  }

  /// Reads a record.
  ///
  /// - Returns: the status alone for a record without data.
  func read(_ line: String) throws(FlowLogLineError) -> (FlowLogLine.Status, FlowLogLine?) {
    let words = line.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == fields.count else {
      throw FlowLogLineError(
        why: "\(words.count) fields, where the log's format has \(fields.count)")
    }
    func word(_ field: FlowLogField) -> String? { places[field].map { String(words[$0]) } }
    if let text = word(.logStatus) {
      guard let status = FlowLogLine.Status(rawValue: text) else {
        throw FlowLogLineError(why: "log-status '\(oneLine(text))' is not OK, NODATA or SKIPDATA")
      }
      if status != .ok { return (status, nil) }
    }
    func address(_ names: [FlowLogField]) throws(FlowLogLineError) -> IPAddress {
      let text = names.lazy.compactMap(word).first { $0 != "-" } ?? "-"
      // The C parser behind addresses would stop at a NUL and accept what is before it.
      guard !text.utf8.contains(0), let address = IPAddress(text) else {
        throw FlowLogLineError(
          why: "\(names[names.count - 1].rawValue) '\(oneLine(text))' is no address")
      }
      return address
    }
    func number<T: FixedWidthInteger>(_ field: FlowLogField, _: T.Type) throws(FlowLogLineError)
      -> T
    {
      let text = word(field) ?? "-"
      let isNumber = text.utf8.allSatisfy { (0x30...0x39).contains($0) }
      guard isNumber, let number = T(text) else {
        throw FlowLogLineError(
          why: "\(field.rawValue) '\(oneLine(text))' is no number below \(T.max)")
      }
      return number
    }
    func choice(_ field: FlowLogField, _ yes: String, _ no: String) throws(FlowLogLineError) -> Bool
    {
      let text = word(field) ?? "-"
      guard text == yes || text == no else {
        throw FlowLogLineError(
          why: "\(field.rawValue) '\(oneLine(text))' is neither \(yes) nor \(no)")
      }
      return text == yes
    }
    let direction = word(.flowDirection) ?? "-"
    let record = FlowLogLine(
      interface: word(.interfaceID) ?? "-", source: try address([.pktSrcaddr, .srcaddr]),
      destination: try address([.pktDstaddr, .dstaddr]),
      sourcePort: try number(.srcport, UInt16.self),
      destinationPort: try number(.dstport, UInt16.self),
      protocolNumber: try number(.protocolNumber, UInt8.self),
      packets: places[.packets] == nil ? 1 : try number(.packets, UInt64.self),
      isAccepted: try choice(.action, "ACCEPT", "REJECT"),
      isIngress: direction == "-" ? nil : try choice(.flowDirection, "ingress", "egress"),
      tcpFlags: word(.tcpFlags).flatMap { UInt8($0) },
      reason: word(.apusReason).flatMap { $0 == "-" ? nil : $0 })
    guard record.source.family == record.destination.family else {
      throw FlowLogLineError(why: "one address is IPv4, the other IPv6")
    }
    return (.ok, record)
  }
}
