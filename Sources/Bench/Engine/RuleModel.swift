import VPCModel
import Wire

/// The benchmarks' model with a group of many rules each way, one for each destination port.
enum RuleModel {
  static let firstPort: UInt16 = 2000
  /// Ports with a rule of their own, of the local end for packets in, of the remote end for those
  /// out.
  static let ports = 1000

  /// Rules of one protocol for the model's mappings, by prefixes that enclose each other: the
  /// innermost has all rules. The last rule, for the other protocol, lets connections be open
  /// beside.
  static func make(protocolNumber: UInt8) -> VPCModel {
    var model = BenchmarkModel.make()
    model.securityGroups = [
      SecurityGroup(
        id: "sg", vpc: "vpc", ingress: rules("ingress", protocolNumber),
        egress: rules("egress", protocolNumber))
    ]
    return model
  }

  private static func rules(_ name: String, _ protocolNumber: UInt8) -> [SecurityGroupRule] {
    let prefixes = [16, 20, 22, 24].map {
      IPPrefix(IPAddress(v4: $0 == 16 ? 0x0A00_0000 : 0x0A00_1000), length: $0)
    }
    var rules = (0..<ports).map { index in
      let port = firstPort + UInt16(index)
      return SecurityGroupRule(
        id: "sg/\(name)/\(index)",
        match: TrafficMatch(protocolNumber: protocolNumber, ports: [port...port]),
        peers: [.cidr(prefixes[index % prefixes.count])])
    }
    if protocolNumber != IPProtocol.tcp {
      rules.append(
        SecurityGroupRule(
          id: "sg/\(name)/others", match: TrafficMatch(protocolNumber: IPProtocol.tcp),
          peers: [.cidr(prefixes[0])]))
    }
    return rules
  }
}
