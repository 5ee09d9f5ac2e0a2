import Explanation
import Testing
import Wire

@testable import Datapath
@testable import Replay

@Suite struct SummaryTests {
  static func summary() -> ReplaySummary {
    var counters = Counters(ruleCount: 3)
    for outcome in [
      Outcome(verdict: .forward, state: .new, direction: .egress, nic: 0, rule: 2),
      Outcome(verdict: .forward, state: .established, direction: .egress, nic: 0, rule: 2),
      Outcome(verdict: .drop, reason: .sgIngress, direction: .ingress, nic: 0),
      Outcome(verdict: .drop, reason: .aclEgress, direction: .egress, nic: 0, rule: 1),
      Outcome(verdict: .reply, nic: 0), Outcome(verdict: .consume, nic: 0), .ignored,
    ] {
      counters.count(outcome, bytes: 100)
    }
    var summary = ReplaySummary(
      counters, VerdictNames(nicIDs: ["eni-web"], ruleNames: ["", "acl/egress/1", "sg/egress/0"]))
    summary.seconds = 0.5
    var nic = NICCounters()
    nic.packetsOut = 2
    summary.interfaces = [
      ReplaySummary.Interface(
        id: "eni-web", counters: nic, available: 9, drops: { $0 == .sgIngress ? 1 : 0 })
    ]
    return summary
  }

  @Test func verdictsAddUp() {
    #expect(Self.summary().isConserved)
    var broken = Self.summary()
    broken.ignored += 1
    #expect(!broken.isConserved)
  }

  @Test func tellsWhyNothingWasJudged() {
    var summary = Self.summary()
    #expect(!summary.text.contains("network interface of the model"))
    summary.packets += 10
    summary.ignored += 10
    #expect(summary.text.contains("most packets are of no network interface of the model"))
    var empty = ReplaySummary()
    #expect(!empty.text.contains("network interface of the model"))
    empty.packets = 3
    empty.ignored = 3
    #expect(empty.text.contains("all packets are of no network interface of the model"))
  }

  @Test func json() {
    #expect(
      Self.summary().json == """
        {
          "packets": 7,
          "bytes": 700,
          "forwarded": 2,
          "dropped": 2,
          "replied": 1,
          "consumed": 1,
          "ignored": 1,
          "dropsByReason": {
            "sg.ingress": 1,
            "acl.egress": 1
          },
          "ruleHits": {
            "acl/egress/1": 1,
            "sg/egress/0": 2
          },
          "connections": 1,
          "seconds": 0.500000,
          "packetsPerSecond": 14,
          "interfaces": {
            "eni-web": {
              "bw_in_allowance_exceeded": 0,
              "bw_out_allowance_exceeded": 0,
              "pps_allowance_exceeded": 0,
              "conntrack_allowance_exceeded": 0,
              "linklocal_allowance_exceeded": 0,
              "conntrack_allowance_available": 9,
              "packetsIn": 0,
              "packetsOut": 2,
              "bytesIn": 0,
              "bytesOut": 0,
              "dropsByReason": {
                "sg.ingress": 1
              }
            }
          }
        }
        """)
  }

  @Test func anEmptyReplay() {
    let summary = ReplaySummary(
      Counters(ruleCount: 1), VerdictNames(nicIDs: [], ruleNames: [""]))
    #expect(summary.isConserved)
    #expect(summary.json.contains("\"packetsPerSecond\": 0,"))
    #expect(summary.text.hasPrefix("packets      0   0 bytes\n"))
  }

  @Test func textForPeople() {
    let text = Self.summary().text
    #expect(text.hasPrefix("packets      7   700 bytes\n  forwarded  2    28.6 %\n"))
    #expect(text.contains("\n  sg.ingress  1   no security group rule allows it in\n"))
    #expect(text.contains("\n  sg/egress/0   2\n"))
    #expect(text.contains("\n  acl/egress/1  1\n"))
    #expect(ReplaySummary.grouped(1_234_567) == "1,234,567")
  }

  @Test func jsonText() {
    #expect(JSONText.quote("a\"b\\c\u{1}\té") == "\"a\\\"b\\\\c\\u0001\\té\"")
    #expect(JSONText.decimal(12.3456, places: 2) == "12.35")
    #expect(JSONText.decimal(0.05, places: 3) == "0.050")
  }
}
