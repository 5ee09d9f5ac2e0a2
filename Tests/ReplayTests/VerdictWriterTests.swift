import Datapath
import Explanation
import Tables
import Testing
import Wire

@testable import Replay

@Suite struct VerdictWriterTests {
  static func lines(_ write: (VerdictWriter) -> Void) throws -> [Substring] {
    let file = TemporaryFile()
    let writer = VerdictWriter(
      sink: try ByteSink(path: file.path), files: ["a.pcap", "odd \"name\"\n.pcap"],
      nicIDs: ["eni-web", "eni-data"], ruleNames: ["", "sg-web/egress/0"])
    write(writer)
    try writer.close()
    return file.text.split(separator: "\n", omittingEmptySubsequences: false)
  }

  @Test func theDocumentedExample() throws {
    let lines = try Self.lines {
      $0.write(
        file: 0, number: 17, time: 1_431_280_876_123_456_789, bytes: 98,
        Outcome(
          verdict: .forward, state: .new, direction: .egress, nic: 0, rule: 1, output: .underlay))
    }
    let expected = #"""
      {"packet":17,"file":"a.pcap","time":"1431280876.123456789","eni":"eni-web",\#
      "direction":"egress","verdict":"forward","reason":"","rule":"sg-web/egress/0",\#
      "state":"new","output":"underlay","bytes":98}

      """#
    #expect(lines.joined(separator: "\n") == expected)
  }

  @Test func everyKindOfVerdict() throws {
    let lines = try Self.lines {
      $0.write(file: 1, number: 1, time: 5, bytes: 0, .ignored)
      $0.write(
        file: 0, number: 2, time: 1_000_000_000, bytes: .max,
        Outcome(verdict: .drop, reason: .sgIngress, direction: .local, nic: 1))
      $0.write(
        file: 0, number: 3, time: 0, bytes: 60, Outcome(verdict: .reply, direction: .egress, nic: 0)
      )
      $0.write(
        file: 0, number: 4, time: 0, bytes: 60,
        Outcome(verdict: .consume, direction: .egress, nic: 0))
      $0.write(
        file: 0, number: 5, time: 0, bytes: 60,
        Outcome(
          verdict: .forward, state: .established, direction: .local, nic: 0, output: .nic(1)))
    }
    let expected = #"""
      {"packet":1,"file":"odd \"name\"\n.pcap","time":"0.000000005","eni":"",\#
      "direction":"none","verdict":"ignore","reason":"eni.none","rule":"","state":"none",\#
      "output":null,"bytes":0}
      {"packet":2,"file":"a.pcap","time":"1.000000000","eni":"eni-data","direction":"local",\#
      "verdict":"drop","reason":"sg.ingress","rule":"","state":"none","output":null,\#
      "bytes":4294967295}
      {"packet":3,"file":"a.pcap","time":"0.000000000","eni":"eni-web","direction":"egress",\#
      "verdict":"reply","reason":"","rule":"","state":"none","output":null,"bytes":60}
      {"packet":4,"file":"a.pcap","time":"0.000000000","eni":"eni-web","direction":"egress",\#
      "verdict":"consume","reason":"","rule":"","state":"none","output":null,"bytes":60}
      {"packet":5,"file":"a.pcap","time":"0.000000000","eni":"eni-web","direction":"local",\#
      "verdict":"forward","reason":"","rule":"","state":"established",\#
      "output":"eni-data","bytes":60}

      """#
    #expect(lines.joined(separator: "\n") == expected)
  }

  @Test func manyLinesCrossTheBuffer() throws {
    let count = 20_000
    let lines = try Self.lines { writer in
      for number in 1...count {
        writer.write(file: 0, number: UInt64(number), time: 0, bytes: 1, .ignored)
      }
    }
    #expect(lines.count == count + 1)
    for (index, line) in lines.dropLast().enumerated() {
      #expect(line.hasPrefix("{\"packet\":\(index + 1),") && line.hasSuffix("\"bytes\":1}"))
    }
  }

  @Test func aFullDeviceIsReported() throws {
    let sink = try ByteSink(path: "/dev/full")
    sink.append("something")
    #expect(throws: ReplayError.self) { try sink.close() }
  }

  @Test func stateAndOutputGoWithForwardOnly() {
    var byte: UInt64 = 0
    withUnsafeMutableBytes(of: &byte) { memory in
      guard let base = memory.baseAddress else { return }
      var packet = Packet(base: base, length: 0, headroom: 0)
      packet.verdict = .drop
      packet.reason = .sgEgress
      packet.state = .new
      packet.output = .underlay
      let outcome = Outcome(packet)
      #expect(outcome.state == .none)
      #expect(outcome.output == .nowhere)
    }
  }

  @Test func sentences() {
    let names = VerdictNames(nicIDs: ["eni-web", "eni-data"], ruleNames: ["", "sg-web/egress/0"])
    #expect(
      names.sentence(
        Outcome(
          verdict: .forward, state: .new, direction: .egress, nic: 0, rule: 1, output: .underlay))
        == "forward out to underlay, rule sg-web/egress/0, new")
    #expect(
      names.sentence(
        Outcome(verdict: .drop, reason: .sgIngress, direction: .ingress, nic: 0))
        == "drop sg.ingress: no security group rule allows it in (eni-web, ingress)")
  }
}
