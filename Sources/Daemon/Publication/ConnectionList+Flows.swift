import Controller
import Datapath
import Explanation
import TableCompiler
import Tables
import Wire

extension FlowFilter {
  /// nil when nothing can match: an interface that is not there, or an address that is none.
  init?(_ filter: ConnectionFilter, _ compiled: CompiledTables) {
    self.init()
    if let id = filter.networkInterface {
      guard let slot = compiled.slot(ofInterface: id) else { return nil }
      nic = slot
    }
    transport = filter.protocolNumber
    port = filter.port
    guard let text = filter.address else { return }
    guard let prefix = IPPrefix(text) ?? IPAddress(text).map({ IPPrefix($0) }) else { return nil }
    addresses = Addresses(prefix)
  }
}

extension FlowFilter.Addresses {
  init(_ prefix: IPPrefix) {
    let mask = IPPrefix.mask(family: prefix.family, length: prefix.length)
    self.init(
      isIPv6: prefix.family == .v6, high: prefix.address.high, low: prefix.address.low,
      maskHigh: mask.high, maskLow: mask.low)
  }
}

extension IPPrefix {
  /// The prefix of one address.
  init(_ address: IPAddress) {
    self.init(address, length: address.family.bitWidth)
  }
}

extension ConnectionList.Connection {
  /// - Parameter now: nanoseconds, of the workers' clock.
  init(_ record: FlowRecord, networkInterface: String, rule: String, now: UInt64) {
    let hasPorts = record.entry.kind == .tcp || record.entry.kind == .udp
    self.init(
      networkInterface: networkInterface, protocolNumber: record.entry.transport,
      localAddress: record.localAddress.description,
      localPort: hasPorts ? record.localPort : 0,
      remoteAddress: record.remoteAddress.description,
      remotePort: hasPorts ? record.remotePort : 0, state: record.entry.stateName, rule: rule,
      packets: UInt64(record.entry.packetsOut) + UInt64(record.entry.packetsIn),
      bytes: record.entry.bytesOut + record.entry.bytesIn,
      expiresIn: record.entry.deadline > now ? record.entry.deadline - now : 0)
  }
}

extension FlowEntry {
  /// The state as operators know it.
  fileprivate var stateName: String {
    switch kind {
    case .udp: "udp"
    case .echo: "icmp-echo"
    case .other: "other"
    case .free: "none"
    case .tcp: (TCPState(rawValue: state) ?? .none).name
    }
  }
}
