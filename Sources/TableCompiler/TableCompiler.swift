import Tables
import VPCModel

/// Compiles a model into the flat tables that the fast path reads.
public enum TableCompiler {
  /// The tables of a model that stay as they are.
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
    try compile(model, CompileRequest(generation: generation))
  }

  /// The tables of a model, one generation of several.
  ///
  /// Network interfaces, rules and tunnel endpoints that were there before keep their numbers;
  /// groups, ACLs, route tables, and the map of addresses are shared with the generation before as
  /// long as they are the same.
  ///
  /// - Throws: `awaitsWorkers` when numbers are free only after the workers have cleaned up.
  /// - Complexity: O(n log n) in the size of what has changed, and linear in the number of groups,
  ///   ACLs, route tables and interfaces.
  public static func compile(
    _ model: VPCModel, _ request: CompileRequest
  ) throws(TableCompilerError) -> CompiledTables {
    CompiledTables(try Compilation(model, request))
  }
}

/// How many there may be of what workers keep memory for.
public struct TableCapacity: Sendable, Equatable {
  public var networkInterfaces: Int
  /// Rules of groups and ACLs, and routes.
  public var rules: Int

  public init(networkInterfaces: Int = 1 << 10, rules: Int = 1 << 18) {
    self.networkInterfaces = networkInterfaces
    self.rules = rules
  }

  /// Numbers of rules, 0 included: twice as many as rules, so that all rules can be replaced at
  /// once while workers still know the old ones.
  public var ruleNumbers: Int { 2 * rules + 1 }
}

/// Which generation is to be compiled.
public struct CompileRequest: Sendable {
  /// Grows from generation to generation.
  public var generation: UInt32
  /// nil for tables that have no successors.
  public var capacity: TableCapacity?
  /// The generation before.
  public var previous: CompiledTables?
  /// All workers have cleaned up after this generation.
  public var swept: UInt32 = 0
  /// Connections that no rule of this generation allows end.
  public var cutsConnections = false

  public init(
    generation: UInt32, capacity: TableCapacity? = nil, previous: CompiledTables? = nil
  ) {
    self.generation = generation
    self.capacity = capacity
    self.previous = previous
  }
}
