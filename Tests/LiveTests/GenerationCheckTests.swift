import Datapath
import Glibc
import TableCompiler
import Tables
import Testing
import Wire

@testable import Live

/// No packet is judged by two generations, and none by one that is no more.
@Suite(.serialized) struct GenerationCheckTests {
  @Test(arguments: [1, 2])
  func `every packet is judged by one generation, and by the published one`(workers: Int) throws {
    let host = try GenerationHost(workers: workers)
    let stamps = GenerationStamps()
    let threads = Threads()
    for index in 0..<workers {
      threads.start {
        var worker = host.worker(index, stamps)
        worker.run()
      }
    }
    for generation in 2...150 {
      #expect(try host.publish(generation))
      stamps.published = UInt64(generation)
      // At least one round of frames that bear the stamp.
      let seen = host.shared.counters.total(.received)
      _ = RunTests.eventually { host.shared.counters.total(.received) > seen + 200 }
    }
    host.shared.stop()
    threads.join()
    #expect(stamps.mixed == 0)
    #expect(stamps.late == 0)
    #expect(stamps.good > 0)
    let incoming = host.count(.received) + host.count(.takenOver)
    let settled =
      host.count(.sent) + host.count(.dropped) + host.count(.ignored) + host.count(.handedOver)
    #expect(incoming == settled)
  }
}

/// A host whose tables follow each other under traffic.
final class GenerationHost: @unchecked Sendable {
  let shared: WorkerShared
  private let allowances = SharedAllowances(nicCapacity: 4)
  private let capacity = TableCapacity(networkInterfaces: 4, rules: 100)
  private var compiled: CompiledTables
  private let workers: Int

  init(workers: Int) throws {
    self.workers = workers
    compiled = try TableCompiler.compile(
      GenerationModel.model(1), CompileRequest(generation: 2, capacity: capacity))
    shared = WorkerShared(
      workers: workers, portCount: 2, nicCapacity: 4, clock: .calibrated(microseconds: 2_000))
    let isPublished = shared.publish(tables(compiled))
    #expect(isPublished)
  }

  deinit {
    shared.deallocate()
    allowances.deallocate()
  }

  func worker(_ index: Int, _ stamps: GenerationStamps) -> LiveWorker<StampedIO> {
    var configuration = WorkerConfiguration(flowCapacity: 1 << 17, fragmentCapacity: 64)
    configuration.workerCount = workers
    configuration.workerIndex = index
    configuration.shared = allowances
    return LiveWorker(
      index: index, io: StampedIO(stamps, worker: index),
      engine: Worker(
        configuration: configuration, nicCapacity: 4, ruleCapacity: capacity.ruleNumbers),
      shared: shared)
  }

  /// Publishes the model of a generation, as a daemon does.
  func publish(_ generation: Int) throws -> Bool {
    var request = CompileRequest(
      generation: UInt32(shared.nextGeneration), capacity: capacity, previous: compiled)
    request.swept = shared.sweptGeneration
    request.cutsConnections = true
    let next = try TableCompiler.compile(GenerationModel.model(generation), request)
    let isPublished = shared.publish(tables(next))
    compiled = next
    return isPublished
  }

  func count(_ counter: LiveCounter) -> UInt64 { shared.counters.total(counter) }

  private func tables(_ compiled: CompiledTables) -> LiveTables {
    let tables = LiveTables(rules: compiled.tables, portCount: 2, uplinkMAC: LiveHost.uplink)
    tables.connect(port: 1, nic: 0)
    for endpoint in 0..<compiled.tables.endpoints.count {
      tables.nextHops.set(TableIndex(endpoint), LiveHost.nextHop)
    }
    return tables
  }
}
