import ControlProtocol
import Controller
import GRPCCore
import SwiftProtobuf

// The controller's values as messages.

extension ObjectKind {
  /// A kind by the name that a request gives.
  init(api name: String) throws {
    guard let kind = ObjectKind(rawValue: name) else {
      let names = ObjectKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw RPCError.wrong("\(Refusal.printable(name)): no such kind (there are: \(names))")
    }
    self = kind
  }
}

extension Apus_V1_ObjectReference {
  init(_ reference: ObjectReference) {
    self = .with {
      $0.kind = reference.kind.rawValue
      $0.id = reference.id
    }
  }
}

extension Apus_V1_ApplyResponse {
  private static let changeLimit = 10_000
  private static let interfaceLimit = 10_000
  private static let warningLimit = 1000

  init(_ outcome: ChangeOutcome) {
    self = .with {
      $0.generation = outcome.generation
      $0.changeCount = UInt64(outcome.changes.count)
      $0.changes = outcome.changes.prefix(Self.changeLimit).map { Apus_V1_Change($0) }
      $0.warnings = Array(outcome.warnings.prefix(Self.warningLimit))
      let most = outcome.affectedConnections.filter { $0.value > 0 }
        .sorted { ($0.value, $1.key) > ($1.value, $0.key) }
      for (interface, count) in most.prefix(Self.interfaceLimit) {
        $0.affectedConnections[interface] = UInt64(count)
      }
    }
  }
}

extension Apus_V1_Change {
  init(_ change: ChangeOutcome.Change) {
    self = .with {
      $0.object = Apus_V1_ObjectReference(change.reference)
      $0.action =
        switch change.action {
        case .created: .created
        case .changed: .changed
        case .deleted: .deleted
        }
    }
  }
}

extension Apus_V1_StatusResponse {
  init(_ status: ControlStatus) {
    self = .with {
      $0.version = status.version
      $0.generation = status.generation
      $0.changedAt = Google_Protobuf_Timestamp(
        seconds: Int64(status.changedAt / 1_000_000_000),
        nanos: Int32(status.changedAt % 1_000_000_000))
      $0.forwarding = status.isForwarding
      for (kind, count) in status.objectCounts { $0.objectCounts[kind.rawValue] = UInt64(count) }
      $0.warnings = status.warnings
    }
  }
}

extension Google_Protobuf_Duration {
  init(nanoseconds: UInt64) {
    self.init(
      seconds: Int64(nanoseconds / 1_000_000_000), nanos: Int32(nanoseconds % 1_000_000_000))
  }
}

extension ConnectionFilter {
  package init(api request: Apus_V1_ConnectionsRequest) throws {
    self.init()
    if !request.networkInterface.isEmpty { networkInterface = request.networkInterface }
    if !request.address.isEmpty { address = request.address }
    if request.hasProtocol {
      guard let number = UInt8(exactly: request.protocol) else {
        throw RPCError.wrong("protocol: \(request.protocol) is no IP protocol number (0 to 255)")
      }
      protocolNumber = number
    }
    if request.hasPort {
      guard let number = UInt16(exactly: request.port) else {
        throw RPCError.wrong("port: \(request.port) is no port (0 to 65535)")
      }
      port = number
    }
  }
}

extension Apus_V1_ConnectionsResponse {
  /// Connections in messages of bounded size, at least one.
  static func messages(_ list: ConnectionList) -> [Self] {
    Batches.of(list.connections, ControlService.batch).map { batch in
      .with {
        $0.truncated = list.isCut
        $0.connections = batch.map { Apus_V1_Connection($0) }
      }
    }
  }
}

extension Apus_V1_Connection {
  init(_ connection: ConnectionList.Connection) {
    self = .with {
      $0.networkInterface = connection.networkInterface
      $0.protocol = UInt32(connection.protocolNumber)
      $0.localAddress = connection.localAddress
      $0.localPort = UInt32(connection.localPort)
      $0.remoteAddress = connection.remoteAddress
      $0.remotePort = UInt32(connection.remotePort)
      $0.state = connection.state
      $0.rule = connection.rule
      $0.packets = connection.packets
      $0.bytes = connection.bytes
      $0.expiresIn = Google_Protobuf_Duration(nanoseconds: connection.expiresIn)
    }
  }
}

extension Apus_V1_ReadAuditResponse {
  static func messages(_ lines: [StoredAuditRecord]) -> [Self] {
    Batches.of(lines, 100).map { batch in
      .with {
        $0.records = batch.map { line in
          .with {
            $0.sequence = line.sequence
            $0.json = line.json
          }
        }
      }
    }
  }
}

extension Apus_V1_VerifyAuditResponse {
  init(_ verdict: AuditCheck) {
    self = .with {
      $0.intact = verdict.problem == nil
      $0.records = verdict.records
      $0.problem = verdict.problem ?? ""
    }
  }
}

/// Parts of a list.
enum Batches {
  /// Cuts a list into parts of at most `size`; an empty list has one empty part.
  static func of<Item>(_ items: [Item], _ size: Int) -> [ArraySlice<Item>] {
    if items.isEmpty { return [[]] }
    return stride(from: 0, to: items.count, by: size).map { start in
      items[start..<min(start + size, items.count)]
    }
  }
}
