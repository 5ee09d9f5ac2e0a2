import VPCModel
import Wire

extension ReachAnalysis {
  /// What a network interface accepts: who may begin what with it, and whether it can answer.
  ///
  /// Looked at are the interface's own addresses as destinations. Sources are the interfaces of the
  /// model (those without source check with every address), the addresses of mappings in the VPC
  /// and in those peered with it, and, through an internet gateway, everything outside the VPC.
  ///
  /// - Returns: nil when the model has no such interface.
  /// - Complexity: O(n log n) in the rules, routes and mappings that are met, for each address of
  ///   the interface, and O(log n) for each other interface.
  public func reach(to interface: String) -> Reach? {
    guard let target = directory.nicIndex[interface] else { return nil }
    var result = Reach(interface: interface, direction: .to)
    for own in directory.nic(target).addresses {
      var entries: [ReachEntry] = []
      for sender in model.networkInterfaces.indices where sender != target {
        entries.append(
          ReachEntry(
            peer: .interface(directory.nic(sender).id), own: own,
            traffic: traffic(from: sender, to: target, own)))
      }
      entries += mappings(to: target, own)
      entries += gateways(to: target, own)
      result.entries += entries.filter { !$0.traffic.isRefused }
    }
    return result
  }

  // MARK: From interfaces

  private func traffic(from sender: Int, to target: Int, _ own: IPAddress) -> TrafficSet {
    guard receiver(of: own, sentBy: sender) == target else { return .refused }
    let sent = sent(by: sender, to: own)
    if sent.isEmpty { return .refused }
    let inside = edge(sender, isEgress: false, remote: own)
    if !directory.nic(sender).sourceDestCheck {
      return traffic(ofAnyAddressFrom: sender, sent, to: target, own, inside)
    }
    var layers: [(ClosedRange<UInt128>, ServiceFates)] = []
    for source in directory.nic(sender).addresses
    where source.family == own.family && source != own {
      let requests = sent.intersection(accepted(by: target, from: source))
      let comesBack = receiver(of: source, sentBy: target) == sender
      let answers =
        comesBack
        ? edge(target, isEgress: true, remote: source).intersection(inside) : .empty
      let fates = Self.fates(requests, answers: answers, own.family, .interfaces)
      layers.append((source.number...source.number, fates))
    }
    return .painted(layers, over: .refused)
  }

  /// An interface without source check sends what it forwards, from any address.
  private func traffic(
    ofAnyAddressFrom sender: Int, _ sent: ServiceSet, to target: Int, _ own: IPAddress,
    _ inside: ServiceSet
  ) -> TrafficSet {
    let family = own.family
    let others = AddressSet.all(family).numbers
      .subtracting(IntervalMap(own.number...own.number, true, outside: false))
    let requests = accepted(by: target, family).combined(with: others) { services, isSource in
      isSource ? services.intersection(sent) : .empty
    }
    let back = addresses(handedTo: sender, by: target, family)
    let answers = edge(target, isEgress: true, family).combined(with: back) { services, isBack in
      isBack ? services.intersection(inside) : .empty
    }
    return Self.fates(requests, answers: answers, family, .interfaces)
  }

  // MARK: From elsewhere

  /// Requests of some addresses to the target, and answers as far as its routes lead back.
  private func traffic(
    from sources: IntervalMap<UInt128, Bool>, to target: Int, _ own: IPAddress,
    back: IntervalMap<UInt128, Bool>
  ) -> TrafficSet {
    let requests = accepted(by: target, own.family).combined(with: sources) { $1 ? $0 : .empty }
    let answers = edge(target, isEgress: true, own.family)
      .combined(with: back) { $1 ? $0 : .empty }
    return Self.fates(requests, answers: answers, own.family, .answerByInterface)
  }

  private func mappings(to target: Int, _ own: IPAddress) -> [ReachEntry] {
    let places = places(sentBy: target, own.family)
    return directory.near(directory.vpcOf[target]).map { vpc in
      let mapped = mappedAddresses(in: vpc, own.family)
      let back = places.combined(with: mapped) { place, isMapped in
        guard isMapped, case .inVPC(vpc, _) = place else { return false }
        return true
      }
      return ReachEntry(
        peer: .mappings(vpc: model.vpcs[vpc].id), own: own,
        traffic: traffic(from: mapped, to: target, own, back: back))
    }
  }

  func mappedAddresses(in vpc: Int, _ family: IPFamily) -> IntervalMap<UInt128, Bool> {
    var numbers: [UInt128] = []
    for (address, resident) in directory.residents[vpc] where address.family == family {
      if case .mapping = resident { numbers.append(address.number) }
    }
    return IntervalMap(numbers.sorted().map { $0...$0 })
  }

  private func gateways(to target: Int, _ own: IPAddress) -> [ReachEntry] {
    // Behind a gateway an IPv4 address is known by its public one.
    if own.family == .v4 && directory.publicAddress(of: target, own) == nil { return [] }
    let vpc = model.vpcs[directory.vpcOf[target]]
    let outside = AddressSet.all(own.family).numbers
      .subtracting(AddressSet(own.family, vpc.cidrs).numbers)
    let places = places(sentBy: target, own.family)
    return model.internetGateways.indices.filter { model.internetGateways[$0].vpc == vpc.id }.map {
      gateway in
      ReachEntry(
        peer: .gateway(model.internetGateways[gateway].id), own: own,
        traffic: traffic(
          from: outside, to: target, own, back: places.map { $0 == .gateway(gateway) }))
    }
  }
}

extension ReachAnalysis.Senders {
  static let interfaces = Self(requestByInterface: true, answerByInterface: true)
  static let answerByInterface = Self(requestByInterface: false, answerByInterface: true)
  static let requestByInterface = Self(requestByInterface: true, answerByInterface: false)
}
