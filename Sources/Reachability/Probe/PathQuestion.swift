import VPCModel
import Wire

/// One end of a conversation, as it was named.
public enum PathEnd: Sendable, Equatable {
  case interface(String)
  case address(IPAddress)

  /// An address, or else the id of a network interface.
  public init(_ text: String) {
    if let address = IPAddress(text) {
      self = .address(address)
    } else {
      self = .interface(text)
    }
  }
}

/// Whether something that begins at one end reaches the other, and whether the answer comes back.
public struct PathQuestion: Sendable, Equatable {
  public var from: PathEnd
  public var to: PathEnd
  public var traffic: ProbeTraffic

  public init(from: PathEnd, to: PathEnd, traffic: ProbeTraffic) {
    self.from = from
    self.to = to
    self.traffic = traffic
  }
}

/// Why a question cannot be asked of a model.
public struct PathQuestionError: Error, Sendable, Equatable {
  /// What was given.
  public var what: String
  public var why: String
  public var advice: String?

  public init(what: String, why: String, advice: String? = nil) {
    self.what = what
    self.why = why
    self.advice = advice
  }
}

/// The first packet of a conversation and how it comes to this host.
struct ProbePlan: Sendable, Equatable {
  var arrival: Arrival
  var source: IPAddress
  /// The receiver's own address.
  var destination: IPAddress
  /// The address that the packet has when it comes: the public one behind an internet gateway.
  var wireDestination: IPAddress
  /// Index of the VPC for which a tunnelled packet comes.
  var vpc: Int
  /// Index of the network interface that was asked for; nil when the routes decide.
  var receiver: Int?
  var traffic: ProbeTraffic
}

/// What a question comes to.
enum PathResolution: Sendable {
  case plan(ProbePlan)
  /// Nothing brings such a packet here: why, and what would.
  case noWay(String, Change?)
}

/// Finds out who the two ends of a question are.
struct PathResolver {
  let directory: ModelDirectory

  func resolve(_ question: PathQuestion) throws(PathQuestionError) -> PathResolution {
    let resolution = try resolveEnds(question)
    if case .plan(let plan) = resolution { try checkProtocol(plan) }
    return resolution
  }

  private func checkProtocol(_ plan: ProbePlan) throws(PathQuestionError) {
    let number = plan.traffic.protocolNumber
    let isV6 = plan.source.family == .v6
    if number == ProbeTraffic.icmp(of: isV6 ? .v4 : .v6) {
      throw PathQuestionError(
        what: ProtocolText.name(number), why: "is for IPv\(isV6 ? 4 : 6), not for \(plan.source)",
        advice: "use \(isV6 ? "icmpv6" : "icmp")")
    }
    if isV6 && ProbeTraffic.extensionHeaders.contains(number) {
      throw PathQuestionError(
        what: "protocol \(number)", why: "an extension header in IPv6, not a protocol of its own")
    }
  }

  private func resolveEnds(_ question: PathQuestion) throws(PathQuestionError) -> PathResolution {
    let (from, to) = try ends(question)
    switch (from, to) {
    case (.nic(let sender, let own), .nic(let receiver, let other)):
      let isV6 = question.traffic.protocolNumber == IPProtocol.icmpV6
      let (source, destination) = try pair(
        sender, own, receiver, other, families: isV6 ? [.v6, .v4] : [.v4, .v6])
      return .plan(
        plan(.nic(sender), source, destination, receiver: receiver, question.traffic))
    case (.nic(let sender, let own), .outside(let destination)):
      let source = if let own { own } else { try first(of: sender, destination.family) }
      return .plan(plan(.nic(sender), source, destination, receiver: nil, question.traffic))
    case (.outside(let source), .nic(let receiver, let own)):
      return try arrive(from: source, at: receiver, own, question.traffic)
    case (.outside(let source), .outside(let destination)):
      throw PathQuestionError(
        what: "\(source) to \(destination)",
        why: "neither is an address of a network interface of the model",
        advice: "one of the two ends must be in the model, such as "
          + (directory.model.networkInterfaces.first?.id ?? "a network interface"))
    }
  }

