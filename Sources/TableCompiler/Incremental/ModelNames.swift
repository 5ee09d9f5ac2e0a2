import Tables
import VPCModel

/// The index of each name of one kind.
struct NameIndex: Sendable {
  static let limit = Int(Int32.max) - 1

  private let kind: String
  private(set) var names: [String] = []
  private var indices: [String: TableIndex] = [:]

  init(kind: String) { self.kind = kind }

  /// Numbers names in their order; keeps what is there when they are the same.
  mutating func fill(_ names: some Collection<String>) throws(TableCompilerError) {
    try TableCompilerError.check(names.count, of: kind + " records", limit: Self.limit)
    if names.count == self.names.count && self.names.elementsEqual(names) { return }
    self.names = Array(names)
    indices.removeAll(keepingCapacity: true)
    indices.reserveCapacity(names.count)
    for (index, name) in names.enumerated() where indices[name] == nil {
      indices[name] = UInt32(index)
    }
  }

  subscript(_ name: String) -> TableIndex {
    get throws(TableCompilerError) {
      guard let index = indices[name] else { throw .unknownReference(kind: kind, id: name) }
      return index
    }
  }
}

/// The indices of what a model names, by kind.
struct ModelNames: Sendable {
  private(set) var vpcs = NameIndex(kind: "VPC")
  private(set) var subnets = NameIndex(kind: "subnet")
  private(set) var interfaces = NameIndex(kind: "network interface")
  private(set) var groups = NameIndex(kind: "security group")
  private(set) var prefixLists = NameIndex(kind: "prefix list")
  private(set) var acls = NameIndex(kind: "network ACL")
  private(set) var routeTables = NameIndex(kind: "route table")
  private(set) var gateways = NameIndex(kind: "internet gateway")
  private(set) var peerings = NameIndex(kind: "peering")

  /// - Complexity: O(names), of which those that are as before are only compared.
  mutating func fill(_ model: VPCModel) throws(TableCompilerError) {
    try vpcs.fill(model.vpcs.lazy.map(\.id))
    try subnets.fill(model.subnets.lazy.map(\.id))
    try interfaces.fill(model.networkInterfaces.lazy.map(\.id))
    try groups.fill(model.securityGroups.lazy.map(\.id))
    try prefixLists.fill(model.prefixLists.lazy.map(\.id))
    try acls.fill(model.networkACLs.lazy.map(\.id))
    try routeTables.fill(model.routeTables.lazy.map(\.id))
    try gateways.fill(model.internetGateways.lazy.map(\.id))
    try peerings.fill(model.peerings.lazy.map(\.id))
    // An address map's value needs one bit to tell mappings from network interfaces.
    try TableCompilerError.check(model.mappings.count, of: "mappings", limit: NameIndex.limit)
  }
}
