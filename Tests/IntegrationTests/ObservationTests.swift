import Foundation
import Testing

/// Packets of two hosts' guests that a client looks at.
@Suite(
  .serialized, .enabled(if: TwoHosts.obstacle == nil, "\(TwoHosts.obstacle ?? "")"),
  .timeLimit(.minutes(5)))
struct ObservationTests {
  private static let closed = "securityGroups: [{id: sg, vpc: v, ingress: []}]\n"
  private static let hasTshark = (try? TwoHosts.shell("command -v tshark")) != nil

  private func controlled(workers: Int = 1) throws -> TwoHosts {
    let hosts = try TwoHosts(workers: workers, isControlled: true)
    for number in 1...2 { try hosts.start(number) }
    try TwoHosts.eventually("guest 1 reaches guest 2") {
      (try? hosts.inGuest(1, "ping -c 1 -W 1 10.0.0.12")) != nil
    }
    return hosts
  }

  /// Has guest 1 talk until a client has ended, and gives what that has printed.
  private func output(
    _ hosts: TwoHosts, _ number: Int, _ command: String, ping: String
  ) throws -> String {
    let file = hosts.folder.appending(path: "client")
    let client = try hosts.startControl(number, command, output: file)
    for _ in 0..<40 where client.isRunning { _ = try? hosts.inGuest(1, ping) }
    client.waitUntilExit()
    let text = try String(contentsOf: file, encoding: .utf8)
    #expect(client.terminationStatus == 0, "\(text)")
    return text
  }

  @Test(arguments: [1, 2])
  func aDroppedPacketIsExplained(workers: Int) throws {
    let hosts = try controlled(workers: workers)
    _ = try hosts.control(2, "apply --patch -f - --on-rule-change cut", document: Self.closed)
    let text = try output(
      hosts, 2,
      "trace --eni eni-2 --protocol icmp --from 10.0.0.11 --to 10.0.0.12 --dropped --count 2",
      ping: "ping -c 1 -W 1 10.0.0.12")
    for part in [
      " icmp 10.0.0.11 > 10.0.0.12, 98 bytes: drop sg.ingress: "
        + "no security group rule allows it in (eni-2, ingress)\n",
      "\n  tunnel: decapsulated, VNI 7\n  ingress: judged as received by eni-2\n",
      "\n  security groups: no rule of the one group allows it\n",
      "apus: 2 packets: as many as asked for\n",
    ] {
      #expect(text.contains(part), "\(text)")
    }
    // On the sender's host it was forwarded, by which rule the same command tells.
    let sender = try output(
      hosts, 1, "trace --eni eni-1 --protocol icmp --from 10.0.0.11 --count 1 --json",
      ping: "ping -c 1 -W 1 10.0.0.12")
    #expect(sender.contains(#""verdict":"forward","#), "\(sender)")
    #expect(sender.contains("location: 10.0.0.12 on host 192.0.2.2"), "\(sender)")
    #expect(try hosts.control(2, "audit read --json").contains("trace"))
  }

  @Test(.enabled(if: hasTshark, "needs tshark"), arguments: [false, true])
  func aCaptureIsReadByOthers(hasPayload: Bool) throws {
    let hosts = try controlled()
    let file = hosts.folder.appending(path: "out.pcapng").path
    let flag = hasPayload ? " --payload" : ""
    // As it leaves for the other host, in its tunnel.
    let text = try output(
      hosts, 1,
      "capture --uplink --after --protocol icmp --from 10.0.0.11 --count 3\(flag) -o \(file)",
      ping: "ping -c 1 -W 1 -p a5 -s 200 10.0.0.12")
    #expect(text.contains("apus: 3 packets: as many as asked for"), "\(text)")
    let fields = try TwoHosts.shell(
      """
      tshark -r \(file) -T fields -E occurrence=a -E separator=/s -e frame.interface_name \
        -e frame.len -e frame.cap_len -e geneve.vni -e ip.dst -e frame.comment 2>/dev/null
      """)
    let lines = fields.split(separator: "\n")
    #expect(lines.count == 3)
    for line in lines {
      #expect(line.hasPrefix("uplink 292 \(hasPayload ? 292 : 92) "), "\(line)")
      #expect(line.contains("192.0.2.2,10.0.0.12 forward out to underlay, rule "), "\(line)")
    }
    let bytes = try Data(contentsOf: URL(filePath: file))
    let payload = Data([UInt8](repeating: 0xA5, count: 8))
    #expect((bytes.range(of: payload) != nil) == hasPayload)
  }

  @Test func aClientThatIsKilledMakesRoom() throws {
    let hosts = try controlled()
    let file = hosts.folder.appending(path: "killed")
    let client = try hosts.startControl(
      1, "trace --protocol 99 --seconds 600 --count 100000", output: file)
    // Asked for, and half a second later begun: another must not come first.
    try TwoHosts.eventually("the first has begun") {
      try hosts.control(1, "audit read --json").contains(#""method":"trace""#)
    }
    usleep(500_000)
    // Another one is refused while the first is there.
    let why = #expect(throws: TwoHosts.Failure.self) {
      _ = try hosts.control(1, "trace --seconds 1 --protocol 99")
    }
    #expect(why?.description.contains("a host has no more than 1 at once") == true)
    #expect(client.isRunning)
    let id = client.processIdentifier
    let child = try String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8)
    let number = try #require(child.split(separator: " ").first.flatMap { Int32($0) })
    kill(number, SIGKILL)
    client.waitUntilExit()
    try TwoHosts.eventually("there is room again") {
      (try? hosts.control(1, "trace --seconds 1 --protocol 99")) != nil
    }
    #expect(try hosts.stop(1) == 0)
  }
}
