import Testing
import VPCModel
import Wire

@testable import Reachability

/// `apus reach` on a model made by hand: who is named, with which sets, and whether answers come.
@Suite struct ReachTests {
  /// `PEER PROTOCOL PORTS ANSWERS ADDRESSES` of each row, for one address of the interface.
  static func rows(
    to interface: String, at own: String, _ text: String = Fixture.text
  ) throws -> [String] {
    lines(ReachAnalysis(try Fixture.model(text)).reach(to: interface), own)
  }

  static func rows(
    from interface: String, at own: String, _ text: String = Fixture.text
  ) throws -> [String] {
    lines(ReachAnalysis(try Fixture.model(text)).reach(from: interface), own)
  }

  private static func lines(_ reach: Reach?, _ own: String) -> [String] {
    (reach?.entries ?? []).filter { "\($0.own)" == own }.flatMap { entry in
      entry.rows(isForReading: true).map { row in
        "\(entry.peer.text) | \(row.protocolText) \(row.lowText) | \(row.answersText) | "
          + row.addresses.text
      }
    }
  }

  @Test func databaseIsReachedByItsGroups() throws {
    #expect(
      try Self.rows(to: "eni-db", at: "10.0.2.10") == [
        "eni-web | tcp 5432 | yes | 10.0.1.10/31",
        "eni-app | tcp 5432 | yes | 10.0.1.20",
        // It may send from the addresses of others, but gets no answers for them.
        "eni-nat | tcp 5432 | no | 10.0.1.10/31, 10.0.1.20",
      ])
  }

  /// The answers of the web server cross its subnet's ACL, which lets them out to high ports.
  @Test func webServerFromEverywhere() throws {
    let rows = try Self.rows(to: "eni-web", at: "10.0.1.10")
    let outside = rows.filter { $0.hasPrefix("outside, by igw-blue") }
    let unroutable = "169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16"
    let groups = "224.0.0.0/4, 255.255.255.255"
    #expect(
      outside == [
        "outside, by igw-blue | icmp type 8 | yes | 10.1.0.0/16, 10.2.0.0/15, 10.4.0.0/14, "
          + "10.8.0.0/16, 10.10.0.0/15, 10.12.0.0/14, 10.16.0.0/12, 10.32.0.0/11, 10.64.0.0/10, "
          + "10.128.0.0/9",
        "outside, by igw-blue | icmp type 8 | no | 10.9.0.0/16",
        "outside, by igw-blue | tcp 80 | to 443, 1024-65535 | 0.0.0.0/0 except 10.0.0.0/16, "
          + "10.9.0.0/16, \(unroutable), \(groups)",
        "outside, by igw-blue | tcp 80, 443 | no | 10.9.0.0/16, \(unroutable), \(groups)",
        "outside, by igw-blue | tcp 443 | to 443, 1024-65535 | 0.0.0.0/0 except 10.0.0.0/16, "
          + "10.9.0.0/16, \(unroutable), 198.51.100.128/25, \(groups)",
        "outside, by igw-blue | tcp 9000-9010 | to 443, 1024-65535 | 198.51.100.0/24",
      ])
    // Same subnet: no ACL on the way.
    #expect(rows.contains("eni-app | tcp 80, 443, 9000-9010 | yes | 10.0.1.20"))
    // Without a public address nothing comes through the gateway.
    let second = try Self.rows(to: "eni-web", at: "10.0.1.11")
    #expect(!second.contains { $0.hasPrefix("outside") })
    #expect(second.contains("eni-app | tcp 80, 443, 9000-9010 | yes | 10.0.1.20"))
  }

  @Test func withoutSourceCheckAnyAddressIsASource() throws {
    let rows = try Self.rows(
      to: "eni-db", at: "10.0.2.10",
      Fixture.text.replacing(
        "from: [sg-web, sg-app]", with: "from: [sg-web, 172.16.5.0/24]"))
    // From another subnet's address: the answer goes to that subnet, not back.
    #expect(rows.contains("eni-nat | tcp 5432 | no | 10.0.1.10/31, 172.16.5.0/24"))
  }

  @Test func peersReachWhatTheirRoutesAllow() throws {
    #expect(
      try Self.rows(to: "eni-green", at: "10.9.1.10") == [
        "eni-nat | tcp 80 | no | 10.0.0.0/16",
        "other hosts of vpc-blue | tcp 80 | no | 10.0.2.77",
      ])
  }

  @Test func webServerReaches() throws {
    #expect(
      try Self.rows(from: "eni-web", at: "10.0.1.10") == [
        "eni-db | tcp 5432 | yes | 10.0.2.10",
        "eni-nat | tcp 443 | yes | 10.0.2.20, 172.16.0.0/12",
        "eni-nat | udp 53 | yes | 10.0.2.20",
        "other hosts of vpc-blue | tcp 443 | yes | 10.0.2.77",
        "other hosts of vpc-blue | udp 53 | yes | 10.0.2.77",
        "other hosts of vpc-green | tcp 443 | yes | 10.9.1.77",
        "outside, by igw-blue | tcp 443 | yes | 0.0.0.0/0 except 10.0.0.0/16, 10.9.0.0/16, "
          + "169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 198.51.100.128/25, 224.0.0.0/4, "
          + "255.255.255.255",
        "outside, by igw-blue | tcp 443 | to 0-442, 444-65535 | 198.51.100.128/25",
      ])
  }

  @Test func unknownInterface() throws {
    let analysis = ReachAnalysis(try Fixture.model())
    #expect(analysis.reach(to: "eni-none") == nil)
    #expect(analysis.reach(from: "eni-none") == nil)
    #expect(analysis.reach(to: "eni-bare")?.entries.isEmpty == true)
    #expect(analysis.reach(to: "eni-bare")?.text == "eni-bare accepts nothing new\n")
  }

  @Test func untrackedFlowsAreAnswered() throws {
    // eni-nat is open to everybody both ways; its answers pass like tracked ones.
    let rows = try Self.rows(to: "eni-nat", at: "10.0.2.20")
    #expect(rows.contains("other hosts of vpc-blue | all all | yes | 10.0.2.77"))
    #expect(rows.contains("eni-app | tcp 443, 1024-65535 | yes | 10.0.1.20"))
  }

  // MARK: Filters

  @Test func filters() throws {
    let reach = try #require(ReachAnalysis(try Fixture.model()).reach(to: "eni-web"))
    let icmp = reach.only(protocol: IPProtocol.icmp)
    #expect(icmp.entries.flatMap { $0.rows() }.allSatisfy { $0.protocolText == "icmp" })
    #expect(!icmp.entries.isEmpty)
    let app = reach.only(interface: "eni-app")
    #expect(Set(app.entries.map(\.peer)) == [.interface("eni-app")])
    let prefix = try #require(IPPrefix("198.51.100.0/25"))
    let office = reach.only(prefix)
    #expect(office.entries.count == 3)
    for entry in office.entries where entry.peer == .gateway("igw-blue") {
      #expect(entry.rows().map(\.addresses.text).allSatisfy { $0 == "198.51.100.0/25" })
    }
    #expect(
      reach.only(try #require(IPPrefix("10.77.0.0/16"))).only(interface: "eni-db").entries.isEmpty)
  }

  // MARK: Boxes

  /// The boxes of an entry are disjoint, and together they are the set.
  @Test func boxesAreTheSet() throws {
    let analysis = ReachAnalysis(try Fixture.model())
    var boxes = 0
    for nic in try Fixture.model().networkInterfaces {
      for reach in [analysis.reach(to: nic.id), analysis.reach(from: nic.id)] {
        for entry in try #require(reach).entries {
          var sum = TrafficSet(.refused)
          for row in entry.rows() {
            let box = Self.box(row, entry.own.family)
            var overlaps = false
            sum = sum.joined(box) { here, there in
              if here.arrives && there.arrives { overlaps = true }
              return here.arrives ? here : there
            }
            #expect(!overlaps, "\(row)")
            boxes += 1
          }
          #expect(sum == entry.traffic, "\(nic.id) \(entry.peer)")
        }
      }
    }
    #expect(boxes > 50)
  }

  private static func box(_ row: ReachRow, _ family: IPFamily) -> TrafficSet {
    let numbers = row.protocolText.split(separator: "-").compactMap { UInt8($0) }
    let names: [String: UInt8] = ["tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58]
    let first = names[row.protocolText] ?? numbers.first ?? 0
    let last = names[row.protocolText] ?? numbers.last ?? 255
    let services: [ClosedRange<UInt32>] =
      row.low.isEmpty
      ? [Service.number(first)...Service.number(last, .max)]
      : row.low.map {
        Service.number(first, $0.lowerBound)...Service.number(first, $0.upperBound)
      }
    let fates = row.sourcePorts.combined(with: row.answered) { arrives, answered in
      arrives ? (row.isOneWay ? Fate.oneWay : answered ? .answered : .unanswered) : .refused
    }
    let inside = ServiceSet(services).map { $0 ? fates : PortFates(.refused) }
    return row.addresses.numbers.map { $0 ? inside : .refused }
  }
}
