import VPCModel
import Wire

/// The addresses of a NIC's virtual router, from which ICMP answers come.
package struct RouterAddresses: Sendable {
  package var v4 = IPAddress(v4: 0)
  package var v6 = IPAddress(v6: 0xFE80 << 48, 1)

  /// Routers of all NICs: the first address of the subnet's IPv4 block plus one, and fe80::1.
  package static func ofInterfaces(_ model: VPCModel) -> [RouterAddresses] {
    let subnets = Dictionary(
      model.subnets.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    return model.networkInterfaces.map { nic in
      var router = RouterAddresses()
      if let block = subnets[nic.subnet]?.cidrs.first(where: { $0.family == .v4 }) {
        router.v4 = block.address.advanced(by: 1)
      }
      return router
    }
  }
}
