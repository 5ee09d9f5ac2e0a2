import FlowLogs
import Foundation
import HostPlan
import Testing
import VPCModel
import Wire

@testable import Daemon

@Suite struct HostConfigurationTests {
  private func load(_ text: String) throws -> HostConfiguration {
    try HostDocument.load(text: text, name: "H", processors: [0, 1]).configuration
  }

  @Test func shortestFile() throws {
    let configuration = try load("runtime: kernel\nguests: [{eni: a, tap: t}]")
    let guest = GuestPlan(networkInterface: "a", device: .tap("t"))
    #expect(configuration == HostConfiguration(plan: HostPlan(runtime: .kernel, guests: [guest])))
  }

  @Test func everyField() throws {
    let configuration = try load(
      """
      version: 1
      runtime: dpdk
      workers: {cores: [1, 0], count: 2, poll: busy}
      uplink: {device: "0000:00:05.0", queues: 4, prefixLength: 24, gateway: 192.0.2.254}
      guests:
        - eni: a
          vhostUser: {socket: /r/a, listens: true, broker: false, packed: true, offload: false, mtu: 9000}
          queues: 2
        - {eni: b, device: "net_tap0,iface=x"}
      memory:
        {flows: 2048, nics: 16, rules: 500, buffersPerGuest: 512, buffersForUplink: 1024,
        hugepages: false, megabytes: 64}
      rules: [vpc.yaml, /etc/apus/more.yaml]
      metrics: "[::1]:9101"
      runDirectory: /run/other
      flowLog:
        {directory: /var/log/flow, format: "${srcaddr} ${reject-reason}", interval: 60,
        compress: false, records: 2048, fileMegabytes: 2, keepFiles: 3, keepMegabytes: 4}
      """)
    let vhost = VhostUserPlan(
      socket: "/r/a", listens: true, isBrokered: false, offersPackedRing: true,
      offersOffload: false, mtu: 9000)
    let plan = HostPlan(
      runtime: .dpdk, workers: WorkerPlan(cores: [1, 0], polling: .busy),
      uplink: UplinkPlan(
        device: .ethdev("0000:00:05.0"), queues: 4, prefixLength: 24,
        gateway: IPAddress("192.0.2.254")),
      guests: [
        GuestPlan(networkInterface: "a", device: .vhostUser(vhost), queues: 2),
        GuestPlan(networkInterface: "b", device: .ethdev("net_tap0,iface=x")),
      ],
      memory: MemoryPlan(
        flows: 2048, buffersPerGuest: 512, buffersForUplink: 1024, usesHugePages: false,
        megabytes: 64, networkInterfaces: 16, rules: 500))
    #expect(
      try configuration
        == HostConfiguration(
          plan: plan, rules: ["vpc.yaml", "/etc/apus/more.yaml"],
          metrics: LoopbackAddress("[::1]:9101"), runDirectory: "/run/other",
          flowLog: FlowLogPlan(
            directory: "/var/log/flow", format: try FlowLogFormat("${srcaddr} ${reject-reason}"),
            interval: .oneMinute, isCompressed: false, records: 2_048, fileBytes: 2 << 20,
            keptFiles: 3, keptBytes: 4 << 20)))
  }

  @Test func devicesThatWaitForGuests() throws {
    let text = """
      runtime: dpdk
      guests: [{eni: eni-b, device: net_ring0, queues: 2}, {eni: eni-a, device: net_ring1}]
      devices: ["net_tap1,iface=y", {device: "0000:00:06.0", queues: 3}]
      memory: {nics: 5}
      control: {stateDirectory: /s}
      """
    let document = try HostDocument.load(text: text, name: "H", processors: [0])
    let waiting = [DevicePlan("net_tap1,iface=y"), DevicePlan("0000:00:06.0", queues: 3)]
    let plan = document.configuration.plan
    #expect(plan.devices == waiting && plan.guests.count == 2 && plan.portCapacity == 7)
    // A guest that comes later finds its device open.
    let checked = try document.checked(against: ModelLoader.load(texts: [("M", host)]))
    #expect(checked.plan.guests.map(\.networkInterface) == ["eni-a"])
    #expect(checked.plan.devices == waiting + [DevicePlan("net_ring0", queues: 2)])
    let names = ["net_tap1,iface=y", "00:06.0", "0000:AF:06.1,x=1"].map { DevicePlan($0).name }
    #expect(names == ["net_tap1", "0000:00:06.0", "0000:af:06.1"])
  }

  @Test func uplinkHasAQueueForEachWorker() throws {
    let text = "runtime: kernel\nworkers: {count: 2}\nuplink: {interface: e}\n"
    let configuration = try load(text + "guests: [{eni: a, interface: t}]")
    #expect(configuration.plan.uplink?.queues == 2)
    #expect(configuration.plan.workers.cores == [nil, nil])
    #expect(configuration.warnings.isEmpty)
  }

  @Test func workersWithoutQueueAreWarnedOf() throws {
    let configuration = try load(
      "runtime: kernel\nworkers: {count: 2}\nguests: [{eni: a, tap: t}]")
    #expect(
      configuration.warnings == [
        "H:2: workers: no port has more than 1 queue, so 1 of 2 workers poll none "
          + "(raise `queues`)"
      ])
  }

  @Test(arguments: ["hosts/kernel.yaml", "hosts/dpdk.yaml"])
  func examplesFitTheirModel(_ name: String) throws {
    let document = try HostDocument.load(path: Places.example(name), processors: [0, 1])
    #expect(document.configuration.warnings.isEmpty)
    #expect(
      document.configuration.rules.map { URL(filePath: $0).standardized.path }
        == [Places.example("web-tier.yaml")])
    _ = try document.checked(against: ModelLoader.load(paths: document.configuration.rules))
  }

  // MARK: With the model

  private func errors(_ text: String, _ model: String) throws -> [String] {
    let model = try ModelLoader.load(texts: [("M", model)])
    let document = try HostDocument.load(text: text, name: "H", processors: [0, 1])
    do { _ = try document.checked(against: model) } catch { return error.errors.map(\.description) }
    return []
  }

  private let host = """
    host: {address: 192.0.2.1, mac: 02:aa:00:00:00:01, gatewayMAC: 02:aa:00:00:00:fe}
    vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/16]}]
    subnets: [{id: s, vpc: v, cidrs: [10.0.0.0/24]}]
    networkInterfaces: [{id: eni-a, subnet: s, mac: 02:00:00:00:00:0a, addresses: [10.0.0.4]}]
    """

  @Test func unknownNetworkInterface() throws {
    let text = "runtime: kernel\nguests: [{eni: eni-b, tap: t}]"
    #expect(
      try errors(text, host) == [
        "H:2:16: guests[0].eni: the model has no network interface `eni-b` (it has eni-a)"
      ])
    #expect(try errors("runtime: kernel\nguests: [{eni: eni-a, tap: t}]", host) == [])
  }

  /// With an API guests and their interfaces may come later.
  @Test func guestsMayComeLater() throws {
    let control = "control: {stateDirectory: /var/lib/apus}\n"
    let model = try ModelLoader.load(texts: [("M", host)])
    func checked(_ text: String) throws -> HostConfiguration {
      let document = try HostDocument.load(
        text: "runtime: kernel\n" + control + text, name: "H", processors: [0, 1])
      return try document.checked(against: model)
    }
    for none in ["", "guests: []\n", "guests:\n"] {
      let plan = try checked(none).plan
      #expect(plan.guests.isEmpty && plan.portCapacity == plan.memory.networkInterfaces)
    }
    let some = try checked(
      "guests: [{eni: eni-b, tap: t}, {eni: eni-a, tap: u}]\nmemory: {nics: 7}")
    #expect(some.plan.guests.map(\.networkInterface) == ["eni-a"] && some.plan.portCapacity == 7)
    #expect(
      some.warnings == [
        "H:3:16: guests[0].eni: the model has no network interface `eni-b` (it has eni-a); its port "
          + "is opened when it is applied with the interface"
      ])
    #expect(
      throws: ModelErrors.self, "without an API nothing comes later",
      performing: {
        _ = try HostDocument.load(text: "runtime: kernel\n", name: "H", processors: [0, 1])
      })
    let alone = try HostDocument.load(
      text: "runtime: kernel\nguests: [{eni: eni-a, tap: t}]", name: "H", processors: [0, 1])
    #expect(alone.configuration.plan.portCapacity == 1)
  }

  @Test func uplinkWithoutHost() throws {
    let text = "runtime: kernel\nuplink: {interface: e}\nguests: [{eni: eni-a, tap: t}]"
    let guestOnly = host.split(separator: "\n").dropFirst().joined(separator: "\n")
    #expect(
      try errors(text, guestOnly) == [
        "H:2:9: uplink: the model has no `host`, so nothing says what this host's address is"
      ])
  }

  @Test(arguments: [
    ("prefixLength: 24, gateway: 192.0.2.9", nil),
    ("prefixLength: 29, gateway: 192.0.2.9", "`192.0.2.9` is not on the link 192.0.2.0/29"),
    (
      "prefixLength: 24, gateway: '2001:db8::1'",
      "`2001:db8::1` is not of the family of the host's address 192.0.2.1"
    ),
  ])
  func gatewayIsOnTheLink(_ fields: String, _ reason: String?) throws {
    let text =
      "runtime: dpdk\nuplink: {device: n, \(fields)}\nguests: [{eni: eni-a, device: m}]"
    let expected = reason.map { ["H:2:48: uplink.gateway: \($0)"] } ?? []
    #expect(try errors(text, host) == expected)
  }

  @Test func prefixLongerThanTheAddress() throws {
    let text =
      "runtime: dpdk\nuplink: {device: n, prefixLength: 64}\nguests: [{eni: eni-a, device: m}]"
    #expect(
      try errors(text, host) == ["H:2:35: uplink.prefixLength: must be at most 32 for 192.0.2.1"])
  }

  @Test(arguments: [
    "127.0.0.1:9101", "127.8.9.1:0", "[::1]:65535",
  ])
  func loopbackAddresses(_ text: String) throws {
    #expect(try LoopbackAddress(text).description == text)
  }

  @Test(arguments: [
    "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:9101", "[::1]",
    "localhost:9101", "[127.0.0.1:9101", "127.0.0.1:+1",
  ])
  func malformedLoopbackAddresses(_ text: String) {
    #expect(throws: LoopbackAddress.Failure.malformed) { try LoopbackAddress(text) }
  }

  @Test(arguments: ["0.0.0.0:1", "192.0.2.1:9101", "[::]:9101", "[2001:db8::1]:9101"])
  func addressesOfOthers(_ text: String) {
    #expect(throws: LoopbackAddress.Failure.notLoopback) { try LoopbackAddress(text) }
  }
}
