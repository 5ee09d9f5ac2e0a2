import Controller
import Datapath
import Live
import TableCompiler
import Tables
import Wire

extension HostSampler {
  /// The counters as the controller gives them on.
  func counters() -> HostCounters {
    let compiled = inUse.current
    let sample = sample()
    var counters = HostCounters()
    counters.uptime = MonotonicClock.now() - start
    counters.generation = inUse.number
    counters.interfaces = sample.interfaces.map { interface in
      let limit = compiled.slot(ofInterface: interface.id).map {
        compiled.tables.nics[$0].connections
      }
      return interface.counters(connectionLimit: limit ?? .max)
    }
    counters.ports = sample.ports.map(\.controllerPort)
    counters.workers = sample.workers.map { values in
      Dictionary(
        uniqueKeysWithValues: zip(LiveCounter.allCases.map { "\($0)" }, values))
    }
    compiled.forEachRule { number, name in
      let hits = hits.count(rule: number)
      if hits > 0 { counters.ruleHits[name] = hits }
    }
    return counters
  }
}

extension HostSample.Interface {
  /// - Parameter connectionLimit: tracked connections allowed; `UInt32.max` is unlimited.
  fileprivate func counters(connectionLimit: UInt32) -> HostCounters.Interface {
    var result = HostCounters.Interface(id: id)
    result.connections = connections
    result.values = [
      "packets_in": counters.packetsIn, "packets_out": counters.packetsOut,
      "bytes_in": counters.bytesIn, "bytes_out": counters.bytesOut,
      "bw_in_allowance_exceeded": counters.bandwidthInExceeded,
      "bw_out_allowance_exceeded": counters.bandwidthOutExceeded,
      "pps_allowance_exceeded": counters.packetsExceeded,
      "conntrack_allowance_exceeded": counters.connectionsExceeded,
      "linklocal_allowance_exceeded": counters.linkLocalExceeded,
    ]
    if connectionLimit != .max {
      let limit = UInt64(connectionLimit)
      result.values["conntrack_allowance_available"] = limit - min(limit, connections)
    }
    for drop in drops { result.dropsByReason[drop.reason.name] = drop.count }
    return result
  }
}

extension HostSample.Port {
  fileprivate var controllerPort: HostCounters.Port {
    var result = HostCounters.Port(name: name)
    result.isUp = isUp
    result.values = [
      "packets_in": counters.receivedPackets, "packets_out": counters.sentPackets,
      "bytes_in": counters.receivedBytes, "bytes_out": counters.sentBytes,
      "missed": counters.missed, "wedged": counters.wedged,
      "buffers_in_use": counters.buffersInUse, "buffers": counters.buffers,
    ]
    let own: [(DropReason, UInt64)] = [
      (.portFull, counters.dropsFull), (.portDown, counters.dropsDown),
      (.portOversize, counters.dropsOversize),
    ]
    for (reason, count) in own + drops.map({ ($0.reason, $0.count) }) where count > 0 {
      result.dropsByReason[reason.name, default: 0] += count
    }
    return result
  }
}
