import VPCModel
import Wire

extension ReachAnalysis {
  /// What a network interface reaches from its own addresses, and whether it gets answers.
  ///
  /// Destinations are the interfaces of the model (those without destination check with every
  /// address that routes hand to them), the addresses of mappings, and what lies behind internet
  /// gateways. What interfaces forward, and what other hosts' rules say, is not looked at.
  ///
  /// - Returns: nil when the model has no such interface.
  /// - Complexity: as of `reach(to:)`.
  public func reach(from interface: String) -> Reach? {
    guard let sender = directory.nicIndex[interface] else { return nil }
    var result = Reach(interface: interface, direction: .from)
    for own in directory.nic(sender).addresses {
      let sent = sent(by: sender, own.family)
      var forwarders: Set<Int> = []
      for case .forwarder(let index) in places(sentBy: sender, own.family).values {
        forwarders.insert(index)
      }
      var entries: [ReachEntry] = []
      for receiver in model.networkInterfaces.indices where receiver != sender {
        entries.append(
          ReachEntry(
            peer: .interface(directory.nic(receiver).id), own: own,
            traffic: traffic(
              from: sender, own, sent, to: receiver, forwarders: forwarders)))
      }
      entries += mappings(from: sender, own, sent)
      entries += gateways(from: sender, own, sent)
      result.entries += entries.filter { !$0.traffic.isRefused }
    }
    return result
  }

  private func traffic(
    from sender: Int, _ own: IPAddress, _ sent: AllowedServices, to receiver: Int,
    forwarders: Set<Int>
  ) -> TrafficSet {
    let accepted = accepted(by: receiver, from: own)
    if accepted.isEmpty { return .refused }
    let family = own.family
    let isForwarder = forwarders.contains(receiver)
    let comesBack = self.receiver(of: own, sentBy: receiver) == sender
    let outside = comesBack ? edge(receiver, isEgress: true, remote: own) : .empty
    if isForwarder && !directory.nic(receiver).sourceDestCheck {
      let targets = addresses(handedTo: receiver, by: sender, family)
      let requests = sent.combined(with: targets) { $1 ? $0.intersection(accepted) : .empty }
      let answers = edge(sender, isEgress: false, family).map { $0.intersection(outside) }
      return Self.fates(requests, answers: answers, family, .interfaces)
    }
    var layers: [(ClosedRange<UInt128>, ServiceFates)] = []
    for target in directory.nic(receiver).addresses
    where target.family == family && self.receiver(of: target, sentBy: sender) == receiver {
      let answers = edge(sender, isEgress: false, remote: target).intersection(outside)
      let fates = Self.fates(
        sent.value(at: target.number).intersection(accepted), answers: answers, family,
        .interfaces)
      layers.append((target.number...target.number, fates))
    }
    return .painted(layers, over: .refused)
  }

  /// Requests to some addresses elsewhere, and answers from some of them.
  private func traffic(
    from sender: Int, _ own: IPAddress, _ sent: AllowedServices,
    to targets: IntervalMap<UInt128, Bool>, answering: IntervalMap<UInt128, Bool>
  ) -> TrafficSet {
    let requests = sent.combined(with: targets) { $1 ? $0 : .empty }
    let answers = edge(sender, isEgress: false, own.family)
      .combined(with: answering) { $1 ? $0 : .empty }
    return Self.fates(requests, answers: answers, own.family, .requestByInterface)
  }

  private func mappings(
    from sender: Int, _ own: IPAddress, _ sent: AllowedServices
  ) -> [ReachEntry] {
    let places = places(sentBy: sender, own.family)
    return directory.near(directory.vpcOf[sender]).map { vpc in
      let targets = places.combined(with: mappedAddresses(in: vpc, own.family)) {
        place, isMapped in
        guard isMapped, case .inVPC(vpc, _) = place else { return false }
        return true
      }
      return ReachEntry(
        peer: .mappings(vpc: model.vpcs[vpc].id), own: own,
        traffic: traffic(from: sender, own, sent, to: targets, answering: targets))
    }
  }

  private func gateways(
    from sender: Int, _ own: IPAddress, _ sent: AllowedServices
  ) -> [ReachEntry] {
    if own.family == .v4 && directory.publicAddress(of: sender, own) == nil { return [] }
    let vpc = model.vpcs[directory.vpcOf[sender]]
    // What comes through a gateway is from outside the VPC.
    let outside = AddressSet.all(own.family).numbers
      .subtracting(AddressSet(own.family, vpc.cidrs).numbers)
    let places = places(sentBy: sender, own.family)
    return model.internetGateways.indices.map { gateway in
      ReachEntry(
        peer: .gateway(model.internetGateways[gateway].id), own: own,
        traffic: traffic(
          from: sender, own, sent, to: places.map { $0 == .gateway(gateway) }, answering: outside))
    }
  }
}
