import Synchronization
import TableCompiler

/// The tables of the generation that workers use; any thread may ask.
final class TablesInUse: Sendable {
  /// Tables and the desired state's own generation.
  struct Generation: Sendable {
    var tables: CompiledTables
    /// 0 for what the host file names.
    var number: UInt64
    /// Tables that workers may use already, before they are the current ones.
    var announced: CompiledTables?
  }

  private let generation: Mutex<Generation>

  init(_ tables: CompiledTables) {
    generation = Mutex(Generation(tables: tables, number: 0))
  }

  var current: CompiledTables { generation.withLock { $0.tables } }
  /// The number of the desired state that workers use.
  var number: UInt64 { generation.withLock { $0.number } }

  /// The current tables, and those that workers may use already.
  var known: [CompiledTables] {
    generation.withLock { [$0.tables] + ($0.announced.map { [$0] } ?? []) }
  }

  /// Workers are about to use other tables.
  func announce(_ next: CompiledTables) { generation.withLock { $0.announced = next } }

  /// Workers use other tables from now on.
  func replace(with next: CompiledTables, number: UInt64) {
    generation.withLock { $0 = Generation(tables: next, number: number) }
  }
}
