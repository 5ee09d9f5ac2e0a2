import Foundation
import Testing

/// Rules that clients change while guests talk.
@Suite(
  .serialized, .enabled(if: TwoHosts.obstacle == nil, "\(TwoHosts.obstacle ?? "")"),
  .timeLimit(.minutes(5)))
struct ControlTests {
  private static let closed = "securityGroups: [{id: sg, vpc: v, ingress: []}]\n"
  private static let open = """
    securityGroups: [{id: sg, vpc: v, ingress: [{protocol: icmp, from: 0.0.0.0/0}]}]

    """

  private func reaches(_ hosts: TwoHosts) -> Bool {
    (try? hosts.inGuest(1, "ping -c 1 -W 1 10.0.0.12")) != nil
  }

  private func controlled() throws -> TwoHosts {
    let hosts = try TwoHosts(isControlled: true)
    for number in 1...2 { try hosts.start(number) }
    try TwoHosts.eventually("guest 1 reaches guest 2") { reaches(hosts) }
    return hosts
  }

  @Test func rulesChangeUnderTraffic() throws {
    let hosts = try controlled()
    let status = try hosts.control(2, "status")
    #expect(status.contains("generation 1,"), "\(status)")
    _ = try hosts.control(
      2, "apply --patch -f - --on-rule-change cut", document: Self.closed)
    // The answer came when every worker used the rules.
    #expect(!reaches(hosts))
    #expect(try hosts.control(2, "counters").contains("sg.ingress"))
    _ = try hosts.control(2, "apply --patch -f -", document: Self.open)
    #expect(reaches(hosts))
    #expect(try hosts.control(2, "status").contains("generation 3,"))
    // Refused whole: a group that an interface needs.
    #expect(throws: TwoHosts.Failure.self) { try hosts.control(2, "delete securityGroups/sg") }
    #expect(reaches(hosts))
    #expect(throws: TwoHosts.Failure.self) {
      try hosts.control(
        2, "apply --patch -f - --expect-generation 1", document: Self.closed)
    }
    #expect(try hosts.control(2, "audit verify").isEmpty == false)
  }

  @Test func stateOutlivesTheDaemon() throws {
    let hosts = try controlled()
    _ = try hosts.control(2, "apply --patch -f -", document: Self.closed)
    try hosts.kill(2)
    try hosts.start(2)
    #expect(try hosts.control(2, "status").contains("generation 2,"))
    // Its neighbour's address is asked for anew, so give it time to let something pass.
    for _ in 0..<3 { #expect(!reaches(hosts)) }
    #expect(try hosts.stop(2) == 0)
    try hosts.start(2)
    _ = try hosts.control(2, "apply --patch -f -", document: Self.open)
    try TwoHosts.eventually("guest 1 reaches guest 2") { reaches(hosts) }
  }
}
