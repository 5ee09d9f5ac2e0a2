import Testing
import VPCModel

@testable import Daemon

/// What is wrong with a host file comes out as one line each, with its place.
@Suite struct HostRefusalTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var errors: [String]
    var testDescription: String { name }
  }

  /// A kernel host of two guests, to which a case adds or from which it takes.
  static func kernel(_ rest: String, guests: String = "[{eni: a, tap: t0}]") -> String {
    "runtime: kernel\nguests: \(guests)\n\(rest)\n"
  }
  static func dpdk(_ guest: String, _ rest: String = "") -> String {
    "runtime: dpdk\nguests: [\(guest)]\n\(rest)\n"
  }

  static let structure = [
    Case(name: "empty", text: "", errors: ["H:1: is empty: name a runtime"]),
    Case(
      name: "not YAML", text: "runtime: [",
      errors: [
        "H:1: is not valid YAML or JSON: did not find expected node content, while parsing a flow "
          + "node that begins at line 2"
      ]),
    Case(name: "a list", text: "[]", errors: ["H:1:1: must be an object with fields, not a list"]),
    Case(
      name: "nothing required", text: "version: 1",
      errors: ["H:1:1: guests: is missing", "H:1:1: runtime: is missing"]),
    Case(
      name: "version", text: kernel("version: 2"),
      errors: ["H:3:10: version: must be a whole number from 1 to 1, not `2`"]),
    Case(
      name: "unknown field", text: kernel("uplnk: {}"),
      errors: ["H:3:1: uplnk: is not a known field; did you mean `uplink`?"]),
    Case(
      name: "field twice", text: kernel("rules: []\nrules: []"),
      errors: ["H:4:1: rules: is given twice; first at H:3"]),
    Case(
      name: "runtime", text: "runtime: xdp\nguests: [{eni: a, tap: t}]",
      errors: ["H:1:10: runtime: must be `kernel` or `dpdk`, not `xdp`"]),
    Case(
      name: "metrics for others", text: kernel("metrics: 0.0.0.0:9101"),
      errors: ["H:3:10: metrics: `0.0.0.0:9101` is not a loopback address; others could read it"]),
    Case(
      name: "metrics without port", text: kernel("metrics: localhost"),
      errors: [
        "H:3:10: metrics: must be an address such as `127.0.0.1:9101`, not `localhost`"
      ]),
    Case(
      name: "a flow log without directory", text: kernel("flowLog: {interval: 60}"),
      errors: ["H:3:10: flowLog.directory: is missing"]),
    Case(
      name: "flow log",
      text: kernel(
        "flowLog: {directory: log, interval: 61, format: \"${bytes} x\", compress: 1, keepMegabytes: 3}"
      ),
      errors: [
        "H:3:22: flowLog.directory: `log` must begin at the root, with `/`",
        "H:3:37: flowLog.interval: must be 60 or 600 seconds, as on AWS",
        "H:3:49: flowLog.format: 'x' is not of the form ${FIELD}",
        "H:3:73: flowLog.compress: must be true or false, not the number 1",
        "H:3:91: flowLog.keepMegabytes: is less than `fileMegabytes`, so that a file would not be "
          + "kept",
      ]),
    Case(
      name: "run directory", text: kernel("runDirectory: run"),
      errors: ["H:3:15: runDirectory: `run` must begin at the root, with `/`"]),
    Case(
      name: "memory", text: kernel("memory: {flows: 3, buffersPerGuest: many, hugepages: 1}"),
      errors: [
        "H:3:17: memory.flows: must be a whole number from 1024 to 67108864, not `3`",
        "H:3:37: memory.buffersPerGuest: must be a whole number, not `many`",
        "H:3:54: memory.hugepages: must be true or false, not the number 1",
      ]),
    Case(
      name: "rules", text: kernel("rules: vpc.yaml"),
      errors: ["H:3:8: rules: must be a list, not `vpc.yaml`"]),
  ]

  static let workers = [
    Case(
      name: "processor that does not exist", text: kernel("workers: {cores: [0, 7]}"),
      errors: [
        "H:3:22: workers.cores[1]: there is no processor 7 for this process (it has 0, 1)"
      ]),
    Case(
      name: "processor twice", text: kernel("workers: {cores: [1, 1]}"),
      errors: ["H:3:22: workers.cores[1]: processor 1 is given twice"]),
    Case(
      name: "no processors", text: kernel("workers: {cores: []}"),
      errors: ["H:3:18: workers.cores: must name at least one processor"]),
    Case(
      name: "count and cores", text: kernel("workers: {count: 3, cores: [0, 1]}"),
      errors: ["H:3:18: workers.count: 3 workers, but `cores` names 2"]),
    Case(
      name: "no worker", text: kernel("workers: {count: 0}"),
      errors: ["H:3:18: workers.count: must be a whole number from 1 to 64, not `0`"]),
    Case(
      name: "polling", text: kernel("workers: {poll: always}"),
      errors: ["H:3:17: workers.poll: must be `adaptive` or `busy`, not `always`"]),
  ]

  static let uplinks = [
    Case(
      name: "no device", text: kernel("uplink: {queues: 1}"),
      errors: ["H:3:9: uplink.interface: is missing"]),
    Case(
      name: "device of the other runtime", text: kernel("uplink: {device: \"0000:00:05.0\"}"),
      errors: [
        "H:3:18: uplink.device: is for `runtime: dpdk`; name an `interface` such as `eth1`"
      ]),
    Case(
      name: "interface under DPDK",
      text: dpdk("{eni: a, device: net_tap0}", "uplink: {interface: eth1}"),
      errors: [
        "H:3:21: uplink.interface: is for `runtime: kernel`; name a `device` such as "
          + "`0000:00:05.0`, or `net_af_xdp0,iface=eth1`"
      ]),
    Case(
      name: "what the kernel knows itself",
      text: kernel("uplink: {interface: eth1, prefixLength: 24, gateway: 192.0.2.1}"),
      errors: [
        "H:3:41: uplink.prefixLength: is for `runtime: dpdk`; the kernel runtime asks the kernel",
        "H:3:54: uplink.gateway: is for `runtime: dpdk`; the kernel runtime asks the kernel",
      ]),
    Case(
      name: "zero copy under DPDK",
      text: dpdk("{eni: a, device: net_tap0}", "uplink: {device: net_null0, zeroCopy: true}"),
      errors: ["H:3:39: uplink.zeroCopy: is for `runtime: kernel`"]),
    Case(
      name: "gateway without link",
      text: dpdk("{eni: a, device: net_tap0}", "uplink: {device: n, gateway: 192.0.2.1}"),
      errors: ["H:3:30: uplink.gateway: needs `prefixLength`, which says what is on the link"]),
    Case(
      name: "gateway that is no host",
      text: dpdk(
        "{eni: a, device: net_tap0}", "uplink: {device: n, prefixLength: 24, gateway: 224.0.0.1}"),
      errors: ["H:3:48: uplink.gateway: `224.0.0.1` is not the address of a host"]),
    Case(
      name: "queues", text: kernel("uplink: {interface: eth1, queues: 0}"),
      errors: ["H:3:35: uplink.queues: must be a whole number from 1 to 64, not `0`"]),
    Case(
      name: "interface name", text: kernel("uplink: {interface: ../x}"),
      errors: ["H:3:21: uplink.interface: `../x` cannot be the name of a network interface"]),
  ]

  @Test(arguments: structure + workers + uplinks + HostRefusalCases.guests)
  func isRefused(_ wrong: Case) {
    let error = #expect(throws: ModelErrors.self) {
      try HostDocument.load(text: wrong.text, name: "H", processors: [0, 1])
    }
    #expect(error?.errors.map(\.description) == wrong.errors)
  }

  /// Names, paths and numbers of a stranger's file never end the process.
  @Test func everyCutOfAGoodFileIsJudged() throws {
    let text = try String(contentsOfFile: Places.example("hosts/dpdk.yaml"), encoding: .utf8)
    for length in stride(from: 0, to: text.count, by: 7) {
      _ = try? HostDocument.load(
        text: String(text.prefix(length)), name: "H", processors: [0, 1])
    }
  }
}
