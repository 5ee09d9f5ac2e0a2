import VPCModel
import Wire

/// Where a frame of a running host came from.
public enum LiveOrigin: Sendable, Equatable {
  /// The port of this network interface; nil of a port that is no interface's.
  case guest(String?)
  case underlay
}

/// What a service says, and the host charges when its answer is there.
public enum LiveServiceOutcome: Sendable, Equatable {
  case reply, consume
  case drop(DropReason)
}

/// What becomes of a frame on a running host.
public struct LiveJudgement: Sendable {
  public var verdict: ReferenceVerdict
  /// The network interface that counts a drop; nil when the port does.
  public var dropper: String?
  /// Left to a service.
  public var service: (nic: String, outcome: LiveServiceOutcome)?
  /// Of a forwarded packet.
  public var output: ReferenceOutput?
  /// About the neighbours of the underlay: not judged, taken by the service thread.
  public var isNeighbour = false
}

// Frames as ports bring them: attribution is by the port, and nothing was left to a capture.

extension ReferenceVPC {
  /// Judges a frame of a running host.
  ///
  /// - Parameters:
  ///   - bytes: the whole Ethernet frame.
  ///   - segmentSize: bytes of payload of each packet that a guest wants a TCP frame cut into.
  ///   - time: nanoseconds; never before that of an earlier call.
  public mutating func judgeLive(
    _ bytes: [UInt8], from origin: LiveOrigin, segmentSize: Int = 0, at time: UInt64
  ) -> LiveJudgement {
    self.segmentSize = segmentSize
    packetCount = 1
    now = max(now, time)
    defersServices = true
    deferred = nil
    dropper = nil
    arrived = nil
    let octets = Octets(bytes: bytes, originalLength: bytes.count)
    let frame = Frame(linkType: 1, octets: octets, tags: 0, isLive: true)
    switch origin {
    case .underlay: return judgeUplink(frame)
    case .guest(let id):
      guard let sender = nics.firstIndex(where: { $0.nic.id == id }) else {
        return LiveJudgement(verdict: .drop(eni: "", direction: "egress", .eniNone))
      }
      var judgement = LiveJudgement(verdict: judgeSent(frame, by: sender))
      finish(&judgement)
      if let deferred {
        judgement.service = (nics[deferred.nic].nic.id, LiveServiceOutcome(deferred.outcome))
      }
      if judgement.verdict.verdict == "forward", case .ip(let packet) = frame.content {
        judgement.output = output(of: packet, frame, from: sender)
      }
      return judgement
    }
  }

  private mutating func judgeUplink(_ frame: Frame) -> LiveJudgement {
    let ignored = LiveJudgement(verdict: .ignore("not for a tunnel endpoint"))
    var neighbour = ignored
    neighbour.isNeighbour = true
    switch frame.content {
    case .arp: return neighbour
    case .ip(let packet):
      if packet.family == .v6, packet.octets.holds(0, 44), packet.octets.u8(6) == 58,
        (133...137).contains(packet.octets.u8(40))
      {
        return neighbour
      }
      guard packet.destination == model.host?.address, let verdict = judgeUnderlay(packet) else {
        return ignored
      }
      var judgement = LiveJudgement(verdict: verdict)
      finish(&judgement)
      if verdict.verdict == "forward", let arrived {
        judgement.output = delivery(of: arrived.packet, to: arrived.receiver)
      }
      return judgement
    case .unreadable, .truncated, .vlan, .other: return ignored
    }
  }

  /// Says who counts a drop, and counts it.
  private mutating func finish(_ judgement: inout LiveJudgement) {
    let verdict = judgement.verdict
    guard verdict.verdict == "drop", let reason = DropReason(name: verdict.reason) else { return }
    let index = dropper ?? nics.firstIndex { $0.nic.id == verdict.eni }
    guard let index else { return }
    judgement.dropper = nics[index].nic.id
    memories[index].counters.drops[reason, default: 0] += 1
  }

  /// Counts a drop that the host found behind the judgement.
  public mutating func countDrop(_ reason: DropReason, of id: String) {
    guard let index = nics.firstIndex(where: { $0.nic.id == id }) else { return }
    memories[index].counters.drops[reason, default: 0] += 1
  }

