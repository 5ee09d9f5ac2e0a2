import HostFile
import HostPlan
import VPCModel

/// A change of the desired state, checked whole, before anything takes effect.
package struct PreparedChange: Sendable {
  /// With the generation and time of the state before.
  package var state: DesiredState
  var changes: [StateChange]
  /// What the caller must be allowed to change: what a patch names, what a whole state alters.
  var permissions: Set<Permission>
  var warnings: [String]

  struct StateChange: Sendable {
    var reference: ObjectReference
    var action: ChangeOutcome.Action
    /// Canonical JSON; nil when deleted.
    var json: String?
  }

  var outcomes: [ChangeOutcome.Change] {
    changes.map { ChangeOutcome.Change($0.reference, $0.action) }
  }

  /// Reads and checks a request.
  ///
  /// Runs outside of the controller's actor: a large request does not keep readers waiting.
  @concurrent static func prepare(
    _ request: ChangeRequest, on state: DesiredState, configuration: ControllerConfiguration
  ) async throws(ControlError) -> PreparedChange {
    try checked(request, on: state, configuration: configuration)
  }

  /// The same where the caller stands.
  package static func checked(
    _ request: ChangeRequest, on state: DesiredState, configuration: ControllerConfiguration
  ) throws(ControlError) -> PreparedChange {
    let limits = configuration.limits
    var deleted: [ObjectReference] = []
    if case .patch(_, let delete) = request.content { deleted = delete }
    try checkPresence(deleted, in: state)
    let gonePorts = Set(deleted.filter { $0.kind == .ports }.map(\.id))
    var isPatch = false
    if case .patch = request.content { isPatch = true }
    let present = state.ports.filter { !gonePorts.contains($0.networkInterface) }
    let collector = PortCollector(
      present: present, isPatch: isPatch, runtime: configuration.runtime)
    let changed: ChangedModel
    do throws(ModelErrors) {
      changed = try request.content.changed(state.model, other: collector.section)
    } catch {
      throw .invalid(lines(error.errors.map(\.description), limit: limits.lines))
    }
    let (ports, conflicts) = collector.merged()
    let faults = conflicts + (isPatch ? [] : ports.withoutInterface(in: changed.model))
    guard faults.isEmpty else { throw .invalid(lines(faults, limit: limits.lines)) }
    var after = state
    after.model = changed.model
    after.ports = orderKept(ports, before: state.ports)
    guard after.objectCount <= limits.objects else {
      throw .full(what: "objects", limit: limits.objects, asked: after.objectCount)
    }
    var changes = changed.changes.map { StateChange($0) }
    changes += portChanges(from: state.ports, to: after.ports)
    var permissions = Set(changes.map(\.reference.kind.permission))
    if case .patch = request.content {
      for name in changed.named { permissions.insert(ObjectKind(name.section).permission) }
      if !collector.plans.isEmpty || !gonePorts.isEmpty { permissions.insert(.ports) }
    }
    let tellsWarnings = request.isDryRun || after.objectCount <= limits.objectsForWarnings
    let warnings = tellsWarnings ? ModelLint.warnings(after.model).map(\.description) : []
    return PreparedChange(
      state: after, changes: changes, permissions: permissions,
      warnings: lines(warnings, limit: limits.lines))
  }

  /// The first lines, and how many there are more.
  private static func lines(_ all: [String], limit: Int) -> [String] {
    all.count <= limit ? all : all.prefix(limit) + ["and \(all.count - limit) more"]
  }

  private static func checkPresence(
    _ references: [ObjectReference], in state: DesiredState
  ) throws(ControlError) {
    if let name = state.model.missing(references.compactMap(\.modelName)).first {
      throw .notFound(ObjectReference(name))
    }
    let ports = Set(state.ports.map(\.networkInterface))
    for reference in references where reference.kind == .ports && !ports.contains(reference.id) {
      throw .notFound(reference)
    }
  }

  /// Ports that were there before keep their order; a whole state may give another.
  private static func orderKept(_ ports: [GuestPlan], before: [GuestPlan]) -> [GuestPlan] {
    var wanted = Dictionary(ports.map { ($0.networkInterface, $0) }) { first, _ in first }
    let kept = before.compactMap { wanted.removeValue(forKey: $0.networkInterface) }
    return kept + ports.filter { wanted[$0.networkInterface] != nil }
  }

  private static func portChanges(
    from before: [GuestPlan], to after: [GuestPlan]
  ) -> [StateChange] {
    var old = Dictionary(before.map { ($0.networkInterface, $0) }) { first, _ in first }
    var changes: [StateChange] = []
    for port in after {
      let previous = old.removeValue(forKey: port.networkInterface)
      if previous == port { continue }
      changes.append(
        StateChange(
          reference: ObjectReference(.ports, port.networkInterface),
          action: previous == nil ? .created : .changed, json: GuestWriter.json(port)))
    }
    for port in before where old[port.networkInterface] != nil {
      changes.append(
        StateChange(
          reference: ObjectReference(.ports, port.networkInterface), action: .deleted, json: nil))
    }
    return changes
  }
}

extension [GuestPlan] {
  /// What is wrong with ports that a whole state leaves as they are, and whose interface it takes.
  fileprivate func withoutInterface(in model: VPCModel) -> [String] {
    if isEmpty { return [] }
    let known = Set(model.networkInterfaces.map(\.id))
    return filter { !known.contains($0.networkInterface) }.map {
      "the present state: ports/\($0.networkInterface): there is no network interface "
        + "`\($0.networkInterface)` any more (list the `ports` that stay)"
    }
  }
}

extension PreparedChange.StateChange {
  fileprivate init(_ change: ModelChange) {
    reference = ObjectReference(change.name)
    action =
      switch change.action {
      case .created: .created
      case .changed: .changed
      case .deleted: .deleted
      }
    json = change.object.map { ModelWriter.json($0) }
  }
}

extension ChangeRequest.Content {
  var documents: [ModelDocument] {
    switch self {
    case .whole(let documents): documents
    case .patch(let documents, _): documents
    }
  }

  /// What the request asks to be held in memory, in bytes of text.
  var bytes: Int {
    let documents = documents.reduce(0) { $0 + $1.text.utf8.count }
    guard case .patch(_, let delete) = self else { return documents }
    return delete.reduce(documents) { $0 + $1.id.utf8.count }
  }

  fileprivate func changed(
    _ model: VPCModel, other: OtherSection
  ) throws(ModelErrors) -> ChangedModel {
    let texts = documents.map { (name: $0.name, text: $0.text) }
    switch self {
    case .whole: return try ModelLoader.replace(model, by: texts, other: other)
    case .patch(_, let delete):
      return try ModelLoader.patch(
        model, setting: texts, deleting: delete.compactMap(\.modelName), other: other)
    }
  }
}
