import Datapath
import Live
import Synchronization
import TableCompiler
import Tables
import Wire

/// Asks the workers about their connections; one question at a time, others wait.
final class ConnectionInspector: Sendable {
  private static let pause = Duration.milliseconds(1)
  private static let attempts = 2_000

  private let shared: WorkerShared
  private let isAsking = Mutex(false)

  init(shared: WorkerShared) { self.shared = shared }

  /// Connections of all workers that match.
  ///
  /// - Parameter limit: of each worker.
  /// - Returns: nil when a worker does not answer in time.
  func list(_ filter: FlowFilter, limit: Int) async -> (records: [FlowRecord], isCut: Bool)? {
    let questions = Questions(workers: shared.workers) {
      FlowInspection(listing: filter, limit: limit)
    }
    guard await ask(questions) else { return nil }
    return questions.found
  }

  /// Live connections that tables would refuse, by network interface of the tables in use.
  func refused(
    by next: CompiledTables, current: CompiledTables, nicCapacity: Int
  ) async -> [String: Int]? {
    let tables = AskedTables(next)
    let doubtful = next.rulesInDoubt(since: current)
    let questions = Questions(workers: shared.workers) {
      FlowInspection(refusedBy: tables.address, doubtful: doubtful, nicCapacity: nicCapacity)
    }
    guard await ask(questions) else {
      // A worker may still read the tables.
      _ = Unmanaged.passRetained(tables)
      return nil
    }
    var counts: [String: Int] = [:]
    for (index, interface) in current.model.networkInterfaces.enumerated() {
      let count = questions.refusedCount(current.slot(ofInterface: index))
      if count > 0 { counts[interface.id] = Int(count) }
    }
    return withExtendedLifetime(tables) { counts }
  }

  private func ask(_ questions: Questions) async -> Bool {
    guard await eventually({ self.take() }) else { return false }
    defer { isAsking.withLock { $0 = false } }
    var areAsked = true
    for worker in 0..<shared.workers {
      areAsked = questions.put(to: worker, shared) && areAsked
    }
    if areAsked, await eventually({ questions.areDone }) { return true }
    // A worker that still answers keeps its question.
    _ = Unmanaged.passRetained(questions)
    return false
  }

  /// Whether nobody else asks now; then others wait from here on.
  private func take() -> Bool {
    isAsking.withLock { isTaken in
      let isFree = !isTaken
      isTaken = true
      return isFree
    }
  }

  private func eventually(_ condition: () -> Bool) async -> Bool {
    for _ in 0..<Self.attempts {
      if condition() { return true }
      try? await Task.sleep(for: Self.pause)
    }
    return condition()
  }
}

/// A question for each worker, at a place that does not move.
private final class Questions: @unchecked Sendable {
  private let memory: UnsafeMutablePointer<FlowInspection>
  private let workers: Int

  init(workers: Int, _ make: () -> FlowInspection) {
    self.workers = workers
    memory = .allocate(capacity: workers)
    for worker in 0..<workers { (memory + worker).initialize(to: make()) }
  }

  deinit {
    for worker in 0..<workers { (memory + worker).deinitialize(count: 1) }
    memory.deallocate()
  }

  func put(to worker: Int, _ shared: WorkerShared) -> Bool {
    shared.inspect(worker: worker, UnsafePointer(memory + worker))
  }

  var areDone: Bool { (0..<workers).allSatisfy { memory[$0].isDone } }

  var found: (records: [FlowRecord], isCut: Bool) {
    var records: [FlowRecord] = []
    var isCut = false
    for worker in 0..<workers {
      for index in 0..<memory[worker].recordCount { records.append(memory[worker].record(index)) }
      isCut = isCut || memory[worker].isCut
    }
    return (records, isCut)
  }

  func refusedCount(_ nic: TableIndex) -> UInt64 {
    (0..<workers).reduce(0) { $0 + memory[$1].refusedCount(nic) }
  }
}

/// Tables that workers are asked about, at an address that stays.
private final class AskedTables: @unchecked Sendable {
  let address: UnsafePointer<LiveTables>
  private let compiled: CompiledTables

  init(_ compiled: CompiledTables) {
    self.compiled = compiled
    let place = UnsafeMutablePointer<LiveTables>.allocate(capacity: 1)
    place.initialize(
      to: LiveTables(rules: compiled.tables, portCount: 1, uplinkMAC: .router))
    address = UnsafePointer(place)
  }

  deinit {
    let place = UnsafeMutablePointer(mutating: address)
    place.deinitialize(count: 1)
    place.deallocate()
  }
}