  /// A service's answer is there: what it says is charged, or refused.
  ///
  /// - Returns: what became of the message, nil when the network interface is gone.
  public mutating func settleService(
    _ outcome: LiveServiceOutcome, of id: String, at time: UInt64
  ) -> LiveServiceOutcome? {
    now = max(now, time)
    guard let index = nics.firstIndex(where: { $0.nic.id == id }) else { return nil }
    var outcome = outcome
    if case .drop = outcome {
    } else if memories[index].buckets.linkLocal.holds(1, at: now) {
      memories[index].buckets.linkLocal.take(1, at: now)
    } else {
      memories[index].counters.linkLocalExceeded += 1
      outcome = .drop(.limitLinkLocal)
    }
    if case .drop(let reason) = outcome {
      memories[index].counters.drops[reason, default: 0] += 1
    }
    return outcome
  }

  // MARK: Outputs

  private func delivery(of packet: ParsedPacket, to receiver: Int) -> ReferenceOutput {
    var bytes = packet.ipBytes
    var fields: [ReferenceOutput.Field] = []
    if let old = packet.publicDestination {
      fields = translate(
        &bytes, packet, from: old, to: packet.destination, at: 16, quotedAt: 12)
    }
    let nic = nics[receiver].nic
    return ReferenceOutput(
      place: .networkInterface(nic.id), destinationMAC: nic.mac, sourceMAC: .router, packet: bytes,
      checksums: fields)
  }

  private func output(of packet: ParsedPacket, _ frame: Frame, from sender: Int)
    -> ReferenceOutput?
  {
    guard let exit = routing.exit(of: packet.destination, from: nics[sender]) else { return nil }
    let source = frame.sourceMAC ?? .router
    let target = frame.destinationMAC ?? .router
    switch exit {
    case .local(let receiver): return delivery(of: packet, to: receiver)
    case .mapping(let mapping, let vni):
      var output = ReferenceOutput(
        place: .underlay(mapping.host, vni: vni),
        destinationMAC: target == .router ? mapping.mac : target, sourceMAC: source,
        packet: packet.ipBytes, checksums: [])
      output.limit = limit(packet, isGateway: false)
      return output
    case .gateway(let gateway):
      var bytes = packet.ipBytes
      var fields: [ReferenceOutput.Field] = []
      let pair = nics[sender].nic.publicAddresses.first { $0.privateAddress == packet.source }
      if packet.family == .v4, let pair {
        fields = translate(
          &bytes, packet, from: packet.source, to: pair.publicAddress, at: 12, quotedAt: 16)
      }
      var output = ReferenceOutput(
        place: .underlay(gateway.host, vni: gateway.vni), destinationMAC: target,
        sourceMAC: source, packet: bytes, checksums: fields)
      output.limit = limit(packet, isGateway: true)
      return output
    }
  }

  /// The size to which a packet has to be cut; nil when it fits.
  private func limit(_ packet: ParsedPacket, isGateway: Bool) -> Int? {
    guard let host = model.host, segmentSize == 0 else { return nil }
    var maximum = host.mtu - (host.address.family == .v4 ? 50 : 70)
    if isGateway { maximum = min(maximum, 1500) }
    return packet.length > maximum ? maximum : nil
  }
}

extension LiveServiceOutcome {
  init(_ outcome: ServiceOutcome) {
    switch outcome {
    case .reply: self = .reply
    case .consume: self = .consume
    case .drop(let reason): self = .drop(reason)
    }
  }
}

extension ParsedPacket {
  /// The packet by its own length.
  var ipBytes: [UInt8] { Array(octets.captured(0, length)) }
}

// MARK: The way out

enum Exit {
  case local(Int)
  case mapping(Mapping, vni: UInt32)
  case gateway(InternetGateway)
}

extension Routing {
  /// How a packet that is forwarded leaves, by the same routes as `place`.
  func exit(of destination: IPAddress, from sender: NetworkInterfaceState) -> Exit? {
    switch place(of: destination, from: sender) {
    case .refused, .missing: return nil
    case .local(let index): return .local(index)
    case .otherHost:
      for vpc in [sender.vpc] + peered(with: sender.vpc) {
        guard isInVPC(vpc, destination), let mapping = mapping(vpc, destination) else { continue }
        return .mapping(mapping, vni: model.vpcs[vpc].vni)
      }
      return nil
    case .internetGateway:
      guard let id = gateway(of: destination, from: sender),
        let gateway = model.internetGateways.first(where: { $0.id == id })
      else { return nil }
      return .gateway(gateway)
    }
  }
}
