import Datapath
import TableCompiler
import Tables
import VPCModel
import Wire

/// The steps of a judgement in words, the same for captures and for live packets.
public struct StepText: Sendable {
  private let compiled: CompiledTables
  private let names: VerdictNames
  /// The steps are of these very tables. NICs and rules keep their numbers in tables that follow
  /// each other; mappings, gateways and public addresses do not.
  private let isExact: Bool

  /// - Parameters:
  ///   - compiled: whose numbers the steps have.
  ///   - isExact: the packet was judged by these tables, not by ones before or after them.
  public init(_ compiled: CompiledTables, _ names: VerdictNames, isExact: Bool = true) {
    self.compiled = compiled
    self.names = names
    self.isExact = isExact
  }

  /// A line for each step.
  public func lines(_ steps: [TraceEvent]) -> [String] {
    let isLaterFragment = steps.contains { $0.step == .fragment && $0.a > 0 }
    return steps.map { line($0, isLaterFragment: isLaterFragment) }
  }

  private func line(_ event: TraceEvent, isLaterFragment: Bool) -> String {
    let rule = names.rule(UInt32(truncatingIfNeeded: event.a))
    return switch event.step {
    case .egress: "egress: judged as sent by \(names.nic(UInt32(truncatingIfNeeded: event.a)))"
    case .ingress:
      "ingress: judged as received by \(names.nic(UInt32(truncatingIfNeeded: event.a)))"
    case .parsed:
      "parsed: \(isLaterFragment ? laterFragment(event.a) : traffic(event.a)), "
        + "\(event.b) bytes of IP"
    case .service: "service: \(service(event.a))"
    case .source:
      event.a == 0 ? "source: not checked" : "source: an address of the network interface"
    case .fragment:
      "fragment: offset \(event.a)\(event.b == 1 ? ", more follow" : ", the last")"
    case .fragmentFollows: "fragment: follows its first fragment\(because(rule))"
    case .connectionFound: "connection: part of a tracked connection\(because(rule))"
    case .connectionNew: "connection: none yet; the packet may begin one"
    case .connectionInvalid:
      "connection: known, in TCP state \(tcpState(event.a)), in which the packet's flags or "
        + "sequence numbers are not valid"
    case .related: "connection: an ICMP error about a tracked connection\(because(rule))"
    case .untracked: "connection: the flow is untracked; rules judge every packet"
    case .groupAllows: "security groups: allowed\(because(rule))"
    case .groupsDeny: "security groups: \(refusal(ofGroups: event.a))"
    case .sameSubnet: "route: the destination is in the same subnet"
    case .route: "route: \(route(event.b))\(because(rule))"
    case .routeMissing: "route: none to the destination"
    case .acl:
      "network ACL: \(event.b == 1 ? "allowed" : "denied")"
        + (event.a == 0 ? " by the final rule" : because(rule))
    case .atNIC: "location: local, \(names.nic(UInt32(truncatingIfNeeded: event.a)))"
    case .atMapping: "location: \(mapping(event.a))"
    case .throughGateway: "location: \(name(compiled.gatewayIDs, event.a, "gateway"))"
    case .translated: "translation: \(translation(event))"
    case .size:
      "size: \(event.a) bytes" + (event.b >= UInt64(UInt32.max) ? ", no limit" : " of \(event.b)")
    case .limits: "limits: \(event.a) bytes are within all allowances"
    case .connectionCreated: "connection: created\(because(rule))"
    case .tunnel: "tunnel: decapsulated, VNI \(event.a)"
    }
  }

  private func tcpState(_ number: UInt64) -> String {
    (UInt8(exactly: number).flatMap(TCPState.init(rawValue:)) ?? .none).name
  }

  private func refusal(ofGroups count: UInt64) -> String {
    switch count {
    case 0: "the network interface has none, so nothing is allowed"
    case 1: "no rule of the one group allows it"
    default: "no rule of the \(count) groups allows it"
    }
  }

  private func because(_ rule: String) -> String { rule.isEmpty ? "" : " (\(rule))" }

  private func name(_ names: [String], _ index: UInt64, _ kind: String) -> String {
    isExact && index < UInt64(names.count) ? names[Int(index)] : "\(kind) \(index)"
  }

  /// A rule key: protocol, and destination port or ICMP type and code.
  private func traffic(_ key: UInt64) -> String {
    let low = key & 0xFFFF
    return switch key >> 16 & 0xFF {
    case 1: "ICMP type \(low >> 8) code \(low & 255)"
    case 6: "TCP to port \(low)"
    case 17: "UDP to port \(low)"
    case 58: "ICMPv6 type \(low >> 8) code \(low & 255)"
    case 132: "SCTP to port \(low)"
    case let number: "protocol \(number)"
    }
  }

  /// A later fragment has no ports, type or code to show.
  private func laterFragment(_ key: UInt64) -> String {
    let number = key >> 16 & 0xFF
    let name = [1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP"][number]
    return "a later fragment of \(name ?? "protocol \(number)")"
  }

  private func service(_ raw: UInt64) -> String {
    switch Service(rawValue: UInt8(truncatingIfNeeded: raw)) {
    case .arp: "ARP"
    case .neighborDiscovery: "neighbour discovery"
    case .dhcp4: "DHCP"
    case .dhcp6: "DHCPv6"
    case .some(.none), nil: "none"
    }
  }

  private func route(_ raw: UInt64) -> String {
    switch RouteKind(rawValue: UInt8(truncatingIfNeeded: raw)) {
    case .local: "local"
    case .gateway: "to an internet gateway"
    case .peering: "through a peering"
    case .nic: "to a network interface"
    case .blackhole: "a black hole"
    case nil: "unknown"
    }
  }

  private func mapping(_ index: UInt64) -> String {
    guard isExact, let mapping = compiled.mapping(at: TableIndex(truncatingIfNeeded: index)) else {
      return "mapping \(index)"
    }
    return "\(mapping.address) on host \(mapping.host)"
  }

  private func translation(_ event: TraceEvent) -> String {
    let addresses = compiled.tables.nicPublicAddresses
    guard isExact, event.a < UInt64(addresses.count) else { return "public address \(event.a)" }
    let pair = addresses[Int(event.a)]
    return event.b == 1
      ? "destination \(pair.publicAddress) becomes \(pair.privateAddress)"
      : "source \(pair.privateAddress) becomes \(pair.publicAddress)"
  }
}
