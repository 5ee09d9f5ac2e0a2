import Foundation

/// A host whose `apus run` (kernel runtime) serves guests on taps, each guest a namespace, and
/// perhaps another implementation of the tunnel as the other host.
struct PeerHost: Sendable {
  let apus: Apus
  let guests: [Namespace]
  /// The other host's endpoint; nil without another host.
  let peer: Namespace?

  static let local = [
    UnderlayPeer.Endpoint(mac: "02:00:00:00:00:0a", v4: "10.0.1.10", v6: "fd00::a"),
    UnderlayPeer.Endpoint(mac: "02:00:00:00:00:0b", v4: "10.0.1.11", v6: "fd00::b"),
  ]
  static let remote = UnderlayPeer.Endpoint.all[1]

  /// Makes all of it for a test's work and removes it afterwards.
  ///
  /// - Parameters:
  ///   - count: of guests, 1 or 2.
  ///   - kind: of the other host; nil for none.
  ///   - hosts: this one and the other one in the underlay.
  static func with<Value>(
    guests count: Int, peer kind: UnderlayPeer.Kind? = nil,
    hosts: [UnderlayPeer.Host] = UnderlayPeer.Host.v4,
    _ body: (PeerHost) async throws -> Value
  ) async throws -> Value {
    let folder = try Folder("peer-host")
    return try await Namespace.with("ph-host") { host in
      try await Namespace.with("ph-one") { one in
        try await Namespace.with("ph-two") { two in
          let peer = try await kind.asyncMap { try await setUp($0, hosts, host) }
          defer { peer?.down() }
          let model = try folder.write(
            model(guests: count, peer: kind, hosts), to: "model.yaml")
          let text = configuration(guests: count, hasUplink: kind != nil)
          return try await Apus.with(host: text, model: model, folder: folder, in: host) { apus in
            let guests = Array([one, two].prefix(count))
            for (index, guest) in guests.enumerated() {
              try await configure(guest, index, host)
            }
            let endpoint = peer.map { Namespace(name: $0.name) }
            return try await body(PeerHost(apus: apus, guests: guests, peer: endpoint))
          }
        }
      }
    }
  }

  private static func setUp(
    _ kind: UnderlayPeer.Kind, _ hosts: [UnderlayPeer.Host], _ host: Namespace
  ) async throws -> UnderlayPeer {
    let name = "apus-ph-peer-\(getpid())"
    UnderlayPeer(name: name).down()
    let peer = try UnderlayPeer.up(
      kind, name: name, namespace: host.name, device: "uplink0", host: hosts[1], remote: hosts[0],
      vni: 100, endpoint: remote, others: [local[0]])
    try await host.ip("link set uplink0 address \(hosts[0].mac)")
    let noCollision = hosts[0].address.contains(":") ? " nodad" : ""
    try await host.ip(
      "address add \(hosts[0].address)/\(hosts[0].prefixLength) dev uplink0\(noCollision)")
    return peer
  }

  private static func configure(_ guest: Namespace, _ index: Int, _ host: Namespace) async throws {
    let endpoint = local[index]
    let device = "vm\(index)"
    try await host.ip("link set \(device) netns \(guest.name)")
    try await guest.ip("link set \(device) address \(endpoint.mac) up")
    try await guest.ip("address add \(endpoint.v4)/24 dev \(device)")
    try await guest.ip("address add \(endpoint.v6)/64 dev \(device) nodad")
  }

  private static func configuration(guests count: Int, hasUplink: Bool) -> String {
    let guests = (0..<count).map { "  - {eni: eni-\($0), tap: vm\($0)}\n" }.joined()
    let uplink = hasUplink ? "uplink: {interface: uplink0}\n" : ""
    return "runtime: kernel\nmemory: {flows: 65536}\n\(uplink)guests:\n\(guests)"
  }

  private static func model(
    guests count: Int, peer kind: UnderlayPeer.Kind?, _ hosts: [UnderlayPeer.Host]
  ) -> String {
    var text = """
      version: 1
      vpcs: [{id: v, vni: 100, cidrs: [10.0.0.0/16, "fd00::/56"]}]
      subnets: [{id: s, vpc: v, cidrs: [10.0.1.0/24, "fd00::/64"]}]
      securityGroups:
        - id: sg
          vpc: v
          ingress:
            - {protocol: icmp, from: 10.0.1.0/24}
            - {protocol: icmpv6, from: "fd00::/64"}
            - {protocol: tcp, ports: 5001-5002, from: [10.0.1.0/24, "fd00::/64"]}
      networkInterfaces:

      """
    for (index, endpoint) in local.prefix(count).enumerated() {
      text += "  - {id: eni-\(index), subnet: s, mac: \(endpoint.mac), securityGroups: [sg], "
      text += "addresses: [\(endpoint.v4), \"\(endpoint.v6)\"]}\n"
    }
    guard let kind else { return text }
    text += "host: {address: \"\(hosts[0].address)\", mac: \(hosts[0].mac), "
    text += "gatewayMAC: \(hosts[1].mac), "
    text += "encapsulation: \(kind == .ovsGeneve ? "geneve" : "vxlan")}\nmappings:\n"
    for address in [remote.v4, remote.v6] {
      text += "  - {vpc: v, address: \"\(address)\", host: \"\(hosts[1].address)\", "
      text += "mac: \(remote.mac)}\n"
    }
    return text
  }

  // MARK: Counters

  /// The value of a sample; 0 when there is none.
  func metric(_ sample: String) async throws -> Int {
    try await apus.metrics().map { Self.value(sample, in: $0) } ?? 0
  }

  static func value(_ sample: String, in text: String) -> Int {
    let line = text.split(separator: "\n").first { $0.hasPrefix(sample + " ") }
    return line.flatMap { Int($0.dropFirst(sample.count + 1)) } ?? 0
  }

  /// Whether every received frame has one end. Guests say this and that by themselves, and the
  /// numbers have to be of one moment.
  func accountsForEveryFrame() async throws -> Bool {
    try await Waiting.until(seconds: 30, every: .milliseconds(200)) {
      guard let text = try await apus.metrics() else { return false }
      func sum(_ counters: [String]) -> Int {
        counters.reduce(0) {
          $0 + Self.value(#"apus_worker_\#($1)_total{worker="0"}"#, in: text)
        }
      }
      let received = sum(["received", "taken_over"])
      return received > 0
        && received == sum(["sent", "dropped", "ignored", "punted", "handed_over"])
        && sum(["answers_lost"]) == 0
    }
  }
}

extension Optional {
  fileprivate func asyncMap<Value>(
    _ transform: (Wrapped) async throws -> Value
  ) async throws -> Value? {
    if let self { return try await transform(self) }
    return nil
  }
}
