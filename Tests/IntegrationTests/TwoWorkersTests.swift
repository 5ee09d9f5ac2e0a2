import Foundation
import Testing

/// Two hosts of two workers each: packets come to whichever worker polls their queue, and are
/// judged by the one that owns their connection.
@Suite(
  .serialized, .enabled(if: TwoHosts.obstacle == nil, "\(TwoHosts.obstacle ?? "")"),
  .timeLimit(.minutes(5)))
struct TwoWorkersTests {
  /// All datagrams arrive whole, whoever cuts them: nobody, the router, the guests themselves.
  @Test func `many flows cross workers`() throws {
    let hosts = try TwoHosts(workers: 2)
    try prepare(hosts)
    try serve(hosts) {
      for address in ["10.0.0.12", "fd00:10::12"] {
        // The guests' MTU is 9000 and the tunnel's 1450; over IPv6 nobody but the sender cuts.
        try expectAnswers(hosts, address, bytes: 100)
        try expectAnswers(hosts, address, bytes: 4000)
      }
      for number in 1...2 { try hosts.setMTU(number, 1400) }
      for address in ["10.0.0.12", "fd00:10::12"] {
        try expectAnswers(hosts, address, bytes: 4000)
        try hosts.inGuest(1, "ping -c 20 -i 0.05 -W 5 -s 4000 \(address)")
      }
    }
    for number in 1...2 {
      try expectConservation(hosts, number)
      for worker in 0...1 {
        let label = #"{worker="\#(worker)"}"#
        #expect(try hosts.metric(number, "apus_worker_handed_over_total\(label)") > 20)
        #expect(try hosts.metric(number, "apus_worker_taken_over_total\(label)") > 20)
        #expect(try hosts.metric(number, "apus_worker_sent_total\(label)") > 100)
      }
      #expect(try hosts.stop(number) == 0)
    }
  }

  /// An error goes to the worker that owns the connection which it quotes; elsewhere it would be
  /// refused as belonging to none.
  @Test func `ICMP errors find the connection they are about`() throws {
    let hosts = try TwoHosts(workers: 2)
    try prepare(hosts)
    // Linux limits the errors that it sends.
    for number in 1...2 {
      try hosts.inGuest(
        number, "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
    }
    for address in ["10.0.0.12", "fd00:10::12"] {
      let learnt = try hosts.run(1, ManyFlows.refused, [address])
      #expect(learnt == "16", "\(address)")
    }
    for number in 1...2 { try expectConservation(hosts, number) }
  }

  // MARK: Parts

  private func prepare(_ hosts: TwoHosts) throws {
    for number in 1...2 { try hosts.start(number) }
    for address in ["10.0.0.12", "fd00:10::12"] {
      try TwoHosts.eventually("\(address) answers") {
        (try? hosts.inGuest(1, "ping -c 1 -W 1 \(address)")) != nil
      }
    }
  }

  private func serve(_ hosts: TwoHosts, _ body: () throws -> Void) throws {
    let servers = try ["10.0.0.12", "fd00:10::12"].map { address in
      try BackgroundProgram(
        ["ip", "netns", "exec", hosts.guest(2), "python3", "-c", ManyFlows.server, address],
        log: hosts.folder.appending(path: "server-\(UUID().uuidString)"), seconds: 240)
    }
    defer { for server in servers { server.signal(SIGKILL) } }
    // Before they listen, the guest refuses what comes for them.
    try TwoHosts.eventually("the servers listen") {
      try TwoHosts.shell("ip netns exec \(hosts.guest(2)) ss -H -uln").split(separator: "\n").count
        >= servers.count
    }
    try body()
  }

  private func expectAnswers(_ hosts: TwoHosts, _ address: String, bytes: Int) throws {
    let answer = try hosts.run(1, ManyFlows.client, [address, "\(bytes)"])
    let numbers = answer.split(separator: " ").compactMap { Int($0) }
    #expect(numbers.first == ManyFlows.flows, "\(bytes) bytes to \(address): \(answer)")
    // The first ones may find no server yet, or learn the path's size.
    #expect((numbers.last ?? .max) < 16, "\(bytes) bytes to \(address): \(answer)")
  }

  /// Every received frame has one end, of both workers together: between them some are under way.
  private func expectConservation(_ hosts: TwoHosts, _ number: Int) throws {
    func sum(_ counters: [String]) throws -> Int {
      try counters.reduce(0) { total, counter in
        try (0...1).reduce(total) { part, worker in
          try part + hosts.metric(number, #"apus_worker_\#(counter)_total{worker="\#(worker)"}"#)
        }
      }
    }
    try TwoHosts.eventually("host \(number) accounts for every frame") {
      let received = try sum(["received", "taken_over"])
      return try received > 0
        && received == sum(["sent", "dropped", "ignored", "punted", "handed_over"])
    }
    try TwoHosts.eventually("host \(number) takes over what was handed over") {
      try sum(["handed_over"]) == sum(["taken_over"])
    }
    #expect(try sum(["answers_lost"]) == 0)
  }
}

extension TwoHosts {
  /// Runs a Python program in a guest and returns what it prints, without the line's end.
  fileprivate func run(_ number: Int, _ program: String, _ arguments: [String]) throws -> String {
    let file = folder.appending(path: "program-\(UUID().uuidString).py")
    try program.write(to: file, atomically: true, encoding: .utf8)
    let words = arguments.joined(separator: " ")
    return try TwoHosts.shell(
      "ip netns exec \(guest(number)) python3 \(file.path) \(words)", seconds: 120
    ).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  fileprivate func setMTU(_ number: Int, _ bytes: Int) throws {
    try TwoHosts.shell("ip -n \(guest(number)) link set eth0 mtu \(bytes)")
  }
}
