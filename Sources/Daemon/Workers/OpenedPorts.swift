import DPDKPort
import Datapath
import HostPlan
import KernelPort
import Live
import TableCompiler
import Tables
import VPCModel
import Wire

/// The ports of a plan, open, and where their next hops come from.
struct OpenedPorts {
  var ports: PortHandle
  var neighbors: UnderlayNeighbors

  /// Opens the ports with the runtime that the plan names.
  ///
  /// - Parameters:
  ///   - succession: completed before a port that one process at a time can have.
  ///   - opener: opens guests' ports in the kernel runtime.
  static func open(
    _ plan: HostPlan, _ model: VPCModel, _ compiled: CompiledTables, _ succession: Succession?,
    opener: GuestOpener
  ) throws(DaemonFailure) -> OpenedPorts {
    let endpoints = compiled.endpointAddresses
    do throws(PortError) {
      switch plan.runtime {
      case .kernel:
        try succession?.complete()
        return try openKernel(plan, model, endpoints, opener)
      case .dpdk: return try openDPDK(plan, model, endpoints, succession)
      }
    } catch {
      throw DaemonFailure(error)
    }
  }
}

extension OpenedPorts {
  private static func openKernel(
    _ plan: HostPlan, _ model: VPCModel, _ endpoints: [IPAddress?], _ opener: GuestOpener
  ) throws(PortError) -> OpenedPorts {
    let runtime = try KernelRuntime(
      plan, tunnelAddress: model.host?.address, opener: opener)
    let shared = SharedRuntime(runtime)
    var ports = PortHandle(shared) { index, workers, engine, gate in
      // Of one concrete type, so that the compiler makes a loop for it.
      var worker = LiveWorker<KernelIO>(
        index: index, io: shared.runtime.makeIO(worker: index),
        engine: engine.makeEngine(worker: index),
        shared: workers)
      gate.pass(worker: index)
      worker.runPorts()
    }
    ports.refresh = { shared.runtime.refresh() }
    ports.attach = { guest, port throws(PortError) in
      try shared.runtime.attach(guest, port: port)
    }
    ports.detach = { shared.runtime.detach(port: $0) }
    ports.reclaim = { shared.runtime.reclaim(port: $0) }
    guard let uplink = shared.runtime.uplinkInterface else {
      return OpenedPorts(ports: ports, neighbors: .none)
    }
    do {
      let table = try KernelTable(uplink: uplink.index)
      let hops = KernelNextHops(endpoints: endpoints) { table.resolve($0) }
      return OpenedPorts(ports: ports, neighbors: .kernel(hops))
    } catch {
      ports.close()
      throw error
    }
  }

  private static func openDPDK(
    _ plan: HostPlan, _ model: VPCModel, _ endpoints: [IPAddress?], _ succession: Succession?
  ) throws(PortError) -> OpenedPorts {
    let runtime = try DPDKRuntime(
      plan, tunnelAddress: model.host?.address, underlayMTU: model.host?.mtu ?? 1500
    ) { () throws(PortError) in try succession?.complete() }
    let shared = SharedRuntime(runtime)
    var ports = PortHandle(shared) { index, workers, engine, gate in
      // Of one concrete type, so that the compiler makes a loop for it.
      var worker = LiveWorker<DPDKIO>(
        index: index, io: shared.runtime.makeIO(worker: index),
        engine: engine.makeEngine(worker: index),
        shared: workers)
      gate.pass(worker: index)
      worker.runPorts()
    }
    ports.release = { shared.runtime.release() }
    ports.attach = { guest, port throws(PortError) in
      try shared.runtime.attach(guest, port: port)
    }
    ports.detach = { shared.runtime.detach(port: $0) }
    ports.reclaim = { shared.runtime.reclaim(port: $0) }
    ports.park = { shared.runtime.park(port: $0) }
    ports.resume = { shared.runtime.resume(port: $0) }
    ports.discardWaiting = { shared.runtime.discardWaiting() }
    return OpenedPorts(ports: ports, neighbors: ownNeighbors(plan, model, endpoints, ports))
  }

  /// ARP and neighbour discovery of our own, for an uplink that the kernel does not know.
  private static func ownNeighbors(
    _ plan: HostPlan, _ model: VPCModel, _ endpoints: [IPAddress?], _ ports: PortHandle
  ) -> UnderlayNeighbors {
    guard let uplink = plan.uplink, let host = model.host else { return .none }
    let routes = UnderlayRoutes(
      endpoints: endpoints, link: uplink.prefixLength.map { IPPrefix(host.address, length: $0) },
      gateway: uplink.gateway)
    return .own(
      NeighborCache(
        address: host.address, mac: ports.uplinkMAC, hops: routes, gateway: uplink.gateway,
        gatewayMAC: host.gatewayMAC))
  }
}

/// The kernel's neighbour table, held by the one thread that asks it.
private final class KernelTable {
  private let neighbors: KernelNeighbors

  init(uplink: Int32) throws(PortError) { neighbors = try KernelNeighbors(uplink: uplink) }

  /// nil without a route out of the uplink, too: packets for there are dropped and counted.
  func resolve(_ endpoint: IPAddress) -> MACAddress? { try? neighbors.resolve(endpoint) }
}