  // MARK: Ends

  private enum End {
    /// A network interface, and the address of it that was named.
    case nic(Int, IPAddress?)
    case outside(IPAddress)
  }

  private func ends(_ question: PathQuestion) throws(PathQuestionError) -> (End, End) {
    var from: End?
    var to: End?
    if case .interface(let id) = question.from { from = .nic(try index(id, "--from"), nil) }
    if case .interface(let id) = question.to { to = .nic(try index(id, "--to"), nil) }
    if case .address(let address) = question.from {
      from = try end(address, "--from", beside: to)
    }
    if case .address(let address) = question.to { to = try end(address, "--to", beside: from) }
    guard let from, let to else {
      throw PathQuestionError(what: "usage", why: "two ends are needed")
    }
    return (from, to)
  }

  private func index(_ id: String, _ option: String) throws(PathQuestionError) -> Int {
    if let index = directory.nicIndex[id] { return index }
    let ids = directory.model.networkInterfaces.map(\.id)
    let rest = ids.count > 5 ? " and \(ids.count - 5) more" : ""
    throw PathQuestionError(
      what: "\(option) \(id)",
      why: "neither an address nor a network interface of the model",
      advice: ids.isEmpty ? nil : "it has \(ids.prefix(5).joined(separator: ", "))\(rest)")
  }

  /// What an address stands for: an interface near the other end, then any, then a public address.
  private func end(
    _ address: IPAddress, _ option: String, beside other: End?
  ) throws(PathQuestionError) -> End {
    let owners = directory.owners[address] ?? []
    var near = owners
    if case .nic(let index, _)? = other {
      let vpcs = directory.near(directory.vpcOf[index])
      near = owners.filter { vpcs.contains(directory.vpcOf[$0]) }
      let isRemote = vpcs.contains { directory.residents[$0][address] != nil }
      if near.isEmpty && !isRemote { near = owners }
    }
    if near.count == 1 { return .nic(near[0], address) }
    if near.count > 1 {
      let names = near.map { "\(directory.nic($0).id) (\(directory.vpc(ofNIC: $0).id))" }
      throw PathQuestionError(
        what: "\(option) \(address)",
        why: "an address of \(names.joined(separator: " and "))",
        advice: "name the network interface instead")
    }
    if option == "--to", let owner = directory.publicOwners[address] {
      if case .nic? = other { return .outside(address) }
      return .nic(owner.nic, owner.privateAddress)
    }
    return .outside(address)
  }

  private func first(of nic: Int, _ family: IPFamily) throws(PathQuestionError) -> IPAddress {
    if let address = directory.nic(nic).addresses.first(where: { $0.family == family }) {
      return address
    }
    throw PathQuestionError(
      what: directory.nic(nic).id,
      why: "has no \(family == .v4 ? "IPv4" : "IPv6") address, which the other end needs")
  }

  /// Two addresses of one family: those that were named, else the first that both ends have.
  private func pair(
    _ sender: Int, _ own: IPAddress?, _ receiver: Int, _ other: IPAddress?, families: [IPFamily]
  ) throws(PathQuestionError) -> (IPAddress, IPAddress) {
    if let own, let other {
      guard own.family == other.family else {
        throw PathQuestionError(
          what: "\(own) to \(other)", why: "addresses of two families never meet")
      }
      return (own, other)
    }
    if let own { return (own, try first(of: receiver, own.family)) }
    if let other { return (try first(of: sender, other.family), other) }
    for family in families {
      let sources = directory.nic(sender).addresses.filter { $0.family == family }
      let targets = directory.nic(receiver).addresses.filter { $0.family == family }
      guard let source = sources.first, let target = targets.first else { continue }
      // Of one and the same interface: between two of its addresses, if it has two.
      return (source, sender == receiver && targets.count > 1 ? targets[1] : target)
    }
    throw PathQuestionError(
      what: "\(directory.nic(sender).id) to \(directory.nic(receiver).id)",
      why: "they have no address family in common")
  }

