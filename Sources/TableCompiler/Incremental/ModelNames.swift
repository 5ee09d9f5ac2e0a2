import Tables
import VPCModel

/// The index of each name of one kind.
struct NameIndex: Sendable {
  static let limit = Int(Int32.max) - 1

  private let kind: String
  private(set) var names: [String] = []
  private var indices: [String: TableIndex] = [:]

  init(kind: String) { self.kind = kind }

  /// Numbers the names of objects in their order; keeps what is there when they are the same.
  ///
  /// - Parameters:
  ///   - known: objects whose names are there already.
  ///   - id: the name of an object in place, so that nothing else of it is copied.
  /// - Complexity: O(1) when the objects share their storage with the known ones, else O(n).
  mutating func fill<Object>(
    _ objects: [Object], after known: [Object]?, _ id: (UnsafePointer<Object>) -> String
  ) throws(TableCompilerError) {
    try TableCompilerError.check(objects.count, of: kind + " records", limit: Self.limit)
    if let known, Self.shareStorage(objects, known) { return }
    let names = self.names
    let isSame = objects.withUnsafeBufferPointer { objects in
      guard objects.count == names.count, let base = objects.baseAddress else {
        return objects.count == names.count
      }
      for index in names.indices where id(base + index) != names[index] { return false }
      return true
    }
    if isSame { return }
    self.names = objects.withUnsafeBufferPointer { objects in
      objects.indices.map { index in objects.baseAddress.map { id($0 + index) } ?? "" }
    }
    indices.removeAll(keepingCapacity: true)
    indices.reserveCapacity(objects.count)
    for (index, name) in self.names.enumerated() where indices[name] == nil {
      indices[name] = UInt32(index)
    }
  }

  private static func shareStorage<Object>(_ a: [Object], _ b: [Object]) -> Bool {
    a.count == b.count
      && a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { b in a.baseAddress == b.baseAddress }
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

  /// - Parameter known: the model that the names were filled with before.
  /// - Complexity: O(names) of the sections that are not shared with the model before.
  mutating func fill(
    _ model: VPCModel, after known: VPCModel?
  ) throws(TableCompilerError) {
    try vpcs.fill(model.vpcs, after: known?.vpcs) { $0.pointee.id }
    try subnets.fill(model.subnets, after: known?.subnets) { $0.pointee.id }
    try interfaces.fill(model.networkInterfaces, after: known?.networkInterfaces) {
      $0.pointee.id
    }
    try groups.fill(model.securityGroups, after: known?.securityGroups) { $0.pointee.id }
    try prefixLists.fill(model.prefixLists, after: known?.prefixLists) { $0.pointee.id }
    try acls.fill(model.networkACLs, after: known?.networkACLs) { $0.pointee.id }
    try routeTables.fill(model.routeTables, after: known?.routeTables) { $0.pointee.id }
    try gateways.fill(model.internetGateways, after: known?.internetGateways) { $0.pointee.id }
    try peerings.fill(model.peerings, after: known?.peerings) { $0.pointee.id }
    // An address map's value needs one bit to tell mappings from network interfaces.
    try TableCompilerError.check(model.mappings.count, of: "mappings", limit: NameIndex.limit)
  }
}
