import FlowLogs
import Testing
import VPCModel
import Wire

@testable import FlowLogAudit

/// Records of AWS's flow logs against models.
@Suite struct FlowLogAuditTests {
  /// One interface, which its VPC may ask for SSH, and which asks for HTTPS.
  static let model = """
    vpcs: [{id: vpc, vni: 1, cidrs: [172.31.0.0/16, "2001:db8:1234::/48"]}]
    internetGateways: [{id: igw, vpc: vpc, host: 192.0.2.254, vni: 9}]
    routeTables:
      - id: rtb
        vpc: vpc
        routes:
          - {to: 0.0.0.0/0, via: igw}
          - {to: "::/0", via: igw}
    networkACLs:
      - id: acl
        vpc: vpc
        ingress:
          - {rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}
          - {rule: 110, action: allow, protocol: all, cidr: "::/0"}
        egress:
          - {rule: 90, action: deny, protocol: icmp, cidr: 0.0.0.0/0}
          - {rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}
          - {rule: 110, action: allow, protocol: all, cidr: "::/0"}
    subnets:
      - id: subnet
        vpc: vpc
        cidrs: [172.31.16.0/24, "2001:db8:1234:a100::/64"]
        routeTable: rtb
        networkACL: acl
    securityGroups:
      - id: sg
        vpc: vpc
        ingress:
          - {id: ssh, protocol: tcp, ports: 22, from: [172.31.0.0/16, "2001:db8:1234::/48"]}
          - {id: ping, protocol: icmp, from: [203.0.113.0/24]}
        egress:
          - {id: https, protocol: tcp, ports: 443, to: [0.0.0.0/0]}
    networkInterfaces:
      - id: eni-1235b8ca123456789
        subnet: subnet
        mac: "02:00:00:00:00:0a"
        addresses: [172.31.16.21, "2001:db8:1234:a100:8d6e:3477:df66:f105"]
        securityGroups: [sg]
        publicAddresses: {172.31.16.21: 198.51.100.9}
    """

  static let start = "2 123456789010 eni-1235b8ca123456789"
  static let end = "1418530010 1418530070"

  /// What is found in a log, given as its lines.
  static func findings(_ lines: [String]) throws -> FlowLogFindings {
    try Workplace().findings(lines, model: model)
  }

  /// AWS's own examples: accepted SSH, rejected RDP (Flow log record examples).
  @Test func publishedExamplesAgree() throws {
    let found = try Self.findings([
      "\(Self.start) 172.31.16.139 172.31.16.21 20641 22 6 20 4249 \(Self.end) ACCEPT OK",
      "\(Self.start) 172.31.9.69 172.31.16.21 49761 3389 6 20 4249 \(Self.end) REJECT OK",
      "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA",
      "2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA",
      "\(Self.start) 2001:db8:1234:a100:8d6e:3477:df66:f106 2001:db8:1234:a100:8d6e:3477:df66:f105 "
        + "34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK",
    ])
    #expect(found.records == 3 && found.agreeing == 3 && !found.differs)
    #expect(found.withoutData == 1 && found.skippedByAWS == 1 && found.skipped == 0)
  }

  /// "Security group and network ACL rules": a ping that the group lets in, whose answer the ACL
  /// stops, is an ACCEPT and a REJECT.
  @Test func `a ping whose answer the ACL stops is an ACCEPT and a REJECT`() throws {
    let found = try Self.findings([
      "\(Self.start) 203.0.113.12 172.31.16.21 0 0 1 4 336 1432917027 1432917142 ACCEPT OK",
      "\(Self.start) 172.31.16.21 203.0.113.12 0 0 1 4 336 1432917094 1432917142 REJECT OK",
    ])
    #expect(found.agreeing == 2 && !found.differs)
  }

  @Test func answersAreJudgedAfterWhatTheyAnswer() throws {
    let request = "\(Self.start) 172.31.16.21 198.51.100.7 49152 443 6 10 900 \(Self.end) ACCEPT OK"
    let answer = "\(Self.start) 198.51.100.7 172.31.16.21 443 49152 6 10 900 \(Self.end) ACCEPT OK"
    let both = try Self.findings([answer, request])
    #expect(both.agreeing == 1 && both.answering == 1 && !both.differs)
    // Its connection may be older than the log.
    let alone = try Self.findings([answer])
    #expect(alone.answeringEarlier == 1 && !alone.differs)
    // No request of the interface could have led to it.
    let other = try Self.findings([answer.replacing(" 443 ", with: " 444 ")])
    #expect(other.differs)
  }

