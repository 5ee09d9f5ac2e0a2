import Foundation
import Testing

/// `apus run` on two hosts: guest to guest through AF_XDP and a tunnel.
@Suite(
  .serialized, .enabled(if: TwoHosts.obstacle == nil, "\(TwoHosts.obstacle ?? "")"),
  .timeLimit(.minutes(5)))
struct TwoHostsTests {
  struct Underlay: Sendable, CustomTestStringConvertible {
    var encapsulation: String
    var isIPv6: Bool
    var port: TwoHosts.Port
    var testDescription: String {
      "\(encapsulation) over IPv\(isIPv6 ? 6 : 4), \(port.rawValue)"
    }
  }

  static let underlays = [
    Underlay(encapsulation: "geneve", isIPv6: false, port: .tap),
    Underlay(encapsulation: "vxlan", isIPv6: false, port: .interface),
    Underlay(encapsulation: "geneve", isIPv6: true, port: .interface),
    Underlay(encapsulation: "vxlan", isIPv6: true, port: .tap),
  ]

  @Test(arguments: underlays)
  func guestsReachEachOther(_ underlay: Underlay) throws {
    let hosts = try TwoHosts(
      underlay.encapsulation, isIPv6: underlay.isIPv6, port: underlay.port)
    for number in 1...2 { try hosts.start(number) }
    try waitForWay(hosts)
    try hosts.inGuest(1, "ping -c 5 -i 0.2 -W 2 10.0.0.12")
    try hosts.inGuest(2, "ping -c 5 -i 0.2 -W 2 10.0.0.11")
    try hosts.inGuest(1, "ping -c 5 -i 0.2 -W 2 fd00:10::12")
    // The router answers for itself: ARP, or what its guests' stack asks by neighbour discovery.
    #expect(try hosts.inGuest(1, "ip neigh show 10.0.0.12").contains("02:"))
    for number in 1...2 {
      try expectConservation(hosts, number)
      #expect(try hosts.stop(number) == 0)
      #expect(try hosts.log(number).contains("ended"))
    }
  }

  @Test func everyThreadHasGivenUpItsPrivileges() throws {
    let hosts = try TwoHosts()
    try hosts.start(1)
    let threads = try hosts.threads(1)
    // The main thread, a worker, the services.
    #expect(threads.count >= 3)
    for thread in threads {
      let name = thread["Name"] ?? ""
      for set in ["CapEff", "CapPrm", "CapBnd"] {
        // Guests' ports are opened by a process of its own.
        #expect(thread[set].flatMap { UInt64($0, radix: 16) } == 0, "\(name) \(set)")
      }
      #expect(thread["NoNewPrivs"] == "1" && thread["Seccomp"] == "2", "\(name)")
    }
  }

  @Test func whatTheGroupRefusesDoesNotPass() throws {
    let hosts = try TwoHosts()
    for number in 1...2 { try hosts.start(number) }
    try waitForWay(hosts)
    #expect(throws: TwoHosts.Failure.self) {
      try hosts.inGuest(1, "timeout --signal=KILL 2 bash -c 'echo > /dev/tcp/10.0.0.12/22'")
    }
    try TwoHosts.eventually("the drop is counted") {
      try hosts.metric(2, #"apus_drops_total{eni="eni-2",reason="sg.ingress"}"#) > 0
    }
  }

  @Test func guestsLearnThePathsSize() throws {
    let hosts = try TwoHosts()
    for number in 1...2 { try hosts.start(number) }
    try waitForWay(hosts)
    // 1500 less 50 of Geneve over IPv4; the guest's own MTU is 9000.
    let answer = try hosts.inGuest(1, "ping -c 2 -W 2 -M do -s 4000 10.0.0.12 || true")
    #expect(answer.contains("mtu = 1450") || answer.contains("mtu=1450"), "\(answer)")
    // Over IPv6 the router advertisement may have told the guest's stack before any packet did.
    let second = try hosts.inGuest(1, "ping -c 2 -W 2 -M do -s 4000 fd00:10::12 || true")
    #expect(second.contains("1450"), "\(second)")
    // Without DF a packet is cut here, and put together by the other guest.
    try hosts.inGuest(1, "ip route flush cache")
    try hosts.inGuest(1, "ping -c 3 -i 0.2 -W 2 -M dont -s 4000 10.0.0.12")
  }

  @Test func hostsComeBack() throws {
    let hosts = try TwoHosts()
    for number in 1...2 { try hosts.start(number) }
    try waitForWay(hosts)
    for _ in 0..<3 {
      #expect(try hosts.stop(1) == 0)
      try expectNothingLeft(hosts)
      try hosts.start(1)
      try waitForWay(hosts)
      try hosts.kill(1)
      try expectNothingLeft(hosts)
      try hosts.start(1)
      try waitForWay(hosts)
      try hosts.inGuest(1, "ping -c 3 -i 0.2 -W 2 10.0.0.12")
    }
  }

  // MARK: Parts

  /// Until the next hops are known, the first packets are dropped.
  private func waitForWay(_ hosts: TwoHosts) throws {
    try TwoHosts.eventually("a ping is answered") {
      (try? hosts.inGuest(1, "ping -c 1 -W 1 10.0.0.12")) != nil
    }
  }

  private func expectNothingLeft(_ hosts: TwoHosts) throws {
    try TwoHosts.eventually("no XDP program is left") {
      try !TwoHosts.shell("ip -n \(hosts.host(1)) -d link show up1").contains("xdp")
    }
  }

  /// Every received frame has one end.
  private func expectConservation(_ hosts: TwoHosts, _ number: Int) throws {
    func count(_ name: String) throws -> Int {
      try hosts.metric(number, #"apus_worker_\#(name)_total{worker="0"}"#)
    }
    // Guests say this and that by themselves: the numbers have to be of one moment.
    try TwoHosts.eventually("host \(number) accounts for every frame") {
      let received = try count("received") + count("taken_over")
      let ends = try ["sent", "dropped", "ignored", "punted", "handed_over"].reduce(0) {
        try $0 + count($1)
      }
      return received > 0 && received == ends
    }
    #expect(try count("answers_lost") == 0)
  }
}
