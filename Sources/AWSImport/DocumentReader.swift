import VPCModel
import Wire

/// Reads one file of either kind: what a describe call printed, or Terraform's state.
struct DocumentReader: JSONItemReading {
  var inventory: Inventory
  private let file: Int
  /// The name of a prefix list in the file's name; its entries do not say whose they are.
  private let listInFileName: String?

  private var sections: Set<String> = []
  private var unknown: [(name: String, place: Place)] = []
  private var list: Value?
  private var nextToken: Place?
  private var entries: [Sited<IPPrefix>] = []
  private var otherResources = 0

  /// - Parameter name: the file's own name, without its folder.
  init(_ inventory: consuming Inventory, file: Int, name: Substring) {
    self.inventory = inventory
    self.file = file
    listInFileName = Self.listID(in: name)
  }

  /// What describe calls print lists of.
  private enum Section: String {
    case vpcs = "Vpcs"
    case subnets = "Subnets"
    case networkInterfaces = "NetworkInterfaces"
    case reservations = "Reservations"
    case securityGroups = "SecurityGroups"
    case securityGroupRules = "SecurityGroupRules"
    case networkACLs = "NetworkAcls"
    case routeTables = "RouteTables"
    case prefixLists = "PrefixLists"
    case peerings = "VpcPeeringConnections"
    case internetGateways = "InternetGateways"
    case addresses = "Addresses"
    case natGateways = "NatGateways"

    func read(_ item: Value, into inventory: inout Inventory) throws(Malformed) {
      switch self {
      case .vpcs: try inventory.readVPC(item)
      case .subnets: try inventory.readSubnet(item)
      case .networkInterfaces: try inventory.readInterface(item)
      case .reservations: try inventory.readReservation(item)
      case .securityGroups: try inventory.readGroup(item)
      case .securityGroupRules: try inventory.readGroupRule(item)
      case .networkACLs: try inventory.readACL(item)
      case .routeTables: try inventory.readRouteTable(item)
      case .prefixLists: try inventory.readPrefixList(item)
      case .peerings: try inventory.readPeering(item)
      case .internetGateways: try inventory.readInternetGateway(item)
      case .addresses: try inventory.readAddress(item)
      case .natGateways: try inventory.readNATGateway(item)
      }
    }
  }

  // MARK: Walking

  mutating func choice(at path: FieldPath?) -> JSONChoice {
    guard let path else { return .enter }
    guard let parent = path.parent else { return topLevelChoice(path) }
    switch (parent.step, path.step) {
    case (.field("values"), .field("root_module")), (.field("root_module"), .field("resources")),
      (.field("root_module"), .field("child_modules")), (.field("child_modules"), .item),
      (.item, .field("resources")), (.item, .field("child_modules")):
      return .enter
    case (.field, .item): return .take
    default: return .skip
    }
  }

  private mutating func topLevelChoice(_ path: FieldPath) -> JSONChoice {
    // An array at the top is no document of ours.
    guard case .field(let name) = path.step else { return .skip }
    switch name {
    case "NextToken", "PrefixListId": return .take
    case "Entries", "values":
      sections.insert(name)
      return .enter
    case _ where Section(rawValue: name) != nil:
      sections.insert(name)
      return .enter
    default:
      let place = Place(file: file, line: 1, column: 1, path: path)
      unknown.append((name, place))
      return .skip
    }
  }

  mutating func take(_ located: Located) {
    let value = Value(located)
    guard let path = located.place.path else {
      inventory.findings.add(.unreadable, located.place, "must be a JSON object")
      return
    }
    guard let parent = path.parent else {
      takeTopLevel(path, value)
      return
    }
    do throws(Malformed) {
      guard case .field(let section) = parent.step else { return }
      if parent.parent != nil {
        if try !inventory.readResource(value) { otherResources += 1 }
      } else if section == "Entries" {
        let prefix = try value.fields().required("Cidr").prefix()
        entries.append(Sited(value: prefix, place: value.place))
      } else if let section = Section(rawValue: section) {
        try section.read(value, into: &inventory)
      }
    } catch {
      inventory.findings.add(error)
    }
  }

  private mutating func takeTopLevel(_ path: FieldPath, _ value: Value) {
    guard case .field(let name) = path.step else { return }
    switch name {
    case "NextToken":
      if let token = try? value.text(), !token.isEmpty { nextToken = value.place }
    case "PrefixListId": list = value
    // A section that is no list, such as `"Vpcs": 3`; `null` is none.
    default:
      if value.node.scalar?.string != "null" {
        inventory.findings.add(
          .malformed, value.place, "must be a list, not \(describe(value.node))")
      }
    }
  }

  // MARK: The end of the file

  /// Puts together what only the whole file says.
  mutating func finish() {
    let place = Place(file: file, line: 1, column: 1, path: nil)
    if sections.isEmpty {
      let names = unknown.prefix(5).map { quote($0.name) }.joined(separator: ", ")
      inventory.findings.add(
        .unreadable, place,
        "is neither the output of a describe call that is known nor Terraform's state"
          + (names.isEmpty ? "" : "; it has \(names)"))
      return
    }
    // Terraform's other sections say nothing of networks.
    if !sections.contains("values") {
      for (name, place) in unknown where name != "ResponseMetadata" {
        inventory.findings.add(.unused, place, "\(quote(name)) is not read")
      }
    }
    if otherResources > 0 {
      inventory.findings.add(
        .unused, place, "\(otherResources) resources of kinds that have no rules are not read")
    }
    if sections.contains("Entries") { finishEntries(place) }
    for section in sections where section != "Entries" && section != "values" {
      inventory.pages.add(section, next: nextToken)
    }
  }

  private mutating func finishEntries(_ place: Place) {
    do throws(Malformed) {
      guard let list = try list?.id() ?? listInFileName else {
        throw Malformed(
          place: place,
          reason: "`Entries` do not say whose they are: name the file after the prefix list,"
            + " such as pl-0123456789abcdef0.json, or add a field `PrefixListId`")
      }
      inventory.pages.add("Entries of \(list)", next: nextToken)
      var prefixes = inventory.prefixListEntries[list] ?? []
      var seen = Set(prefixes.map(\.value))
      for entry in entries where seen.insert(entry.value).inserted { prefixes.append(entry) }
      inventory.prefixListEntries[list] = prefixes
    } catch {
      inventory.findings.add(error)
    }
  }

  /// The first word that begins with `pl-`.
  private static func listID(in name: Substring) -> String? {
    name.firstMatch(of: /\bpl-[0-9A-Za-z]+/).map { String($0.output) }
  }
}
