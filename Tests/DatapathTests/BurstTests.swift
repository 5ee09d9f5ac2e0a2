import Datapath
import TestPackets
import Testing
import VPCModel
import Wire

/// Packets that come in one burst are judged as if each had come alone.
@Suite struct BurstTests {
  /// web may ask on UDP ports 1000 to 1999 by its first group and 2000 to 2999 by its second; data
  /// may be asked on 1500 to 2499, and asks nobody.
  private static func model() -> VPCModel {
    var model = Engine.model()
    func group(
      _ id: String, in ingress: ClosedRange<UInt16>?, out egress: ClosedRange<UInt16>?
    ) -> SecurityGroup {
      func rules(_ name: String, _ ports: ClosedRange<UInt16>?) -> [SecurityGroupRule] {
        ports.map {
          [
            SecurityGroupRule(
              id: "\(id)/\(name)", match: TrafficMatch(protocolNumber: 17, ports: [$0]),
              peers: [.cidr(Compose.prefix("0.0.0.0/0"))])
          ]
        } ?? []
      }
      return SecurityGroup(
        id: id, vpc: "vpc", ingress: rules("in", ingress), egress: rules("out", egress))
    }
    model.securityGroups = [
      group("low", in: nil, out: 1_000...1_999), group("high", in: nil, out: 2_000...2_999),
      group("asked", in: 1_500...2_499, out: nil),
    ]
    model.networkInterfaces[0].securityGroups = ["low", "high"]
    model.networkInterfaces[1].securityGroups = ["asked"]
    return model
  }

  /// The frames and what becomes of each, one by one.
  private static func frames() -> [[UInt8]] {
    (0..<48).map { index in
      let port = UInt16(900 + index / 2 * 100)
      let target = index % 2 == 0 ? "198.51.100.7" : "10.0.1.11"
      return Compose.ethernet(
        to: .router, from: Engine.web,
        Compose.ipv4(
          "10.0.1.10", target, protocol: 17, Compose.udp(UInt16(5_000 + index), port)))
    }
  }

  @Test(arguments: [1, 3, 4, 7, 48])
  func `the groups say of a burst what they say of each packet`(size: Int) throws {
    var alone = try Engine(Self.model())
    var together = try Engine(Self.model())
    var rest = Self.frames()[...]
    var rules: Set<String> = []
    while !rest.isEmpty {
      let burst = Array(rest.prefix(size))
      rest = rest.dropFirst(size)
      let expected = burst.map { alone.judge(frame: $0) }
      let answers = together.judge(burst: burst)
      #expect(answers == expected)
      rules.formUnion(answers.map { $0.reason == .none ? $0.rule : $0.reason.name })
    }
    #expect(rules == ["low/out", "high/out", "sg.egress", "sg.ingress"])
  }

  /// Seven connections begin, and each packet but the first of one is part of it.
  @Test func `a connection that begins in a burst is known to the rest of it`() throws {
    var engine = try Engine(Self.model())
    let answers = engine.judge(burst: (0..<42).map { Self.frames()[4 + $0 % 7 * 2] })
    for (index, answer) in answers.enumerated() {
      #expect(answer.state == (index < 7 ? .new : .established))
    }
  }
}
