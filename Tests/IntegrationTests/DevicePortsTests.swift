import Foundation
import Testing

/// Guests that are attached to DPDK's devices of a running, confined host and detached again, while
/// other guests talk.
@Suite(
  .serialized, .enabled(if: TwoHosts.obstacle == nil, "\(TwoHosts.obstacle ?? "")"),
  .timeLimit(.minutes(10)))
struct DevicePortsTests {
  /// Of the first three guests the ends of their veth pairs, of the fourth a tap.
  private static let devices = """
    ["net_af_packet1,iface=vm1", {device: "net_af_packet2,iface=vm2"}, \
    {device: "net_af_packet3,iface=vm3", queues: 1}, "net_tap4,iface=vt4"]
    """

  private func attach(_ host: OneHost, _ number: Int, _ device: String? = nil) throws {
    let name = device ?? (number == 4 ? "net_tap4" : "net_af_packet\(number)")
    try host.control(
      "apply --patch -f -", document: OneHost.document(number, "device: \"\(name)\""))
  }

  private func started(workers: Int = 1) throws -> OneHost {
    let host = try OneHost(guests: 4, workers: workers, devices: Self.devices)
    try host.start()
    #expect(try host.log().contains("serving 0 guests"))
    for number in 1...2 { try attach(host, number) }
    try TwoHosts.eventually("guest 1 reaches guest 2") { host.reaches(1, 2) }
    return host
  }

  /// As often as given, or as APUS_PORT_ROUNDS says.
  @Test(arguments: [(workers: 1, rounds: 4), (2, 20)])
  func guestsComeAndGoWhileOthersTalk(workers: Int, rounds: Int) throws {
    let words = ProcessInfo.processInfo.environment["APUS_PORT_ROUNDS"]
    let rounds = words.flatMap { Int($0) } ?? rounds
    let host = try started(workers: workers)
    // The guest holds what stands on the tap: DPDK takes its link for lost if it leaves.
    try TwoHosts.shell(
      """
      ip -n \(host.guest(4)) link del eth0
      ip netns exec \(host.host) sh -c 'echo 1 >/proc/sys/net/ipv6/conf/vt4/disable_ipv6'
      ip -n \(host.host) link set vt4 up address 02:00:00:00:00:04
      ip -n \(host.host) link add link vt4 name vt4 \
        netns \(host.guest(4)) type macvlan mode passthru
      """)
    try host.configure(4, device: "vt4")
    let stream = try host.stream(1, 2)
    var level: (buffers: Int, descriptors: Int)?
    for round in 0..<rounds {
      let number = 3 + round % 2
      try attach(host, number)
      try TwoHosts.eventually("guest \(number) reaches guest 1") { host.reaches(number, 1) }
      #expect(host.reaches(2, number))
      let now = (
        buffers: try #require(try host.portCounter("buffers_in_use", number)),
        descriptors: try host.level().descriptors
      )
      try host.control("delete ports/eni-\(number)")
      #expect(try host.portCounter("buffers_in_use", number) == nil)
      if round < 2 { #expect(!host.reaches(1, number)) }
      if number == 3 {
        // What the device's rings hold, and what is on its way at this moment.
        let first = level ?? now
        #expect(abs(now.buffers - first.buffers) <= 64, "round \(round): \(first), then \(now)")
        #expect(abs(now.descriptors - first.descriptors) <= 1, "\(round): \(first), \(now)")
        level = first
      }
    }
    let pings = try stream.end()
    #expect(pings.sent > 30 && pings.answered == pings.sent, "\(pings)")
    try host.end(SIGTERM)
  }

  /// A device goes from one interface to another, at once or with a while in between; what came in
  /// the while is nobody's.
  @Test func aDeviceGoesToAnotherGuest() throws {
    let host = try started()
    try attach(host, 3)
    try TwoHosts.eventually("guest 3 reaches guest 1") { host.reaches(3, 1) }
    try host.control("delete ports/eni-3")
    try TwoHosts.shell(
      """
      ip -n \(host.guest(3)) neigh replace 10.0.0.11 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
      ip netns exec \(host.guest(3)) ping -q -c 200 -i 0.005 -W 1 10.0.0.11 || true
      ip -n \(host.guest(3)) addr flush dev eth0
      ip -n \(host.guest(3)) link set eth0 address 02:00:00:00:00:04
      ip -n \(host.guest(3)) addr replace 10.0.0.14/24 dev eth0
      """)
    let document = OneHost.document(4, "device: net_af_packet3")
    try host.control("apply --patch -f -", document: document)
    let received = try #require(try host.portCounter("packets_total", 4, ",direction=\"in\""))
    #expect(received < 50, "200 frames came before it had a guest")
    try TwoHosts.eventually("guest 4 reaches guest 2") {
      (try? TwoHosts.shell(
        "ip netns exec \(host.guest(3)) ping -c 1 -W 1 10.0.0.12")) != nil
    }
    // In one step two guests' devices change places, and back.
    let whole = try host.control("get")
    let (one, two) = ("net_af_packet1,iface=vm1", "net_af_packet2,iface=vm2")
    let changed = whole.replacing(one, with: "X").replacing(two, with: one).replacing(
      "X", with: two)
    #expect(changed != whole)
    try host.control("apply -f -", document: changed)
    #expect(!host.reaches(1, 2))
    try host.control("apply -f -", document: whole)
    try TwoHosts.eventually("guest 1 reaches guest 2 again") { host.reaches(1, 2) }
    try host.end(SIGTERM)
  }

  @Test func whatCannotBeAttachedChangesNothing() throws {
    let host = try started()
    let before = try host.generation()
    for (port, reason) in [
      ("device: net_ring7", "net_ring7 is a device of DPDK that was not opened at start"),
      ("device: net_ring7", "add it to `devices` of the host file, 'apus run --takeover'"),
      ("device: \"net_tap4,iface=other\"", "the device is open as net_tap4,iface=vt4 with 1 queue"),
      ("device: net_tap4, queues: 2", "the device is open as net_tap4,iface=vt4 with 1 queue"),
      ("device: net_af_packet1", "is the port of `eni-1` already"),
      ("tap: t0", "is for `runtime: kernel`"),
    ] {
      let text = try host.refusal("apply --patch -f -", document: OneHost.document(3, port))
      #expect(text.contains(reason), "\(port): \(text)")
      #expect(try host.generation() == before, "\(port)")
    }
    #expect(host.reaches(1, 2))
    try host.end(SIGTERM)
  }

  /// Devices of stored ports are attached when the daemon starts.
  @Test func storedPortsOutliveTheDaemon() throws {
    let host = try started()
    try host.end(SIGKILL)
    try host.start()
    #expect(try host.log().contains("serving 2 guests"))
    try TwoHosts.eventually("guest 1 reaches guest 2") { host.reaches(1, 2) }
    try attach(host, 3)
    try TwoHosts.eventually("guest 3 reaches guest 1") { host.reaches(3, 1) }
    try host.end(SIGTERM)
  }
}
