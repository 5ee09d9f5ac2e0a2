import VPCModel
import Wire

/// Objects of one kind by id.
struct Catalogue<Record: Equatable> {
  private(set) var entries: [String: Sited<Record>] = [:]

  subscript(id: String) -> Record? { entries[id]?.value }

  func place(_ id: String) -> Place? { entries[id]?.place }

  /// Ids in ascending order.
  var ids: [String] { entries.keys.sorted() }

  mutating func set(_ id: String, _ record: Sited<Record>) { entries[id] = record }
}

/// Everything that the files say, before any of it is put together.
struct Inventory {
  var findings = Findings()

  var vpcs = Catalogue<VPCRecord>()
  var subnets = Catalogue<SubnetRecord>()
  var interfaces = Catalogue<InterfaceRecord>()
  /// As instances show them; those of their own call count where both are there.
  var instanceInterfaces = Catalogue<InterfaceRecord>()
  var groups = Catalogue<GroupRecord>()
  var acls = Catalogue<ACLRecord>()
  var tables = Catalogue<TableRecord>()
  var peerings = Catalogue<PeeringRecord>()
  var internetGateways = Catalogue<GatewayRecord>()
  var natGateways = Catalogue<NATGatewayRecord>()
  var addresses = Catalogue<ElasticAddressRecord>()
  var prefixLists = Catalogue<PrefixListRecord>()

  /// Of `describe-security-group-rules`: the same rules once more, with ids.
  var namedRules = Catalogue<GroupRule>()
  /// Of Terraform: rules that the group itself may or may not show.
  var addedRules = Catalogue<GroupRule>()
  var addedRoutes: [String: [Sited<RouteRecord>]] = [:]
  var addedEntries: [String: [Sited<ACLEntry>]] = [:]
  var addedBlocks: [String: [Sited<IPPrefix>]] = [:]
  var addedGroups: [String: [Sited<String>]] = [:]

  /// By list; a list without entries has an empty array.
  var prefixListEntries: [String: [Sited<IPPrefix>]] = [:]
  var tableAssociations: [Sited<Association>] = []
  var aclAssociations: [Sited<Association>] = []

  /// Of Terraform: main tables that were replaced, and gateways that were attached later.
  var mainTables: [Sited<Association>] = []
  var gatewayAttachments: [String: String] = [:]

  var pages = Pages()

  /// Adds an object; the same again is no matter, another with its id is.
  mutating func add<Record: Equatable>(
    _ id: String, _ record: Record, at place: Place,
    to catalogue: WritableKeyPath<Inventory, Catalogue<Record>>
  ) {
    guard let first = self[keyPath: catalogue].entries[id] else {
      self[keyPath: catalogue].set(id, Sited(value: record, place: place))
      return
    }
    guard first.value != record else { return }
    findings.add(
      .conflict, place, id: id,
      "says something else than at \(findings.text(first.place)); were the files made at once?")
  }
}

/// Which calls came in several pages, and whether the last one is there.
struct Pages {
  /// By call: the last page that says that another follows.
  private(set) var unfinished: [String: Place] = [:]
  private(set) var finished: Set<String> = []

  mutating func add(_ call: String, next: Place?) {
    if let next { unfinished[call] = next } else { finished.insert(call) }
  }

  /// Calls of which no last page is there.
  var incomplete: [(call: String, place: Place)] {
    unfinished.filter { !finished.contains($0.key) }.sorted { $0.key < $1.key }
      .map { ($0.key, $0.value) }
  }
}
