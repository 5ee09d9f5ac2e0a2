import CThreads
import Datapath
import Glibc
import HostPlan
import Live
import LockFree
import Logging
import TableCompiler
import Tables
import VPCModel
import Wire

/// A host that serves its guests: workers, service thread, and what they share.
final class HostServer {
  /// Seconds that a worker may take to end what is under way.
  static let patience = 5

  /// Seconds that a worker may take to use a new generation.
  static let publicationPatience = 1

  let plan: HostPlan
  let ports: PortHandle
  let guests: GuestPorts
  let shared: WorkerShared
  /// The rules that workers read; they must outlive the workers.
  let inUse: TablesInUse
  let queue: PublicationQueue
  let hits: RuleHits
  /// nil without a flow log.
  let flowLog: FlowLogCounters?
  let uplinkMAC: MACAddress
  private var workers: [DaemonThread] = []
  private var services: DaemonThread?
  private let serviceWaker: Int32
  private let gate: StartGate
  /// Only where several workers judge a NIC's packets.
  let allowances: SharedAllowances?
  private let first: Publication

  /// Publishes the tables and makes what threads share; nothing runs yet.
  ///
  /// - Parameters:
  ///   - guests: the plan's guests as the desired state has them; nil when they are that.
  ///   - compiled: the first generation, with the plan's capacity.
  ///   - isLogged: packets are noted for a flow log.
  init(
    plan: HostPlan, guests wanted: [GuestPlan]? = nil, ports: PortHandle, compiled: CompiledTables,
    isLogged: Bool = false
  ) {
    self.plan = plan
    self.ports = ports
    let workers = plan.workers.cores.count
    let capacity = plan.memory.tableCapacity
    inUse = TablesInUse(compiled)
    serviceWaker = apus_eventfd()
    gate = StartGate(workers: workers)
    hits = RuleHits(workers: workers, ruleCapacity: capacity.ruleNumbers)
    allowances =
      workers > 1 ? SharedAllowances(nicCapacity: capacity.networkInterfaces) : nil
    shared = WorkerShared(
      workers: workers, portCount: plan.portCapacity + 1,
      nicCapacity: capacity.networkInterfaces, isBusyPolling: plan.workers.polling == .busy,
      notedPackets: isLogged ? FlowLogger.ring : 0)
    flowLog = isLogged ? FlowLogCounters() : nil
    shared.prefault()
    queue = PublicationQueue(shared)
    // Without an uplink no frame of ours ever bears this.
    uplinkMAC = ports.uplinkMAC.bits != 0 ? ports.uplinkMAC : compiled.model.host?.mac ?? .router
    guests = GuestPorts(
      wanted ?? plan.guests, devices: plan.devices, capacity: plan.portCapacity, handle: ports,
      shared: shared)
    var first = Publication(
      compiled, guests: guests.open, portCount: shared.portCount, uplinkMAC: uplinkMAC)
    first.desk = ServiceDesk(compiled)
    self.first = first
    // Nobody reads yet, so nothing is waited for.
    _ = shared.publish(first.tables(words: []))
  }

  /// Starts all threads, and waits until each is on its processor and ready to begin.
  ///
  /// - Throws: a thread that cannot be started or bound; those that run are ended again.
  func start(neighbors: UnderlayNeighbors) throws(DaemonFailure) {
    do throws(DaemonFailure) {
      services = try startServices(neighbors)
      let engine = EnginePlan(
        flows: plan.memory.flows, seed: UInt64.random(in: 0 ... .max),
        workers: plan.workers.cores.count,
        nicCapacity: plan.memory.tableCapacity.networkInterfaces,
        ruleCapacity: plan.memory.tableCapacity.ruleNumbers, allowances: allowances, hits: hits)
      for (index, core) in plan.workers.cores.enumerated() {
        let (ports, shared, gate) = (ports, shared, gate)
        workers.append(
          try DaemonThread.start(name: "apus-worker-\(index)", processor: core) {
            ports.runWorker(index, shared, engine, gate)
          })
      }
      try checkStarted()
    } catch {
      _ = stop()
      throw error
    }
  }

  /// Lets the workers begin.
  ///
  /// - Parameter discardsWaiting: what has come so far was served by a data plane before this one.
  func begin(discardsWaiting: Bool) {
    if discardsWaiting { ports.discardWaiting() }
    gate.open()
  }

  private func startServices(
    _ neighbors: UnderlayNeighbors
  ) throws(DaemonFailure) -> DaemonThread {
    let (shared, first, queue, waker) = (shared, first, queue, serviceWaker)
    let source = ServiceStart(neighbors)
    return try DaemonThread.start(name: "apus-services") {
      var loop = ServiceLoop(
        shared: shared, current: first, neighbors: source.neighbors, queue: queue)
      loop.run(wakeDescriptor: waker) { shared.stopFlag.isSet }
    }
  }

  private func checkStarted() throws(DaemonFailure) {
    let haveStarted = DaemonThread.wait(workers, seconds: Self.patience) { $0 == .starting }
    for (worker, core) in zip(workers, plan.workers.cores) {
      guard case .refused(let code) = worker.state else { continue }
      throw DaemonFailure(
        .resource, what: "worker on processor \(core ?? 0)",
        why: "cannot be bound to it: \(errorText(code))",
        advice: "see which processors there are with 'nproc --all' and 'taskset -p $$'")
    }
    if !haveStarted || !gate.awaitAll(seconds: Self.patience) {
      throw DaemonFailure(.defect, what: "workers", why: "do not start", advice: "please report it")
    }
  }

  /// Ends the workers, which finish what is under way, then the service thread.
  ///
  /// - Returns: false when one did not end in time. Then nothing that it uses may be freed, and the
  ///   process can only be ended.
  func stop() -> Bool {
    shared.stop()
    gate.open()
    shared.wake(shared.workers)
    let threads = workers + [services].compactMap { $0 }
    return DaemonThread.wait(threads, seconds: Self.patience) { state in
      state == .starting || state == .running
    }
  }

  /// Makes way for a successor; after `stop` returned true.
  func release() { ports.release() }

  /// Takes the ports out of use and frees what threads shared; after `stop` returned true.
  func close() {
    ports.close()
    shared.deallocate()
    gate.deallocate()
    allowances?.deallocate()
    hits.deallocate()
    _ = Glibc.close(serviceWaker)
  }
}

/// Carries the neighbours to the thread that uses them from then on.
private struct ServiceStart: @unchecked Sendable {
  let neighbors: UnderlayNeighbors

  init(_ neighbors: UnderlayNeighbors) { self.neighbors = neighbors }
}
