import VPCModel
import Wire

/// Computes who reaches whom under a model, exactly, by sets instead of packets.
///
/// Asked are new conversations: the first packet, and whether its answer comes back to where it
/// came from. Two facts make answers easy. A connection that both ends track passes their groups,
/// and so does a flow that is untracked: what makes it untracked allows both directions. So answers
/// depend on routes and network ACLs alone, and of the request only on its source port and
/// addresses.
///
/// Limits, fragments, sizes, ARP and DHCP are not looked at.
public final class ReachAnalysis {
  let directory: ModelDirectory
  let catalog: RuleCatalog
  private var routeMaps: [RouteKey: RouteMap] = [:]

  private struct RouteKey: Hashable {
    var subnet: Int
    var family: IPFamily
  }

  /// - Parameter model: from the loader, so that every reference resolves.
  /// - Complexity: O(n) in the model's size.
  public init(_ model: VPCModel) {
    directory = ModelDirectory(model)
    catalog = RuleCatalog(directory)
  }

  public var model: VPCModel { directory.model }

  // MARK: Building blocks

  /// The ways of what the interfaces of a subnet send.
  private func routes(_ nic: Int, _ family: IPFamily) -> RouteMap {
    let key = RouteKey(subnet: directory.subnetOf[nic], family: family)
    if let known = routeMaps[key] { return known }
    let map = RouteMap(directory, subnet: key.subnet, family)
    routeMaps[key] = map
    return map
  }

  /// The ways of what an interface sends.
  func places(sentBy nic: Int, _ family: IPFamily) -> IntervalMap<UInt128, RoutePlace> {
    routes(nic, family).places(sentBy: nic)
  }

  /// The interface that a packet of another one is handed to; nil when it goes elsewhere.
  func receiver(of address: IPAddress, sentBy nic: Int) -> Int? {
    switch routes(nic, address.family).place(of: address, sentBy: nic) {
    case .forwarder(let index): return index
    case .inVPC(let vpc, _):
      guard case .nic(let index)? = directory.residents[vpc][address] else { return nil }
      return index
    case .nowhere, .gateway, .peering: return nil
    }
  }

  /// Addresses that an interface's routes hand to another one.
  func addresses(handedTo receiver: Int, by nic: Int, _ family: IPFamily) -> IntervalMap<
    UInt128, Bool
  > {
    let forwarded = places(sentBy: nic, family).map { $0 == .forwarder(receiver) }
    let own = directory.nic(receiver).addresses.filter {
      $0.family == family && self.receiver(of: $0, sentBy: nic) == receiver
    }
    return forwarded.union(IntervalMap(own.map { $0.number...$0.number }))
  }

  /// What an interface accepts as new, by source.
  func accepted(by nic: Int, _ family: IPFamily) -> AllowedServices {
    catalog.groups(of: nic, isEgress: false, family)
      .combined(with: catalog.acl(of: nic, isEgress: false, family)) { $0.intersection($1) }
      .map { $0.intersection(Service.beginnings(family)) }
  }

  func accepted(by nic: Int, from source: IPAddress) -> ServiceSet {
    catalog.groups(of: nic, isEgress: false, remote: source)
      .intersection(edge(nic, isEgress: false, remote: source))
      .intersection(Service.beginnings(source.family))
  }

  /// What an interface sends as new, by destination, whatever the routes say.
  func sent(by nic: Int, _ family: IPFamily) -> AllowedServices {
    catalog.groups(of: nic, isEgress: true, family)
      .combined(with: catalog.acl(of: nic, isEgress: true, family)) { $0.intersection($1) }
      .map { $0.intersection(Service.sent(family)) }
  }

  func sent(by nic: Int, to destination: IPAddress) -> ServiceSet {
    catalog.groups(of: nic, isEgress: true, remote: destination)
      .intersection(edge(nic, isEgress: true, remote: destination))
      .intersection(Service.sent(destination.family))
  }

  /// What the ACL of an interface's subnet lets out or in, by remote address.
  func edge(_ nic: Int, isEgress: Bool, _ family: IPFamily) -> AllowedServices {
    catalog.acl(of: nic, isEgress: isEgress, family)
  }

  func edge(_ nic: Int, isEgress: Bool, remote: IPAddress) -> ServiceSet {
    catalog.acl(of: nic, isEgress: isEgress, remote.family).value(at: remote.number)
  }

  // MARK: Fates

  /// Who sends the first packet, and who the answer: what interfaces send is asked about DHCP.
  struct Senders {
    var requestByInterface: Bool
    var answerByInterface: Bool
  }

  /// The fates of requests, by the services that arrive and the answers that come back.
  ///
  /// - Parameters:
  ///   - requests: services of the first packets that arrive.
  ///   - answers: services of answers that would arrive, their destination port being the request's
  ///     source port.
  static func fates(
    _ requests: ServiceSet, answers: ServiceSet, _ family: IPFamily, _ senders: Senders
  ) -> ServiceFates {
    if requests.isEmpty { return .refused }
    // Protocols without ports: the answer's number is the request's.
    let plain = requests.combined(with: answers) { arrives, comesBack in
      PortFates(arrives ? (comesBack ? .answered : .unanswered) : .refused)
    }
    var layers: [(ClosedRange<UInt32>, PortFates)] = []
    func add(_ block: ClosedRange<UInt32>, _ fates: PortFates) {
      for range in requests.trueRanges where range.overlaps(block) {
        layers.append((range.clamped(to: block), fates))
      }
    }
    for number in [IPProtocol.tcp, IPProtocol.udp, IPProtocol.sctp] {
      let fates = Service.ports(number, in: answers)
        .map { $0 ? Fate.answered : .unanswered }
      add(Service.block(number), fates)
      if number == IPProtocol.udp { addDHCP(fates, family, senders, add) }
    }
    let echo = ProbeTraffic.echo(family)
    add(Service.icmp(family, 0...255), PortFates(.oneWay))
    let reply = Service.number(ProbeTraffic.icmp(of: family), UInt16(echo.reply) << 8)
    add(
      Service.icmp(family, echo.request...echo.request),
      PortFates(answers.value(at: reply) ? .answered : .unanswered))
    return IntervalMap<UInt32, PortFates?>.merged(
      layers.map { IntervalMap($0.0, $0.1, outside: nil) }, empty: nil
    ) { $1 ?? $0 }.combined(with: plain) { $0 ?? $1 }
  }

  /// An interface is no DHCP server: nothing of the server's port to the client's leaves it.
  private static func addDHCP(
    _ fates: PortFates, _ family: IPFamily, _ senders: Senders,
    _ add: (ClosedRange<UInt32>, PortFates) -> Void
  ) {
    let (server, client): (UInt16, UInt16) = family == .v4 ? (67, 68) : (547, 546)
    if senders.requestByInterface {
      let key = Service.number(IPProtocol.udp, client)
      let isServer = PortSet(server...server, true, outside: false)
      add(key...key, fates.combined(with: isServer) { $1 ? .refused : $0 })
    }
    if senders.answerByInterface {
      let key = Service.number(IPProtocol.udp, server)
      let isClient = PortSet(client...client, true, outside: false)
      add(key...key, fates.combined(with: isClient) { $1 && $0.arrives ? .unanswered : $0 })
    }
  }

  /// The same by address.
  static func fates(
    _ requests: AllowedServices, answers: AllowedServices, _ family: IPFamily, _ senders: Senders
  ) -> TrafficSet {
    requests.combined(with: answers) { fates($0, answers: $1, family, senders) }
  }
}
