import Datapath
import Explanation
import TableCompiler
import Tables
import VPCModel
import Wire

/// What a network interface's own rules say of a packet, as AWS's flow logs tell it.
package enum InterfaceRuling: Hashable, Sendable {
  /// By the rule named, if any was asked.
  case accepted(rule: String)
  /// By the groups or the network ACL: `sg.ingress`, `acl.egress` and so on.
  case rejected(reason: String, rule: String)
  /// Dropped for another reason, such as a missing route, of which AWS writes no record.
  case dropped(reason: String)
  /// A service of the host answers or takes it.
  case service
}

/// Asks the production engine about single packets at one network interface, in or out.
package struct InterfaceProbe {
  private let engine: ProbeEngine

  /// - Throws: what the table compiler refuses.
  package init(_ model: VPCModel) throws(TableCompilerError) { engine = try ProbeEngine(model) }

  /// A packet that crosses a network interface.
  package struct Crossing: Hashable, Sendable {
    /// Index of the interface in the model.
    package var nic: Int
    package var isIngress: Bool
    package var source: IPAddress
    package var destination: IPAddress
    package var protocolNumber: UInt8
    /// Without a meaning for protocols that have no ports.
    package var sourcePort: UInt16
    package var destinationPort: UInt16

    package init(
      nic: Int, isIngress: Bool, source: IPAddress, destination: IPAddress, protocolNumber: UInt8,
      sourcePort: UInt16, destinationPort: UInt16
    ) {
      self.nic = nic
      self.isIngress = isIngress
      self.source = source
      self.destination = destination
      self.protocolNumber = protocolNumber
      self.sourcePort = sourcePort
      self.destinationPort = destinationPort
    }

    /// Whether it is ICMP of its own family.
    package var isICMP: Bool { protocolNumber == ProbeTraffic.icmp(of: source.family) }

    /// What comes the other way in the same conversation.
    package var reversed: Crossing {
      Crossing(
        nic: nic, isIngress: !isIngress, source: destination, destination: source,
        protocolNumber: protocolNumber, sourcePort: destinationPort,
        destinationPort: sourcePort)
    }
  }

  /// What the interface says to the first packet of a conversation.
  ///
  /// - Complexity: that of one packet of the engine.
  package func ruling(first crossing: Crossing) -> InterfaceRuling {
    engine.forget()
    return judge(crossing, isAnswer: false)
  }

  /// What the interface says to the answer of a packet the other way; nil when it does not let that
  /// packet pass.
  package func ruling(answer crossing: Crossing) -> InterfaceRuling? {
    guard case .accepted = ruling(first: crossing.reversed) else { return nil }
    return judge(crossing, isAnswer: true)
  }

  private func judge(_ crossing: Crossing, isAnswer: Bool) -> InterfaceRuling {
    let family = crossing.source.family
    var traffic = ProbeTraffic(protocolNumber: crossing.protocolNumber)
    traffic.sourcePort = crossing.sourcePort
    traffic.destinationPort = crossing.destinationPort
    if traffic.isICMP(family) {
      // Flow logs have no types: an echo, which has an answer.
      let echo = ProbeTraffic.echo(family)
      traffic.icmpType = isAnswer ? echo.reply : echo.request
    }
    let packet = ProbePacket(
      source: crossing.source, destination: crossing.destination, traffic: traffic,
      isAnswer: isAnswer)
    if crossing.isIngress {
      return ruling(engine.judge(packet, arrivingAt: crossing.nic).outcome)
    }
    let vpc = engine.directory.vpcOf[crossing.nic]
    let judgement = engine.judge(packet, from: .nic(crossing.nic), vpc: vpc)
    // What a receiver on this host refuses, the sender has let out.
    return !judgement.isForwarded && judgement.isAtReceiver
      ? .accepted(rule: "") : ruling(judgement.outcome)
  }

  private func ruling(_ outcome: Outcome) -> InterfaceRuling {
    let rule = outcome.rule == 0 ? "" : engine.compiled.ruleNames[Int(outcome.rule)]
    switch outcome.verdict {
    case .forward: return .accepted(rule: rule)
    case .drop: break
    default: return .service
    }
    switch outcome.reason {
    case .sgIngress, .aclIngress, .sgEgress, .aclEgress:
      return .rejected(reason: outcome.reason.name, rule: rule)
    case .serviceARP, .serviceND, .serviceDHCP, .serviceDHCPServer, .limitLinkLocal:
      return .service
    default: return .dropped(reason: outcome.reason.name)
    }
  }
}
