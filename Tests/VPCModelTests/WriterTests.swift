import Foundation
import Testing
import VPCModel

@testable import ReferenceModel

@Suite struct WriterTests {
  private static let examples = ["dual-stack-host", "two-vpcs", "web-tier"]

  /// Reading what was written gives the same model, and writing that the same text.
  private func expectRoundTrip(_ model: VPCModel) throws {
    let text = ModelWriter.document(model)
    let copy = try load(text)
    #expect(copy == model)
    #expect(ModelWriter.document(copy) == text)
  }

  @Test(arguments: examples) func exampleSurvives(_ name: String) throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path = root.appending(path: "examples/\(name).yaml").path
    try expectRoundTrip(ModelLoader.load(paths: [path]))
  }

  @Test(arguments: 0..<100) func generatedModelSurvives(_ seed: UInt64) throws {
    var generator = ModelGenerator(seed: seed)
    // The loader has its own names for what the generator leaves open.
    let model = try load(ModelWriter.document(generator.generate()))
    try expectRoundTrip(model)
  }

  @Test func everyFieldSurvives() throws {
    try expectRoundTrip(load(exampleText))
    try expectRoundTrip(
      load(
        #"""
        {"vpcs": [{"id": "v\"\\é", "vni": 5, "cidrs": ["10.0.0.0/8", "fd00::/16"]}],
         "subnets": [{"id": "s", "vpc": "v\"\\é", "cidrs": ["10.1.0.0/16"]}],
         "networkInterfaces": [{"id": "e", "subnet": "s", "mac": "02:00:00:00:00:01",
            "addresses": ["10.1.0.9"], "sourceDestCheck": false,
            "limits": {"burst": 65537, "bandwidthIn": "1.5Mbps", "linkLocalPacketsPerSecond": 7},
            "connectionTracking": {"tcpEstablished": "1d", "udp": "1500us", "udpStream": "7ns"}}],
         "securityGroups": [{"id": "g", "vpc": "v\"\\é", "egress": [], "ingress": [
            {"id": "a/b", "protocol": 47, "from": []},
            {"protocol": "all", "from": ["::/0"]},
            {"protocol": "sctp", "ports": [22, "80-90"], "from": "g"},
            {"protocol": "icmpv6", "type": 128, "code": 0, "from": ["10.0.0.0/8", "g"]}]}],
         "networkACLs": [{"id": "a", "vpc": "v\"\\é", "egress": [{"rule": 2, "action": "deny",
            "protocol": "icmp", "type": 3, "cidr": "0.0.0.0/0", "id": "own"}]}],
         "policy": {"midstream": "drop", "onRuleChange": "cut"}}
        """#))
  }

  @Test func textIsCanonical() throws {
    let model = try load(exampleText)
    let group = try #require(model.securityGroups.first)
    #expect(
      ModelWriter.json(.securityGroup(group))
        == #"{"id":"sg-web","vpc":"vpc-blue","ingress":["#
        + #"{"protocol":"tcp","ports":443,"from":["0.0.0.0/0","::/0"]},"#
        + #"{"protocol":"tcp","ports":"8000-8100","from":["sg-web","pl-office"]},"#
        + #"{"protocol":"icmp","type":8,"from":"10.0.0.0/8"}]}"#)
    let nic = try #require(model.networkInterfaces.first)
    #expect(
      ModelWriter.json(.networkInterface(nic))
        == #"{"id":"eni-web","subnet":"subnet-a","mac":"02:00:00:00:00:0a","#
        + #""addresses":["10.0.1.10","fd00:10:0:1::a"],"securityGroups":["sg-web"],"#
        + #""publicAddresses":{"10.0.1.10":"203.0.113.10"},"#
        + #""limits":{"bandwidthIn":"5Gbps","bandwidthOut":"5Gbps","burst":2000000,"#
        + #""packetsPerSecond":500000,"connections":100000,"connectionsPerSecond":20000}}"#)
    #expect(ModelWriter.json(.policy(Policy())) == "{}")
  }
}
