import Datapath
import Tables
import Wire

/// A worker with room for the connections of a large capture; memory is touched as it is used.
func makeWorker(_ tables: borrowing RuleTables) -> Worker {
  Worker(
    configuration: WorkerConfiguration(flowCapacity: 1 << 22), nicCapacity: tables.nics.count,
    ruleCapacity: tables.ruleCount)
}

extension ReplaySession {
  /// Puts the outer header on a fragment of a packet that the engine left to be fragmented.
  mutating func encapsulate(_ fragment: inout Packet) {
    if fragment.endpoint == .none { return }
    worker.encapsulate(
      &fragment, endpoint: fragment.endpoint, vni: fragment.vni,
      entropyPort: fragment.entropyPort, compiled.tables)
  }

  /// The counters that the engine kept of each NIC.
  func interfaces() -> [ReplaySummary.Interface] {
    compiled.nicIDs.enumerated().map { index, id in
      let nic = TableIndex(index)
      return ReplaySummary.Interface(
        id: id, counters: worker.nicState(nic).counters,
        available: worker.connectionsAvailable(nic, compiled.tables),
        drops: { worker.dropCount(nic, $0) })
    }
  }
}
