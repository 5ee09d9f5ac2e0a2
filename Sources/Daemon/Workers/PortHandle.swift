import Datapath
import HostPlan
import Live
import Wire

/// The opened ports of a host behind plain functions, so that everything off the packets' way is
/// written once for all runtimes.
struct PortHandle: Sendable {
  typealias Run =
    @Sendable (_ index: Int, _ shared: WorkerShared, _ engine: EnginePlan, _ gate: StartGate) ->
    Void

  /// The uplink's own MAC address, zero without one.
  var uplinkMAC: MACAddress
  var counters: @Sendable (_ port: Int) -> PortCounters
  var offloads: @Sendable (_ port: Int) -> PortOffloads
  /// Makes a worker, and runs it from the gate's opening until `WorkerShared.stop`; on the worker's
  /// own thread.
  var runWorker: Run
  /// Opens the port of a guest at a number that is free; no worker polls it yet.
  var attach: @Sendable (_ guest: GuestPlan, _ port: Int) throws(PortError) -> Void = {
    guest, _ throws(PortError) in
    throw PortError(
      .configuration, "guest \(guest.networkInterface)", why: "ports are opened at start only",
      remedy: "change `guests` in the host file, then 'apus run --takeover'")
  }
  /// Closes a port that no worker polls any more.
  var detach: @Sendable (_ port: Int) -> Void = { _ in }
  /// A device that stays open has no guest any more, and no worker polls it or sends to it.
  var park: @Sendable (_ port: Int) -> Void = { _ in }
  /// It is about to get one: what came in between is dropped, and counters begin at zero.
  var resume: @Sendable (_ port: Int) -> Void = { _ in }
  /// Whether all packets that came by a closed port are gone: its number is free then.
  var reclaim: @Sendable (_ port: Int) -> Bool = { _ in true }
  /// Drops what came before the workers begin: a data plane before this one has had it too.
  var discardWaiting: @Sendable () -> Void = {}
  /// Looks after the ports, about twice a second; one thread.
  var refresh: @Sendable () -> Void = {}
  /// Takes out of use what a successor waits for; after every worker has ended, before `close`.
  var release: @Sendable () -> Void
  /// Takes the ports out of use, after every worker has ended.
  var close: @Sendable () -> Void
}

/// A runtime that several threads ask. It says itself which of its functions any thread may call.
final class SharedRuntime<Runtime: PortRuntime & SendableMetatype & ~Copyable>: @unchecked Sendable
{
  var runtime: Runtime

  init(_ runtime: consuming Runtime) { self.runtime = runtime }
}

extension PortHandle {
  /// - Parameters:
  ///   - shared: the runtime.
  ///   - runWorker: polls with the runtime's own kind of ports; not generic, so that the compiler
  ///     makes one loop for them.
  init<Runtime: PortRuntime & SendableMetatype & ~Copyable>(
    _ shared: SharedRuntime<Runtime>,
    runWorker: @escaping Run
  ) {
    uplinkMAC = MACAddress(shared.runtime.uplinkMAC)
    counters = { shared.runtime.counters(port: $0) }
    offloads = { shared.runtime.offloads(port: $0) }
    close = { shared.runtime.close() }
    release = close
    self.runWorker = runWorker
  }
}

extension PortHandle {
  /// The same ports; guests that want a broker are behind it.
  func behind(_ broker: BrokerProcess) -> PortHandle {
    var handle = self
    let (attach, detach) = (attach, detach)
    handle.attach = { guest, port throws(PortError) in
      let inner = try broker.attach(guest, port: port)
      do throws(PortError) { try attach(inner, port) } catch {
        broker.detach(port: port)
        throw error
      }
    }
    handle.detach = { port in
      detach(port)
      broker.detach(port: port)
    }
    return handle
  }
}

/// What every worker's engine is made with.
struct EnginePlan: Sendable {
  /// Connections of each worker.
  var flows: Int
  /// The same for all workers, who must agree on whose a connection is.
  var seed: UInt64
  var workers: Int
  var nicCapacity: Int
  var ruleCapacity: Int
  /// What the NICs may use of all workers together.
  var allowances: SharedAllowances?
  var hits: RuleHits

  /// Makes the engine of a worker; on its own thread, so that its memory is near that processor.
  func makeEngine(worker: Int) -> Worker {
    var configuration = WorkerConfiguration(flowCapacity: flows, seed: seed)
    configuration.workerCount = workers
    configuration.workerIndex = worker
    configuration.shared = allowances
    // Twice as many as packets can begin, and less than a microsecond of work.
    configuration.expiryPerPacket = 4
    configuration.hits = hits.memory(worker: worker)
    let engine = Worker(
      configuration: configuration, nicCapacity: nicCapacity, ruleCapacity: ruleCapacity)
    engine.prefault()
    return engine
  }
}
