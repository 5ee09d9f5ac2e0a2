import Foundation
import Testing

/// A candidate beside the rules of a host whose guests talk.
@Suite(
  .serialized, .enabled(if: TwoHosts.obstacle == nil, "\(TwoHosts.obstacle ?? "")"),
  .timeLimit(.minutes(5)))
struct ShadowTests {
  private static let closed = "securityGroups: [{id: sg, vpc: v, ingress: []}]\n"
  private static let open = """
    securityGroups:
      - {id: sg, vpc: v, ingress: [{protocol: icmp, from: 0.0.0.0/0}, {protocol: all, from: 10.0.0.0/8}]}

    """

  /// Has guest 1 ping, each time in a connection of its own, until a client has ended.
  private func run(_ hosts: TwoHosts, _ command: String) throws -> (status: Int32, text: String) {
    let file = hosts.folder.appending(path: "client")
    let client = try hosts.startControl(2, command, output: file)
    while client.isRunning {
      // The rules in force alone decide.
      #expect(throws: Never.self) { try hosts.inGuest(1, "ping -c 1 -W 1 10.0.0.12") }
      usleep(100_000)
    }
    client.waitUntilExit()
    return (client.terminationStatus, try String(contentsOf: file, encoding: .utf8))
  }

  @Test(arguments: [1, 2])
  func aCandidateIsJudgedAndPromoted(workers: Int) throws {
    let hosts = try TwoHosts(workers: workers, isControlled: true)
    for number in 1...2 { try hosts.start(number) }
    try TwoHosts.eventually("guest 1 reaches guest 2") {
      (try? hosts.inGuest(1, "ping -c 1 -W 1 10.0.0.12")) != nil
    }
    let candidate = hosts.folder.appending(path: "candidate.yaml")
    try Self.closed.write(to: candidate, atomically: true, encoding: .utf8)
    let (status, text) = try run(
      hosts, "shadow --patch \(candidate.path) --eni eni-2 --protocol icmp --duration 4")
    #expect(status == 1, "\(text)")
    for part in [
      "apus: beside generation 1: 1 would change", "\nforward -> drop: ",
      "\n  live       forward in to eni-2, rule ",
      "\n  candidate  drop sg.ingress: no security group rule allows it in (eni-2, ingress)\n",
      " icmp 10.0.0.11 > 10.0.0.12, 98 bytes\n", "\n  candidate  drop ct.invalid: ",
      "\ngeneration 1 stays: the time is over\n",
    ] {
      #expect(text.contains(part), "\(text)")
    }
    #expect(!text.contains("judges otherwise"), "\(text)")
    #expect(try hosts.control(2, "status").contains("generation 1,"))

    try Self.open.write(to: candidate, atomically: true, encoding: .utf8)
    let (same, promoted) = try run(
      hosts, "shadow --patch \(candidate.path) --promote-if-same --duration 3")
    #expect(same == 0, "\(promoted)")
    #expect(promoted.contains(", 0 different\n"), "\(promoted)")
    #expect(promoted.hasSuffix("promoted: generation 2\n"), "\(promoted)")
    #expect(try hosts.control(2, "status").contains("generation 2,"))
    #expect(try hosts.control(2, "audit read --json").contains("shadow promote"))
    for number in 1...2 { #expect(try hosts.stop(number) == 0) }
  }
}
