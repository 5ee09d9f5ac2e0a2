import Datapath
import TestPackets
import Testing
import VPCModel
import Wire

/// ICMP's number in IPv6, and ICMPv6's in IPv4: protocols without types and codes.
@Suite struct ForeignICMPTests {
  /// One that bears zeros where a type and a code would be.
  private static func packet(_ isIPv6: Bool) -> [UInt8] {
    isIPv6
      ? Compose.ipv6("2001:db8::7", "fd00:10:0:1::a", next: 1, Compose.icmp(0))
      : Compose.ipv4("198.51.100.7", "10.0.1.10", protocol: 58, Compose.icmp(0))
  }

  private static func model(_ match: TrafficMatch, isIPv6: Bool) -> VPCModel {
    var model = Engine.model()
    let all = Compose.prefix(isIPv6 ? "::/0" : "0.0.0.0/0")
    model.vpcs[0].cidrs.append(Compose.prefix("fd00:10::/48"))
    model.subnets[0].cidrs.append(Compose.prefix("fd00:10:0:1::/64"))
    model.networkInterfaces[0].addresses.append(Compose.address("fd00:10:0:1::a"))
    model.networkACLs[0].ingress = [
      NetworkACLRule(id: "all", number: 100, allow: true, match: TrafficMatch(), cidr: all)
    ]
    model.securityGroups[0].ingress = [
      SecurityGroupRule(id: "foreign", match: match, peers: [.cidr(all)])
    ]
    return model
  }

  @Test(arguments: [true, false], [nil, 0] as [UInt8?])
  func `no rule for a type or a code matches them`(isIPv6: Bool, type: UInt8?) throws {
    let match = TrafficMatch(protocolNumber: isIPv6 ? 1 : 58, icmpType: type, icmpCode: 0)
    var engine = try Engine(Self.model(match, isIPv6: isIPv6))
    let answer = engine.judge(Self.packet(isIPv6), .captured)
    #expect(answer == .drop(.sgIngress))
  }

  @Test(arguments: [true, false])
  func `a rule for the whole protocol does`(isIPv6: Bool) throws {
    let match = TrafficMatch(protocolNumber: isIPv6 ? 1 : 58)
    var engine = try Engine(Self.model(match, isIPv6: isIPv6))
    let answer = engine.judge(Self.packet(isIPv6), .captured)
    #expect(answer.verdict == .forward && answer.rule == "foreign")
  }

  /// Here the wrong match was "deny", and what follows decides.
  @Test(arguments: [true, false])
  func `an ACL's neither`(isIPv6: Bool) throws {
    var model = Self.model(TrafficMatch(protocolNumber: isIPv6 ? 1 : 58), isIPv6: isIPv6)
    let match = TrafficMatch(protocolNumber: isIPv6 ? 1 : 58, icmpType: 0, icmpCode: 0)
    model.networkACLs[0].ingress.insert(
      NetworkACLRule(
        id: "none", number: 1, allow: false, match: match,
        cidr: Compose.prefix(isIPv6 ? "::/0" : "0.0.0.0/0")),
      at: 0)
    var engine = try Engine(model)
    let answer = engine.judge(Self.packet(isIPv6), .captured)
    #expect(answer.verdict == .forward)
  }
}
