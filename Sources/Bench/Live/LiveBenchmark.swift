import Datapath
import Glibc
import Live
import LockFree
import TableCompiler
import Tables
import VPCModel
import Wire

/// What the benchmarks of live workers have in common: tables as a daemon publishes them, and a
/// worker on a processor of its own.
final class LiveBenchmark: @unchecked Sendable {
  let compiled: CompiledTables
  let shared: WorkerShared
  let allowances: SharedAllowances
  let workers: Int

  /// Port 0 is the uplink, and every interface of the model has a port of its own, in its order.
  ///
  /// - Parameter notedPackets: that a flow log may be behind; 0 for none.
  init(
    workers: Int, model: VPCModel = BenchmarkModel.make(), notedPackets: Int = 0
  ) throws(TableCompilerError) {
    let portCount = model.networkInterfaces.count + 1
    self.workers = workers
    compiled = try TableCompiler.compile(model)
    allowances = SharedAllowances(nicCapacity: compiled.tables.nics.count)
    shared = WorkerShared(
      workers: workers, portCount: portCount, nicCapacity: compiled.tables.nics.count,
      isBusyPolling: true, notedPackets: notedPackets)
    shared.prefault()
    let tables = LiveTables(
      rules: compiled.tables, portCount: portCount, uplinkMAC: MACAddress(0x02AA_0000_0001))
    for port in 1..<portCount { tables.connect(port: port, nic: TableIndex(port - 1)) }
    for endpoint in 0..<compiled.tables.endpoints.count {
      tables.nextHops.set(TableIndex(endpoint), MACAddress(0x02AA_0000_00FE))
    }
    _ = shared.publish(tables)
  }

  deinit {
    shared.deallocate()
    allowances.deallocate()
  }

  func engine(_ index: Int, flows: Int) -> Worker {
    var configuration = WorkerConfiguration(flowCapacity: max(1 << 16, flows * 3 / 2))
    configuration.workerCount = workers
    configuration.workerIndex = index
    configuration.shared = workers > 1 ? allowances : nil
    let engine = Worker(
      configuration: configuration, nicCapacity: compiled.tables.nics.count,
      ruleCapacity: compiled.tables.ruleCount)
    engine.prefault()
    return engine
  }

  /// Runs something on a thread of its own, bound to a processor.
  static func thread(processor: Int, _ body: @escaping @Sendable () -> Void) -> pthread_t {
    let box = Unmanaged.passRetained(Body(processor: processor, run: body))
    var handle = pthread_t()
    let result = pthread_create(
      &handle, nil,
      { context in
        guard let context else { return nil }
        let body = Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
        _ = Processors.pin(body.processor)
        body.run()
        return nil
      }, box.toOpaque())
    precondition(result == 0)
    return handle
  }

  private final class Body {
    let processor: Int
    let run: @Sendable () -> Void
    init(processor: Int, run: @escaping @Sendable () -> Void) {
      self.processor = processor
      self.run = run
    }
  }
}
