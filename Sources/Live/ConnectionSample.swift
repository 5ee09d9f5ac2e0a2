import Tables
import Wire

/// A share of a host's connections: one in so many, each with all of its packets, both ways.
///
/// A symmetric hash of the ends tells which, so nothing is remembered. An end is the guest's own
/// address, also where an internet gateway translates it. Ports count for TCP and UDP. A fragment
/// is in no sample but that of all: only the first one of a datagram has its ports.
@frozen public struct ConnectionSample: BitwiseCopyable, Sendable {
  /// One connection in so many.
  public let oneIn: UInt32
  /// Other seeds choose other connections.
  public let seed: UInt64

  /// - Parameter oneIn: 1 is all, what is no packet of a connection too.
  public init(oneIn: UInt32, seed: UInt64) {
    precondition(oneIn > 0)
    self.oneIn = oneIn
    self.seed = seed
  }

  public static var all: ConnectionSample { ConnectionSample(oneIn: 1, seed: 0) }

  /// Whether a packet is in the sample.
  ///
  /// - Complexity: O(n) in the number of internet gateways, for what came by a tunnel.
  @_noLocks
  func contains(_ frame: borrowing ObservedFrame, _ tables: borrowing RuleTables) -> Bool {
    if oneIn == 1 { return true }
    guard frame.headers.hasAddresses, !frame.headers.isFragment else { return false }
    var destination = frame.headers.destination
    if frame.hasTunnel { destination = Self.privateAddress(destination, vni: frame.vni, tables) }
    let transport = frame.headers.transport
    let countsPorts =
      frame.headers.hasTransport && (transport == IPProtocol.tcp || transport == IPProtocol.udp)
    let ends =
      end(frame.headers.source, countsPorts ? frame.headers.sourcePort : 0)
      &+ end(destination, countsPorts ? frame.headers.destinationPort : 0)
    let hash = Self.mixed(ends &+ UInt64(transport))
    return ((hash >> 32) &* UInt64(oneIn)) >> 32 == 0
  }

  private func end(_ address: IPAddress, _ port: UInt16) -> UInt64 {
    Self.mixed(Self.mixed(address.low ^ seed) ^ address.high &+ UInt64(port))
  }

  private static func mixed(_ word: UInt64) -> UInt64 {
    var mixed = (word ^ word >> 32) &* 0xD6E8_FEB8_6659_FD93
    mixed = (mixed ^ mixed >> 32) &* 0xD6E8_FEB8_6659_FD93
    return mixed ^ mixed >> 32
  }

  /// The address that a public one stands for; itself when it is none.
  private static func privateAddress(
    _ address: IPAddress, vni: UInt32, _ tables: borrowing RuleTables
  ) -> IPAddress {
    guard address.family == .v4, tables.gateways.count > 0 else { return address }
    let vpc = tables.vnis.lookup(scope: 0, IPAddress(v4: vni))
    var index = 0
    while index < tables.gateways.count {
      let gateway = tables.gateways[index]
      if gateway.vni == vni || gateway.vpc == vpc {
        let found = tables.publicAddresses.lookup(scope: gateway.vpc, address)
        if found != .none { return tables.nicPublicAddresses[found].privateAddress }
      }
      index &+= 1
    }
    return address
  }
}
