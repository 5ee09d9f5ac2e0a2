import Datapath
import Live
import TableCompiler
import Tables
import VPCModel
import Wire

/// The counters of a host at one moment.
struct HostSample: Sendable {
  struct Port: Sendable {
    /// `uplink`, or the network interface of the guest.
    var name: String
    var isUp: Bool
    var counters: PortCounters
    /// Drops of frames that came by the port and belong to no network interface.
    var drops: [(reason: DropReason, count: UInt64)]
  }

  struct Interface: Sendable {
    var id: String
    var counters: NICCounters
    var connections: UInt64
    var drops: [(reason: DropReason, count: UInt64)]
  }

  var seconds: UInt64
  var ports: [Port]
  var interfaces: [Interface]
  /// Of each worker, by `LiveCounter`.
  var workers: [[UInt64]]
  /// nil without a flow log.
  var flowLog: FlowLogCounters.Values? = nil

  /// All drops of network interfaces and ports.
  var drops: UInt64 {
    let ofInterfaces = interfaces.reduce(UInt64(0)) { $0 + $1.drops.reduce(0) { $0 + $1.count } }
    return ports.reduce(ofInterfaces) { sum, port in
      let own = port.counters.dropsFull + port.counters.dropsDown + port.counters.dropsOversize
      return sum + own + port.drops.reduce(0) { $0 + $1.count }
    }
  }

  var connections: UInt64 { interfaces.reduce(0) { $0 + $1.connections } }
  var guestsUp: Int { ports.dropFirst().count { $0.isUp } }
}

/// Takes samples of a host's counters; from any thread.
struct HostSampler: Sendable {
  let guests: GuestPorts
  let hasUplink: Bool
  let inUse: TablesInUse
  let ports: PortHandle
  let shared: WorkerShared
  let hits: RuleHits
  let flowLog: FlowLogCounters?
  let start: UInt64

  init(_ host: HostServer) {
    guests = host.guests
    hasUplink = host.plan.uplink != nil
    inUse = host.inUse
    hits = host.hits
    flowLog = host.flowLog
    ports = host.ports
    shared = host.shared
    start = MonotonicClock.now()
  }

  private var names: [(port: Int, name: String)] {
    [(0, "uplink")] + guests.open.map { ($0.port, $0.guest.networkInterface) }
  }

  func sample() -> HostSample {
    let compiled = inUse.current
    return HostSample(
      seconds: (MonotonicClock.now() - start) / 1_000_000_000,
      ports: names.map { port, name in
        HostSample.Port(
          name: name, isUp: ports.offloads(port).contains(.isUp), counters: ports.counters(port),
          drops: Self.nonzero { shared.counters.portDrops(port, $0) })
      },
      interfaces: compiled.model.networkInterfaces.enumerated().map { index, interface in
        let nic = compiled.slot(ofInterface: index)
        return HostSample.Interface(
          id: interface.id, counters: shared.counters.nicCounters(nic),
          connections: shared.counters.connections(nic),
          drops: Self.nonzero { shared.counters.nicDrops(nic, $0) })
      },
      workers: (0..<shared.workers).map { worker in
        LiveCounter.allCases.map { shared.counters.count(worker: worker, $0) }
      }, flowLog: flowLog?.current)
  }

  private static func nonzero(
    _ count: (DropReason) -> UInt64
  ) -> [(reason: DropReason, count: UInt64)] {
    DropReason.allCases.compactMap { reason in
      let number = reason == .none ? 0 : count(reason)
      return number == 0 ? nil : (reason, number)
    }
  }
}
