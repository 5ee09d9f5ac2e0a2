import Datapath
import Explanation
import FlowLogs
import SlowPath
import Tables
import Wire

// What follows the engine's verdict on each packet, in the order of the input.
extension ReplaySession {
  /// Answers services, counts the packet, and writes about it.
  @inline(__always)
  mutating func settle(_ entry: BurstEntry) {
    var outcome = Outcome.ignored
    if entry.packet >= 0 {
      let packet = packets + Int(entry.packet)
      if packet.pointee.verdict == .punt { serve(packet) }
      if packet.pointee.verdict == .pending { defect = "packet \(entry.number) was not judged" }
      outcome = Outcome(packet.pointee)
    }
    counters.count(outcome, bytes: entry.bytes)
    if let verdicts = outputs.verdicts {
      verdicts.write(
        file: file, number: entry.number, time: entry.time, bytes: entry.bytes, outcome)
    }
    outcomes?.append(outcome)
    if outputs.writesPackets || entry.isExplained { settleSlowly(entry, outcome) }
  }

  /// The parts of settling that only some replays ask for.
  private mutating func settleSlowly(
    _ entry: BurstEntry, _ outcome: Outcome
  ) {
    outputs.annotate(entry, outcome, file: file)
    let facts = outputs.facts(of: entry)
    observer?.observe(
      ObservedPacket(
        time: entry.time, bytes: entry.bytes, outcome: outcome, tuple: facts?.tuple,
        bytesOfIP: facts?.bytes ?? 0))
    if entry.packet >= 0 {
      let packet = packets + Int(entry.packet)
      writeFrames(packet.pointee, entry, outcome)
      if let facts, outputs.logs {
        let receiver = outcome.direction == .local ? receiver(of: facts, from: outcome.nic) : .none
        outputs.log(facts, outcome, receiver: receiver, time: packet.pointee.time)
      }
    }
    if entry.isExplained {
      explanations.append(explain(entry, outcome))
    }
  }

  /// Has a service answer a punted packet, and charges the sender's link-local allowance.
  private mutating func serve(_ packet: UnsafeMutablePointer<Packet>) {
    let kind: ServiceKind
    switch packet.pointee.service {
    case .arp: kind = .arp
    case .neighborDiscovery: kind = .neighborDiscovery
    case .dhcp4: kind = .dhcp4
    case .dhcp6: kind = .dhcp6
    case .none:
      defect = "a packet was left to no service"
      return
    }
    let nic = packet.pointee.nic
    let frame = UnsafeRawBufferPointer(
      start: packet.pointee.base, count: Int(packet.pointee.length))
    answer.removeAll(keepingCapacity: true)
    let result = responder.respond(
      kind, to: frame, from: Int(nic), atNIC: packet.pointee.flags.contains(.atNIC), into: &answer)
    if case .drop(let reason) = result {
      drop(packet, reason)
    } else if worker.chargeLinkLocal(nic: nic, time: packet.pointee.time, compiled.tables) {
      packet.pointee.verdict = result == .reply ? .reply : .consume
      packet.pointee.direction = .egress
    } else {
      drop(packet, .limitLinkLocal)
    }
  }

  private mutating func drop(_ packet: UnsafeMutablePointer<Packet>, _ reason: DropReason) {
    packet.pointee.verdict = .drop
    packet.pointee.reason = reason
    worker.countDrop(nic: packet.pointee.nic, reason)
  }

  /// Writes to `--out` what leaves because of a packet: itself, its fragments, or an answer.
  private mutating func writeFrames(
    _ packet: borrowing Packet, _ entry: BurstEntry, _ outcome: Outcome
  ) {
    guard let out = outputs.out else { return }
    let frame = UnsafeRawBufferPointer(start: packet.base, count: Int(packet.length))
    switch outcome.verdict {
    case .forward where packet.flags.contains(.needsFragmentation):
      writeFragments(packet, entry, to: out)
    case .forward:
      out.write(
        to: outcome.output, time: entry.time, frame: frame,
        originalLength: Int(packet.originalLength))
    case .reply:
      out.write(answer: answer, to: outcome.nic, time: entry.time)
    case .drop where packet.flags.contains(.answerTooBig) && outcome.nic != .none:
      let router = routers[Int(outcome.nic)]
      answer.removeAll(keepingCapacity: true)
      if TooBig.answer(
        to: frame, mtu: Int(packet.mtu), routerV4: router.v4, routerV6: router.v6, into: &answer)
      {
        out.write(answer: answer, to: outcome.nic, time: entry.time)
      }
    default: break
    }
  }

  /// Cuts a packet that is too large for its path, and encapsulates every piece.
  private mutating func writeFragments(
    _ packet: borrowing Packet, _ entry: BurstEntry, to out: OutputWriter
  ) {
    var pieces: [[UInt8]] = []
    let frame = UnsafeRawBufferPointer(start: packet.base, count: Int(packet.length))
    _ = Fragmenter.fragment(frame, mtu: Int(packet.mtu)) { pieces.append([UInt8]($0)) }
    for piece in pieces {
      let room = FrameNormaliser.headroom
      let memory = UnsafeMutableRawPointer.allocate(
        byteCount: room + piece.count, alignment: 64)
      defer { memory.deallocate() }
      piece.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress {
          (memory + room).copyMemory(from: start, byteCount: bytes.count)
        }
      }
      var fragment = Packet(
        base: memory + room, length: UInt32(piece.count), headroom: UInt32(room))
      fragment.endpoint = packet.endpoint
      fragment.vni = packet.vni
      fragment.entropyPort = packet.entropyPort
      encapsulate(&fragment)
      out.write(
        to: packet.output, time: entry.time,
        frame: UnsafeRawBufferPointer(start: fragment.base, count: Int(fragment.length)),
        originalLength: Int(fragment.length))
    }
  }

  /// The local NIC that a packet between two local NICs is for: of the NICs with its destination
  /// the one in the sender's VPC, else the first.
  private func receiver(of facts: FlowFacts, from sender: TableIndex) -> TableIndex {
    let nics = compiled.tables.nics
    let destination = facts.tuple.destination
    let near = attributor.receiver(of: destination) { nic in
      sender != .none && nics[nic].vpc == nics[sender].vpc
    }
    return near != .none ? near : attributor.receiver(of: destination) { _ in true }
  }
}
