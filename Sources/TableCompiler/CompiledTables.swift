import Tables

/// The rule tables of one generation together with the memory they stand in and the names of
/// what they number.
///
/// `tables` and every copy of it may be read as long as this object lives.
// Sendable although it holds raw memory: nothing writes to it, or to `memory`, after `init`.
public final class CompiledTables: @unchecked Sendable {
  public let tables: RuleTables
  /// Name of each rule by its number; number 0, "no rule", has an empty name.
  public let ruleNames: [String]
  /// Names by index of `tables.vpcs`, `subnets`, `nics`, `groups`, `acls`, `gateways`, `peerings`.
  public let vpcIDs: [String]
  public let subnetIDs: [String]
  public let nicIDs: [String]
  public let groupIDs: [String]
  public let aclIDs: [String]
  public let gatewayIDs: [String]
  public let peeringIDs: [String]

  private let memory: ImageMemory

  init(tables: consuming RuleTables, compilation: borrowing Compilation) {
    self.tables = tables
    let model = compilation.model
    ruleNames = compilation.ruleNames
    vpcIDs = model.vpcs.map(\.id)
    subnetIDs = model.subnets.map(\.id)
    nicIDs = model.networkInterfaces.map(\.id)
    groupIDs = model.securityGroups.map(\.id)
    aclIDs = model.networkACLs.map(\.id)
    gatewayIDs = model.internetGateways.map(\.id)
    peeringIDs = model.peerings.map(\.id)
    memory = compilation.memory
  }

  /// Bytes of the images that the tables view.
  public var byteCount: Int { memory.byteCount }
}
