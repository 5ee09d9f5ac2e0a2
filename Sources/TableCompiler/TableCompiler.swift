import Tables
import VPCModel

/// Compiles a model into the flat tables that the fast path reads.
public enum TableCompiler {
  /// The tables of a model.
  ///
  /// VPCs, subnets, network interfaces, groups, ACLs, gateways, peerings and mappings have the
  /// model's order. Rules are numbered from 1: those of the groups (of each the ingress rules, then
  /// the egress rules), of the ACLs likewise, then the routes of each table.
  ///
  /// - Parameters:
  ///   - model: from the loader, so that every reference resolves.
  ///   - generation: the number that tells these tables from earlier ones.
  /// - Complexity: O(n log n) in the model's size, for rule prefixes that do not nest deeply.
  public static func compile(
    _ model: VPCModel, generation: UInt32 = 1
  ) throws(TableCompilerError) -> CompiledTables {
    var compilation = Compilation(model)
    try compilation.index()
    try compilation.addTopology()
    try compilation.addEndpoints()
    try compilation.addNetworkInterfaces()
    try compilation.addSecurityGroups()
    try compilation.addNetworkACLs()
    try compilation.addRouteTables()
    let tables = try compilation.finish(generation: generation)
    return CompiledTables(tables: tables, compilation: compilation)
  }
}