  /// Without `tcp-flags` who asks is who has the higher port.
  @Test(arguments: [
    ("443 49152", "", true), ("49152 443", "", false), ("49152 443", " 19", true),
    ("443 49152", " 3", false), ("443 49152", " 1", true),
  ])
  func `what asks is not taken for an answer`(ports: String, flags: String, mayBe: Bool) throws {
    let names = "interface-id srcaddr dstaddr srcport dstport protocol action"
    let record = "eni-1235b8ca123456789 172.31.16.21 198.51.100.7 \(ports) 6 ACCEPT"
    // Asked by the internet, and asking nothing.
    let model = Self.model
      .replacing("ports: 22, from: [172.31.0.0/16", with: "from: [198.51.100.0/24")
      .replacing("ports: 443, to: [0.0.0.0/0]", with: "ports: 1, to: [0.0.0.0/0]")
    let found = try Workplace().findings(
      [names + (flags.isEmpty ? "" : " tcp-flags"), record + flags], model: model)
    #expect(found.differs == !mayBe && found.answeringEarlier == (mayBe ? 1 : 0))
  }

  @Test func `what the rules contradict is grouped, with rule, reason and examples`() throws {
    let found = try Self.findings([
      "\(Self.start) 172.31.16.139 172.31.16.21 20641 22 6 20 4249 \(Self.end) REJECT OK",
      "\(Self.start) 172.31.16.139 172.31.16.21 20642 22 6 5 4249 \(Self.end) REJECT OK",
      "\(Self.start) 198.51.100.7 172.31.16.21 20641 22 6 1 40 \(Self.end) ACCEPT OK",
    ])
    #expect(found.differing == 3)
    let groups = found.ordered
    #expect(
      groups.map { found.title($0.group) } == [
        "eni-1235b8ca123456789 ingress: logged REJECT, the model accepts it by ssh",
        "eni-1235b8ca123456789 ingress: logged ACCEPT, the model rejects it (sg.ingress)",
      ])
    #expect(groups.map(\.tally.packets) == [25, 1] && groups.map(\.tally.flows) == [2, 1])
    #expect(
      groups[0].tally.examples.first?.hasSuffix(
        ":1: tcp 172.31.16.139:20641 > 172.31.16.21:22") == true)
    #expect(found.text.contains("  differ                    3"))
    #expect(found.json.contains("\"model\": \"REJECT\",\n      \"reason\": \"sg.ingress\""))
  }

  @Test func `interfaces and addresses of others are told, not guessed`() throws {
    let found = try Self.findings([
      "2 1 eni-other 172.31.16.139 172.31.16.21 20641 22 6 20 4249 \(Self.end) ACCEPT OK",
      "\(Self.start) 203.0.113.1 203.0.113.2 20641 22 6 20 4249 \(Self.end) ACCEPT OK",
    ])
    #expect(found.skipped == 2 && found.agreeing == 0 && !found.differs)
    #expect(found.text.contains("the model has no interface eni-other"))
    #expect(found.text.contains("neither or both addresses are of eni-1235b8ca123456789"))
  }

  /// Behind a NAT gateway `srcaddr` is the interface's, `pkt-srcaddr` the packet's.
  @Test func `a header names the fields, and a direction and packet addresses count`() throws {
    let found = try Self.findings([
      "interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr srcport dstport protocol action "
        + "flow-direction",
      "eni-1235b8ca123456789 172.31.16.21 10.0.0.1 172.31.16.21 198.51.100.7 1 443 6 ACCEPT egress",
      "eni-1235b8ca123456789 10.9.9.9 172.31.16.21 172.31.16.139 172.31.16.21 1 22 6 ACCEPT "
        + "ingress",
    ])
    #expect(found.agreeing == 2 && !found.differs && found.faults == 0)
  }

  /// Types of ICMP are not in records: an error about a connection is not taken for a difference.
  @Test func `what records do not tell is not judged`() throws {
    let found = try Self.findings([
      "\(Self.start) 198.51.100.1 172.31.16.21 0 0 1 1 56 \(Self.end) ACCEPT OK",
      "\(Self.start) 198.51.100.1 172.31.16.21 0 0 17 1 56 \(Self.end) ACCEPT OK",
    ])
    #expect(found.skipped == 2 && !found.differs)
    #expect(found.text.contains("ICMP that may be an error"))
    #expect(found.text.contains("fragments, whose records have no ports"))
  }

  @Test func `a log without what is needed is refused`() throws {
    let error = #expect(throws: FlowLogError.self) {
      _ = try Self.findings(["interface-id srcaddr dstaddr protocol action", "x"])
    }
    guard case .usage(let why)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(why.hasSuffix("the log lacks the fields srcport, dstport"))
  }

  @Test(arguments: [
    ("1 2 3", "3 fields, where the log's format has 14"),
    ("2 1 eni a 10.0.0.1 1 2 6 1 1 1 1 ACCEPT OK", "srcaddr 'a' is no address"),
    ("2 1 eni 10.0.0.1 ::1 1 2 6 1 1 1 1 ACCEPT OK", "one address is IPv4, the other IPv6"),
    ("2 1 eni 10.0.0.1 10.0.0.2 65536 2 6 1 1 1 1 ACCEPT OK", "srcport '65536' is no number"),
    ("2 1 eni 10.0.0.1 10.0.0.2 1 2 256 1 1 1 1 ACCEPT OK", "protocol '256' is no number"),
    ("2 1 eni 10.0.0.1 10.0.0.2 1 2 6 -1 1 1 1 ACCEPT OK", "packets '-1' is no number"),
    ("2 1 eni 10.0.0.1 10.0.0.2 1 2 6 1 1 1 1 MAYBE OK", "action 'MAYBE' is neither"),
    ("2 1 eni 10.0.0.1 10.0.0.2 1 2 6 1 1 1 1 ACCEPT NO", "log-status 'NO' is not OK"),
    ("2 1 eni 10.0.0.1 10.0.0.2 +1 2 6 1 1 1 1 ACCEPT OK", "srcport '+1' is no number"),
    ("2 1 eni 10.0.0.1 10.0.0.2 1 -0 6 1 1 1 1 ACCEPT OK", "dstport '-0' is no number"),
    ("2 1 eni 10.0.0.1\0x 10.0.0.2 1 2 6 1 1 1 1 ACCEPT OK", "srcaddr '10.0.0.1?x' is no"),
    ("2 1 eni 10.0.0.1 10.0.0.2 1 2 6 1 1 1 1 \u{1B}[2J OK", "action '?[2J' is neither"),
  ])
  func `a line that is no record is told with its place`(line: String, why: String) throws {
    let good = "\(Self.start) 172.31.16.139 172.31.16.21 20641 22 6 20 4249 \(Self.end) ACCEPT OK"
    let found = try Self.findings([good, line, good])
    #expect(found.agreeing == 2 && found.faults == 1)
    #expect(found.faultTexts[0].contains(":2: \(why)"))
  }

  @Test func `thousands of lines that are no records stay bounded`() throws {
    let long = String(repeating: "x", count: 200_000)
    let found = try Self.findings([long] + (0..<5_000).map { "\($0)" })
    #expect(found.faults == 5_001 && found.faultTexts.count == FlowLogAudit.mostFaults)
    #expect(found.isEmpty)
  }

  /// Any number of them, with anything in their names, takes bounded memory and room on a screen.
  @Test func `interfaces that the model does not have stay bounded`() throws {
    let lines = (0..<5_000).map { number in
      "2 1 eni-\(number)\u{1B}[31m 10.0.0.1 10.0.0.2 1 2 6 1 1 1 1 ACCEPT OK"
    }
    let found = try Self.findings(lines)
    #expect(found.records == 5_000 && found.skipped == 5_000)
    #expect(found.text.split(separator: "\n").count < 200)
    #expect(!found.text.contains("\u{1B}") && !found.json.contains("\u{1B}"))
    #expect(found.text.contains("the model has none of further interfaces"))
  }

  @Test func `counts that no log has do not wrap`() throws {
    let record = "\(Self.start) 198.51.100.7 172.31.16.21 20641 22 6"
    let found = try Self.findings([
      "\(record) 18446744073709551615 40 \(Self.end) ACCEPT OK",
      "\(record) 2 40 \(Self.end) ACCEPT OK",
      "\(record.replacing("20641", with: "20642")) 5 40 \(Self.end) ACCEPT OK",
    ])
    #expect(found.ordered.map(\.tally.packets) == [.max])
  }
}