  private func plan(
    _ arrival: Arrival, _ source: IPAddress, _ destination: IPAddress, receiver: Int?,
    _ traffic: ProbeTraffic, wire: IPAddress? = nil, vpc: Int = 0
  ) -> ProbePlan {
    ProbePlan(
      arrival: arrival, source: source, destination: destination,
      wireDestination: wire ?? destination, vpc: vpc, receiver: receiver, traffic: traffic)
  }

  // MARK: From elsewhere

  /// How a packet of an address that no interface has comes to one: from the host of its mapping,
  /// from the interface that the way back leads to, or through an internet gateway.
  private func arrive(
    from source: IPAddress, at receiver: Int, _ own: IPAddress?, _ traffic: ProbeTraffic
  ) throws(PathQuestionError) -> PathResolution {
    let vpc = directory.vpcOf[receiver]
    let destination = if let own { own } else { try target(receiver, source.family) }
    guard destination.family == source.family else {
      throw PathQuestionError(
        what: "\(source) to \(destination)", why: "addresses of two families never meet")
    }
    for near in directory.near(vpc) {
      if case .mapping(let index)? = directory.residents[near][source] {
        return .plan(
          plan(
            .mapping(index), source, destination, receiver: receiver, traffic, vpc: vpc))
      }
    }
    if let forwarder = forwarder(of: source, for: receiver) {
      return .plan(
        plan(.nic(forwarder), source, destination, receiver: receiver, traffic, vpc: vpc))
    }
    let id = directory.model.vpcs[vpc].id
    if directory.isInVPC(vpc, source) {
      return .noWay(
        "\(source) is an address of \(id), but no network interface or mapping has it",
        Remedy.mapping(of: source, in: id))
    }
    return throughGateway(source, destination, receiver, vpc, traffic)
  }

  /// The interface's first address; of IPv4 the first that has a public one.
  private func target(_ nic: Int, _ family: IPFamily) throws(PathQuestionError) -> IPAddress {
    let open = directory.nic(nic).addresses.first {
      $0.family == family && directory.publicAddress(of: nic, $0) != nil
    }
    if let open { return open }
    return try first(of: nic, family)
  }

  /// The interface that packets to an address are handed to, by the receiver's routes.
  private func forwarder(of source: IPAddress, for receiver: Int) -> Int? {
    let routes = RouteMap(directory, subnet: directory.subnetOf[receiver], source.family)
    guard case .forwarder(let index) = routes.place(of: source, sentBy: receiver) else {
      return nil
    }
    return index
  }

  private func throughGateway(
    _ source: IPAddress, _ destination: IPAddress, _ receiver: Int, _ vpc: Int,
    _ traffic: ProbeTraffic
  ) -> PathResolution {
    let id = directory.model.vpcs[vpc].id
    guard let gateway = directory.model.internetGateways.firstIndex(where: { $0.vpc == id }) else {
      return .noWay(
        "\(source) is outside \(id), which has no internet gateway, and no mapping or route says"
          + " where it is", Remedy.gateway(of: id))
    }
    let wire = directory.publicAddress(of: receiver, destination)
    if source.family == .v4 && wire == nil {
      return .noWay(
        "\(destination) of \(directory.nic(receiver).id) has no public address, so nothing comes"
          + " to it through \(directory.model.internetGateways[gateway].id)",
        Remedy.publicAddress(of: destination, directory.nic(receiver), directory.model))
    }
    return .plan(
      plan(
        .gateway(gateway), source, destination, receiver: receiver, traffic, wire: wire, vpc: vpc))
  }
}
