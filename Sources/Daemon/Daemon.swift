import Glibc
import HostPlan
import KernelPort
import Logging
import TableCompiler
import VPCModel
import Wire

/// The data plane of a host: ports, workers, services.
public enum Daemon {
  /// Serves until a signal ends it.
  ///
  /// SIGTERM and SIGINT end it in order; a second one ends the process at once. On the main thread,
  /// before any other is started.
  ///
  /// - Parameter control: serves the control API; nil for none.
  /// - Throws: what keeps it from serving; then nothing is left open.
  public static func run(
    _ input: DaemonInput, _ options: DaemonOptions, control: (any ControlPoint)? = nil
  ) throws(DaemonFailure) {
    let signals = EndSignals()
    let logger = Log.start(options.logLevel)
    let configuration = input.configuration
    for warning in configuration.warnings { logger.warning("\(warning)") }
    if !Processors.leave(to: configuration.plan.workers.cores) {
      logger.notice("workers have every processor; what else the daemon does takes time of theirs")
    }
    let compiled: CompiledTables
    var plan = configuration.plan
    let opener = try Self.opener(configuration)
    // With an API ports are of the desired state, which is published before anything is judged.
    if configuration.control != nil, plan.runtime == .kernel { plan.guests = [] }
    do {
      compiled = try TableCompiler.compile(
        input.model, CompileRequest(generation: 2, capacity: plan.memory.tableCapacity))
    } catch {
      throw DaemonFailure(.refused, what: "the model cannot be compiled", why: "\(error)")
    }
    let folder = try Self.flowLogFolder(configuration)
    let directory = BrokerPlan.runDirectory(configuration.runDirectory)
    let succession = try Self.succession(input, options, directory, logger)
    var broker: BrokerProcess?
    let guests = plan.guests
    let mayComeLater = configuration.control != nil
    if let brokered = BrokerPlan(plan, runDirectory: directory, mayComeLater: mayComeLater) {
      let ports = guests.indices.filter { guests[$0].isBrokered }.map { $0 + 1 }
      broker = try BrokerProcess(brokered, ports: ports, logger: logger)
      plan = brokered.redirected(plan)
    }
    var opened = try OpenedPorts.open(
      plan, input.model, compiled, succession, opener: opener)
    if let broker { opened.ports = opened.ports.behind(broker) }
    let host = HostServer(
      plan: plan, guests: guests, ports: opened.ports, compiled: compiled,
      isLogged: folder != nil)
    var flowLog: FlowLogger?
    do throws(DaemonFailure) {
      try host.start(neighbors: opened.neighbors)
      do { try succession?.complete() } catch { throw DaemonFailure(error) }
      // The one before has left the state directory, and no packet is judged yet.
      try control?.begin(LiveDataPlane(host))
      if let folder, let wanted = configuration.flowLog {
        flowLog = try FlowLogger(wanted, folder, host, logger: logger)
      }
    } catch {
      if host.stop() { host.close() }
      throw error
    }
    host.begin(discardsWaiting: succession?.isSuccessor ?? false)
    let directories =
      [directory] + [configuration.control?.stateDirectory, folder?.path].compactMap { $0 }
    let confinement =
      configuration.isConfined
      ? Confinement(plan, directories: directories, mayComeLater: mayComeLater) : nil
    let session = Session(
      host: host, signals: signals, logger: logger, succession: succession,
      confinement: confinement, control: control, flowLog: flowLog)
    try session.serve(metrics: configuration.metrics, broker: broker)
  }

  private static func flowLogFolder(
    _ configuration: HostConfiguration
  ) throws(DaemonFailure) -> FlowLogFolder? {
    guard let plan = configuration.flowLog else { return nil }
    return try FlowLogFolder(plan.directory)
  }

  /// Opens guests' ports in the kernel runtime: this process, or one that keeps what this gives up.
  private static func opener(
    _ configuration: HostConfiguration
  ) throws(DaemonFailure) -> GuestOpener {
    guard configuration.plan.runtime == .kernel, configuration.isConfined else { return .local }
    var uplink: String?
    if case .interface(let name)? = configuration.plan.uplink?.device { uplink = name }
    return try PortOpenerProcess.start(uplink: uplink)
  }

  /// A place is taken where processes can meet: in the broker's directory, or one that was named.
  private static func succession(
    _ input: DaemonInput, _ options: DaemonOptions, _ directory: String, _ logger: Logger
  ) throws(DaemonFailure) -> Succession? {
    let isShared =
      BrokerPlan(
        input.configuration.plan, runDirectory: directory,
        mayComeLater: input.configuration.control != nil) != nil
    guard isShared || input.configuration.runDirectory != nil || options.takesOver else {
      return nil
    }
    return try Succession(
      runDirectory: directory, takesOver: options.takesOver, logger: logger)
  }
}

/// From the moment when all ports are open until a signal ends the daemon.
private struct Session {
  let host: HostServer
  let signals: EndSignals
  let logger: Logger
  let succession: Succession?
  let confinement: Confinement?
  let control: (any ControlPoint)?
  let flowLog: FlowLogger?
  let door = ScrapeDoor()

  func serve(
    metrics address: LoopbackAddress?, broker: BrokerProcess?
  ) throws(DaemonFailure) {
    let sampler = HostSampler(host)
    var server: MetricsServer?
    do throws(DaemonFailure) {
      if let address {
        server = try listen(address, sampler)
        logger.info("metrics at http://\(address.address):\(server?.port ?? 0)/metrics")
      }
      try confinement?.apply(logger)
    } catch {
      if host.stop(), flowLog?.end() ?? true { host.close() }
      throw error
    }
    var guests = host.guests.open.count
    logger.info("serving \(guests) \(guests == 1 ? "guest" : "guests")")
    ServiceNotifier.send("READY=1")
    var status = StatusLine()
    var ending: Int32?
    var rounds = 0
    while ending == nil {
      if rounds % 2 == 0 {
        guests = host.guests.open.count
        status.show(sampler.sample(), guests: guests)
      }
      rounds += 1
      host.ports.refresh()
      broker?.watch()
      ending = signals.wait(milliseconds: 500)
    }
    status.clear()
    ServiceNotifier.send("STOPPING=1")
    logger.info("ending", metadata: ["signal": "\(ending ?? 0)"])
    try end(server)
  }

  /// The data plane before may still have the port, for a moment.
  private func listen(
    _ address: LoopbackAddress, _ sampler: HostSampler
  ) throws(DaemonFailure) -> MetricsServer {
    var attempts = succession?.isSuccessor == true ? 50 : 1
    while true {
      do throws(DaemonFailure) {
        return try MetricsServer(address) { [door] in
          door.text { sampler.sample().openMetrics }
        }
      } catch {
        attempts -= 1
        if attempts == 0 { throw error }
        usleep(100_000)
      }
    }
  }

  private func end(_ server: MetricsServer?) throws(DaemonFailure) {
    signals.endAtNext()
    control?.end()
    guard host.stop() else {
      throw DaemonFailure(
        .defect, what: "workers", why: "did not end within \(HostServer.patience) seconds",
        advice: "please report it")
    }
    door.close()
    host.release()
    succession?.leave()
    server?.stop()
    // The successor serves meanwhile.
    if flowLog?.end() ?? true { host.close() }
    logger.info("ended")
  }
}
