import Foundation

/// A host on which Apus serves a guest (eni-guest) and a neighbour (eni-neighbor): the guest is a
/// QEMU, the neighbour a namespace that holds the other end of a tap device.
struct GuestHost: Sendable {
  let apus: Apus
  let guest: Guest
  let neighbor: Namespace
  let host: Namespace

  static let guestMAC = "02:00:00:00:00:0a"
  static let neighborMAC = "02:00:00:00:00:0b"

  /// Makes all of it for a test's work and removes it afterwards.
  static func with<Value>(
    _ runtime: Apus.Runtime, queues: Int = 1, device: String? = nil,
    _ body: (GuestHost) async throws -> Value
  ) async throws -> Value {
    let label = runtime.rawValue
    return try await Namespace.with("\(label)-h") { host in
      try await Namespace.with("\(label)-n") { neighbor in
        let folder = try Folder(label)
        if runtime == .kernel {
          let many = queues > 1 ? " multi_queue" : ""
          try await host.ip("tuntap add tap-g mode tap vnet_hdr\(many)")
        }
        let text = configuration(runtime, queues: queues, folder: folder)
        let model = Places.models.appending(path: "guest.yaml").path
        return try await Apus.with(host: text, model: model, folder: folder, in: host) { apus in
          try await hold(
            "tap-n", of: host, in: neighbor, by: runtime, mac: neighborMAC,
            addresses: ["10.0.1.11/24", "fd00:10:0:1::b/64"])
          let card: Guest.Card =
            runtime == .kernel ? .tap("tap-g") : .vhostUser(socket: folder.path("guest.sock"))
          let parameters = Guest.Parameters(
            card: card, mac: guestMAC, queues: queues, namespace: host, device: device)
          return try await Guest.with(parameters) { guest in
            try await body(GuestHost(apus: apus, guest: guest, neighbor: neighbor, host: host))
          }
        }
      }
    }
  }

  private static func configuration(
    _ runtime: Apus.Runtime, queues: Int, folder: Folder
  ) -> String {
    let guests =
      switch runtime {
      case .kernel:
        """
          - {eni: eni-guest, interface: tap-g, queues: \(queues)}
          - {eni: eni-neighbor, tap: tap-n}
        """
      case .dpdk:
        """
          - {eni: eni-guest, vhostUser: {socket: \(folder.path("guest.sock"))}, queues: \(queues)}
          - {eni: eni-neighbor, device: "net_tap0,iface=tap-n"}
        """
      }
    return """
      version: 1
      runtime: \(runtime.rawValue)
      guests:
      \(guests)
      memory: {flows: 65536, hugepages: false, megabytes: 256}

      """
  }

  /// Gives a namespace the other end of a tap device of Apus, as a container gets its interface.
  ///
  /// DPDK's tap device takes its link for lost when it leaves the namespace, so there it stays, and
  /// all that is its own goes through to an interface above it.
  static func hold(
    _ interface: String, of host: Namespace, in namespace: Namespace, by runtime: Apus.Runtime,
    mac: String, addresses: [String]
  ) async throws {
    let isThere = try await Waiting.until(seconds: 20) {
      try await host.exec("ip link show \(interface)").status == 0
    }
    guard isThere else { throw LabError(description: "Apus made no \(interface)") }
    switch runtime {
    case .kernel:
      try await host.ip("link set \(interface) netns \(namespace.name)")
    case .dpdk:
      _ = try await host.exec("echo 1 >/proc/sys/net/ipv6/conf/\(interface)/disable_ipv6")
      try await host.ip("link set \(interface) up address \(mac)")
      try await host.ip(
        "link add link \(interface) name \(interface) netns \(namespace.name) "
          + "type macvlan mode passthru")
    }
    try await namespace.ip("link set \(interface) address \(mac)")
    for address in addresses {
      let quick = address.contains(":") ? " nodad" : ""
      try await namespace.ip("addr add \(address) dev \(interface)\(quick)")
    }
    try await namespace.ip("link set \(interface) up")
  }
}
