import HostPlan
import Live
import TableCompiler
import Tables
import VPCModel
import Wire

/// A generation that is ready to be published: what the service thread needs for it.
struct Publication: Sendable {
  /// A guest's port and the number of its network interface.
  struct Connection: Sendable {
    var port: Int
    var nic: TableIndex
  }

  let compiled: CompiledTables
  let connections: [Connection]
  /// The uplink and all places for guests' ports, and those ports that are there.
  let portCount: Int
  let ports: [Int]
  let uplinkMAC: MACAddress
  /// Answers of the services; nil when they are those of the generation before.
  var desk: ServiceDesk?

  /// - Parameters:
  ///   - guests: open ports by number.
  ///   - portCount: the uplink and all places for guests' ports.
  init(
    _ compiled: CompiledTables, guests: [(port: Int, guest: GuestPlan)], portCount: Int,
    uplinkMAC: MACAddress
  ) {
    self.compiled = compiled
    self.uplinkMAC = uplinkMAC
    self.portCount = portCount
    ports = [0] + guests.map(\.port)
    connections = guests.compactMap { port, guest in
      compiled.slot(ofInterface: guest.networkInterface).map { Connection(port: port, nic: $0) }
    }
  }

  /// What workers read.
  ///
  /// - Parameter words: the next hops of the endpoints, as `NeighborWord` has them.
  func tables(words: [UInt64]) -> LiveTables {
    let tables = LiveTables(
      rules: compiled.tables, portCount: portCount, polled: ports, uplinkMAC: uplinkMAC)
    for connection in connections {
      tables.connect(port: connection.port, nic: connection.nic)
    }
    for (endpoint, word) in words.enumerated()
    where word != NeighborWord.unresolved && endpoint < compiled.tables.endpoints.count {
      tables.nextHops.set(TableIndex(endpoint), MACAddress(word & 0xFFFF_FFFF_FFFF))
    }
    return tables
  }
}
