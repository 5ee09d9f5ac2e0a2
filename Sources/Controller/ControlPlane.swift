/// What callers of the API may ask of the controller.
///
/// Every call names its caller; the controller checks what the caller may do, writes the audit
/// record before anything takes effect, and writes one for refused calls too.
public protocol ControlPlane: Sendable {
  /// Applies a change whole or not at all, or tells what it would do.
  func apply(_ request: ChangeRequest, by caller: Caller) async throws(ControlError)
    -> ChangeOutcome

  /// Objects of the desired state, in the model's order; nil is all kinds, an empty list of ids all
  /// objects of the kind.
  func objects(_ kind: ObjectKind?, ids: [String], by caller: Caller) async throws(ControlError)
    -> ObjectList

  func status(by caller: Caller) async throws(ControlError) -> ControlStatus

  func counters(by caller: Caller) async throws(ControlError) -> HostCounters

  func connections(_ filter: ConnectionFilter, limit: Int, by caller: Caller)
    async throws(ControlError) -> ConnectionList

  /// Status after each change, the current one first. Ends when the caller goes; a caller that does
  /// not keep up gets the newest and misses those between.
  func watch(by caller: Caller) async throws(ControlError) -> AsyncStream<ControlStatus>

  /// Packets as they are judged, with every step, until a limit is reached or the caller goes.
  func trace(_ request: TraceRequest, by caller: Caller) async throws(ControlError)
    -> AsyncStream<ObservationBatch<TracedPacket>>

  /// Packets with their frames, until a limit is reached or the caller goes. Whole packets need
  /// `Permission.payload` too.
  func capture(_ request: CaptureRequest, by caller: Caller) async throws(ControlError)
    -> AsyncStream<ObservationBatch<CapturedPacket>>

  /// Judges packets by a candidate state beside the one in force, until its time is over or the
  /// caller goes. Needs `Permission.trace`, and what the change needs.
  func shadow(_ request: ShadowRequest, by caller: Caller) async throws(ControlError) -> any Shadow

  /// A call that the API itself refused, before it could become one of those above (bad message,
  /// bad certificate, unknown method, no identity): only recorded.
  func recordRefusal(method: String, by caller: Caller, why: String) async
}

/// The kinds of objects that a desired state has; the names are the model file's fields.
public enum ObjectKind: String, Sendable, CaseIterable {
  case host, policy
  case vpcs, subnets, networkInterfaces, securityGroups, prefixLists, networkACLs, routeTables
  case internetGateways, peerings, mappings
  /// Guest ports, in the form of the host file's `guests`; the id is that of the network interface.
  case ports
}

/// Names an object: `host` and `policy` have an empty id, a mapping's is `VPC/ADDRESS`.
public struct ObjectReference: Sendable, Hashable {
  public var kind: ObjectKind
  public var id: String

  public init(_ kind: ObjectKind, _ id: String = "") {
    self.kind = kind
    self.id = id
  }
}

/// A change of the desired state.
public struct ChangeRequest: Sendable {
  public enum Content: Sendable {
    /// The whole desired state: what is not there goes. Model documents (YAML or JSON) with a name
    /// each for errors; a document may also have `ports`.
    case whole([ModelDocument])
    /// Adds or replaces the documents' objects, and deletes others.
    case patch(set: [ModelDocument], delete: [ObjectReference])
  }

  public var content: Content
  /// Refused unless the state has this generation.
  public var expectedGeneration: UInt64?
  /// Validates and tells what would change; changes nothing.
  public var isDryRun = false
  /// `keep` or `cut` for this change only; nil as the model's policy says.
  public var onRuleChange: String?

  public init(_ content: Content) { self.content = content }
}

public struct ModelDocument: Sendable, Equatable {
  public var name: String
  public var text: String

  public init(name: String, text: String) {
    self.name = name
    self.text = text
  }
}

/// What a change did, or would do.
public struct ChangeOutcome: Sendable, Equatable {
  public enum Action: String, Sendable { case created, changed, deleted }

  public struct Change: Sendable, Equatable {
    public var reference: ObjectReference
    public var action: Action

    public init(_ reference: ObjectReference, _ action: Action) {
      self.reference = reference
      self.action = action
    }
  }

  /// Of the state after the change; as before when nothing changed or on a dry run.
  public var generation: UInt64
  /// Empty when the state is already as asked.
  public var changes: [Change]
  /// Live connections that the new rules no longer allow, by network interface.
  public var affectedConnections: [String: Int]
  /// Warnings that `apus check` would give, a line each.
  public var warnings: [String]

  public init(
    generation: UInt64, changes: [Change] = [], affectedConnections: [String: Int] = [:],
    warnings: [String] = []
  ) {
    self.generation = generation
    self.changes = changes
    self.affectedConnections = affectedConnections
    self.warnings = warnings
  }
}

/// Objects as canonical JSON: one line each, fields in the order of docs/model.md, without
/// defaults.
public struct ObjectList: Sendable, Equatable {
  public struct Item: Sendable, Equatable {
    public var reference: ObjectReference
    public var json: String

    public init(_ reference: ObjectReference, json: String) {
      self.reference = reference
      self.json = json
    }
  }

  public var generation: UInt64
  public var items: [Item]

  public init(generation: UInt64, items: [Item]) {
    self.generation = generation
    self.items = items
  }
}

public struct ControlStatus: Sendable, Equatable {
  public var version: String
  public var generation: UInt64
  /// When the generation was acknowledged; nanoseconds since 1970.
  public var changedAt: UInt64
  /// False until rules are there: nothing is forwarded.
  public var isForwarding: Bool
  /// Objects of each kind.
  public var objectCounts: [ObjectKind: Int]
  /// What the operator has to know, such as that the newest stored generation could not be read.
  public var warnings: [String]

  public init(
    version: String, generation: UInt64, changedAt: UInt64, isForwarding: Bool,
    objectCounts: [ObjectKind: Int] = [:], warnings: [String] = []
  ) {
    self.version = version
    self.generation = generation
    self.changedAt = changedAt
    self.isForwarding = isForwarding
    self.objectCounts = objectCounts
    self.warnings = warnings
  }
}

/// Why a call was refused; nothing has changed.
public enum ControlError: Error, Sendable, Equatable {
  /// Everything that is wrong with the request, a line each.
  case invalid([String])
  /// `expectedGeneration` is not the state's.
  case conflict(expected: UInt64, actual: UInt64)
  case denied(permission: Permission, caller: String)
  case full(what: String, limit: Int, asked: Int)
  case notFound(ObjectReference)
  /// The data plane, the disk or the audit log does not take it.
  case unavailable(why: String, advice: String)
}
