import Foundation
import Testing

/// Ports that clients attach to a running host and detach again, while other guests talk.
@Suite(
  .serialized, .enabled(if: TwoHosts.obstacle == nil, "\(TwoHosts.obstacle ?? "")"),
  .timeLimit(.minutes(10)))
struct PortsTests {
  private func attach(_ host: OneHost, _ number: Int) throws {
    try host.control(
      "apply --patch -f -", document: OneHost.document(number, "interface: vm\(number)"))
  }

  /// A host that started without any guest, and got two.
  private func twoGuests(_ host: OneHost) throws {
    try host.start()
    #expect(try host.log().contains("serving 0 guests"))
    for number in 1...2 { try attach(host, number) }
    try TwoHosts.eventually("guest 1 reaches guest 2") { host.reaches(1, 2) }
  }

  @Test(arguments: [true, false], [1, 2])
  func guestsComeAndGoWhileOthersTalk(isConfined: Bool, workers: Int) throws {
    let host = try OneHost(guests: 4, workers: workers, isConfined: isConfined)
    try twoGuests(host)
    let stream = try host.stream(1, 2)
    usleep(300_000)
    // A device.
    try attach(host, 3)
    try TwoHosts.eventually("guest 3 reaches guest 1") { host.reaches(3, 1) }
    // A tap, which Apus makes.
    try host.control("apply --patch -f -", document: OneHost.document(4, "tap: vt4"))
    try TwoHosts.shell(
      "ip -n \(host.guest(4)) link del eth0; "
        + "ip -n \(host.host) link set vt4 netns \(host.guest(4))")
    try host.configure(4, device: "vt4")
    try TwoHosts.eventually("guest 4 reaches guest 3") { host.reaches(4, 3) }
    #expect(try host.control("counters").contains("eni-4"))
    // Detached, nothing of it is judged any more, and the tap is gone.
    try host.control("delete ports/eni-4 networkInterfaces/eni-4")
    #expect(!host.reaches(3, 4))
    #expect(throws: TwoHosts.Failure.self) {
      try TwoHosts.shell("ip -n \(host.guest(4)) link show vt4")
    }
    try host.control("delete ports/eni-3")
    #expect(!host.reaches(3, 1))
    try attach(host, 3)
    try TwoHosts.eventually("guest 3 reaches guest 1 again") { host.reaches(3, 1) }
    let pings = try stream.end()
    #expect(pings.sent > 30 && pings.answered == pings.sent, "\(pings)")
    try host.end(SIGTERM)
  }

  @Test(arguments: [true, false])
  func whatCannotBeOpenedChangesNothing(isConfined: Bool) throws {
    let host = try OneHost(guests: 3, isConfined: isConfined)
    try twoGuests(host)
    try TwoHosts.shell("ip -n \(host.host) tuntap add dev busy0 mode tap vnet_hdr")
    try TwoHosts.shell("ip -n \(host.host) link add addressed0 type veth peer name addressed1")
    try TwoHosts.shell("ip -n \(host.host) addr add 198.51.100.1/24 dev addressed0")
    let holder = try TapHolder("busy0", in: host.host)
    let before = try host.generation()
    var cases = [
      ("tap: busy0", "another program has the tap open"),
      ("interface: nowhere0", "there is no network interface nowhere0"),
      ("interface: vm2", "is the port of `eni-2` already"),
      ("device: net_tap0", "is for `runtime: dpdk`"),
      ("vhostUser: {socket: /run/vm.sock}", "is for `runtime: dpdk`"),
    ]
    if isConfined { cases.append(("interface: addressed0", "the interface is the host's own")) }
    for (port, reason) in cases {
      let text = try host.refusal("apply --patch -f -", document: OneHost.document(3, port))
      #expect(text.contains(reason), "\(port): \(text)")
      #expect(try host.generation() == before, "\(port)")
    }
    #expect(throws: TwoHosts.Failure.self) { try host.control("get networkInterfaces/eni-3") }
    #expect(host.reaches(1, 2))
    holder.release()
    try host.control("apply --patch -f -", document: OneHost.document(3, "tap: busy0"))
    try host.end(SIGTERM)
  }

  /// 20 times, or as often as APUS_PORT_ROUNDS says.
  @Test func descriptorsAndMemoryStayLevel() throws {
    let words = ProcessInfo.processInfo.environment["APUS_PORT_ROUNDS"]
    let rounds = words.flatMap { Int($0) } ?? 20
    let host = try OneHost(guests: 3)
    try twoGuests(host)
    func round() throws {
      try attach(host, 3)
      try TwoHosts.eventually("guest 3 reaches guest 1") { host.reaches(3, 1) }
      try host.control("delete ports/eni-3 networkInterfaces/eni-3")
    }
    for _ in 0..<5 { try round() }
    let before = try host.level()
    for _ in 0..<rounds { try round() }
    let after = try host.level()
    #expect(abs(after.descriptors - before.descriptors) <= 1, "\(before) \(after)")
    #expect(after.kilobytes < before.kilobytes + 4_096 + 16 * rounds, "\(before) \(after)")
    print("ports, \(rounds) times: \(before) before, \(after) after")
    try host.end(SIGTERM)
  }

  @Test func storedPortsOutliveTheDaemon() throws {
    let host = try OneHost(guests: 3, named: "[{eni: eni-9, interface: vm3}]")
    try host.start()
    #expect(try host.log().contains("the model has no network interface `eni-9`"))
    for number in 1...2 { try attach(host, number) }
    try host.end(SIGKILL)
    try host.start()
    #expect(try host.log().contains("serving 2 guests"))
    try TwoHosts.eventually("guest 1 reaches guest 2") { host.reaches(1, 2) }
    // A device that is not there any more keeps nobody else waiting.
    try host.end(SIGTERM)
    try TwoHosts.shell("ip -n \(host.host) link set vm2 name away2")
    try host.start()
    #expect(
      try host.control("status").contains("ports/eni-2 is not open: there is no network interface"))
    try attach(host, 3)
    try TwoHosts.eventually("guest 1 reaches guest 3") { host.reaches(1, 3) }
    try TwoHosts.shell(
      "ip -n \(host.host) link set away2 down; ip -n \(host.host) link set away2 name vm2; "
        + "ip -n \(host.host) link set vm2 up")
    // It is tried again without a change.
    try TwoHosts.eventually("guest 1 reaches guest 2 again") { host.reaches(1, 2) }
    try host.end(SIGTERM)
  }

  /// The data plane itself has no privilege to open it by.
  @Test(arguments: [true, false]) func aDeviceMadeAnewIsOpenedAgain(isConfined: Bool) throws {
    let host = try OneHost(guests: 2, isConfined: isConfined)
    try twoGuests(host)
    try host.makeAnew(2)
    try TwoHosts.eventually("guest 1 reaches guest 2 again") { host.reaches(1, 2) }
    try host.end(SIGTERM)
  }

  /// What opens ports for the confined data plane can do that and little else, and ends with it.
  @Test func theOpenerIsConfined() throws {
    let host = try OneHost(guests: 2)
    try twoGuests(host)
    let opener = try #require(try host.opener())
    let status = try String(contentsOfFile: "/proc/\(opener)/status", encoding: .utf8)
    var facts: [Substring: Substring] = [:]
    for line in status.split(separator: "\n") {
      let words = line.split(separator: "\t", maxSplits: 1)
      if words.count == 2 { facts[words[0]] = words[1] }
    }
    // CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF.
    let kept: UInt64 = 1 << 12 | 1 << 13 | 1 << 39
    for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
      #expect(facts[Substring(set)].flatMap { UInt64($0, radix: 16) } == kept, "\(set)")
    }
    #expect(facts["NoNewPrivs:"] == "1" && facts["Seccomp:"] == "2" && facts["Threads:"] == "1")
    try host.end(SIGKILL)
    try TwoHosts.eventually("the opener ends") { kill(opener, 0) != 0 }
  }

  /// A whole state that does not speak of ports leaves them, and one that does replaces them.
  @Test func aWholeStateLeavesPortsThatItDoesNotName() throws {
    let host = try OneHost(guests: 2)
    try twoGuests(host)
    let whole = try host.control("get")
    let rules = whole.split(separator: "\n")
    let ports = rules.firstIndex { $0.hasPrefix("ports") }
    #expect(ports != nil, "\(whole)")
    let withoutPorts = rules[..<(ports ?? rules.endIndex)].joined(separator: "\n") + "\n"
    try host.control("apply -f -", document: withoutPorts)
    #expect(host.reaches(1, 2))
    try host.control("apply -f -", document: withoutPorts + "ports: []\n")
    #expect(!host.reaches(1, 2))
    try host.control("apply -f -", document: whole)
    try TwoHosts.eventually("guest 1 reaches guest 2") { host.reaches(1, 2) }
    try host.end(SIGTERM)
  }
}

/// A program that has a tap open.
final class TapHolder {
  private let process = Process()

  init(_ name: String, in namespace: String) throws {
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = [
      "120", "ip", "netns", "exec", namespace, "python3", "-c",
      """
      import fcntl, os, struct, time
      tap = os.open('/dev/net/tun', os.O_RDWR)
      fcntl.ioctl(tap, 0x400454ca, struct.pack('16sH', b'\(name)', 0x5002))
      print('open', flush=True)
      time.sleep(100)
      """,
    ]
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let line = String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
    guard line.hasPrefix("open") else {
      throw TwoHosts.Failure(description: "the tap cannot be held: \(line)")
    }
  }

  deinit { release() }

  func release() {
    guard process.isRunning else { return }
    let id = process.processIdentifier
    let path = "/proc/\(id)/task/\(id)/children"
    let children = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    for child in children.split(separator: " ").compactMap({ Int32($0) }) { kill(child, SIGKILL) }
    process.waitUntilExit()
  }
}
