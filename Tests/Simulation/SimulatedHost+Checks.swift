import Datapath
import Live
import ReferenceModel
import Tables
import VPCModel
import Wire

/// What the host should have counted.
struct Expectations {
  var counts: [LiveCounter: UInt64] = [:]
  /// Packets whose verdict names a rule.
  var hits: [String: UInt64] = [:]
  /// Drops of frames that belong to no network interface, by port and reason.
  var portDrops: [Int: [DropReason: UInt64]] = [:]
  /// Packets that certainly crossed from one worker to another, and fragments, which may twice.
  var crossed = 0
  var fragments = 0
  /// When a network interface was last told that a packet is too big, by worker.
  var lastTooBig: [String: UInt64] = [:]
  /// When a next hop was last asked for, by worker.
  var lastAsked: [String: UInt64] = [:]

  mutating func add(_ counter: LiveCounter, _ count: Int = 1) {
    counts[counter, default: 0] += UInt64(count)
  }

  /// Rules that are gone, and those that come under their names, begin with nothing.
  mutating func forget(keeping names: Set<String>) {
    hits = hits.filter { names.contains($0.key) }
  }
}

extension SimulatedHost {
  /// Compares what a round did with what the reference says of the same frames, in the same order.
  ///
  /// - Parameter count: answers that the worker took in it.
  func check(worker: Int, answers count: Int) {
    var composed: [SimulatedWires.Event] = []
    for event in wires.takeEvents() where difference == nil {
      guard let input = event.input else {
        composed.append(event)
        continue
      }
      // Answers come after all packets: what was composed before are segments of this one.
      checkPacket(event, input, segments: composed)
      composed = []
    }
    for _ in 0..<count where difference == nil {
      checkAnswer(answers[worker].removeFirst(), &composed, worker)
    }
    if difference != nil { return }
    if let extra = composed.first { difference = "an unexpected frame: \(extra.kind)" }
    checkCounters()
    checkConnections()
    checkConservation(isAtRest: false)
  }

  // MARK: Packets

  private func checkPacket(
    _ event: SimulatedWires.Event, _ input: SimulatedWires.Input, segments: [SimulatedWires.Event]
  ) {
    let origin: LiveOrigin =
      input.port == 0 ? .underlay : .guest(networkInterface(ofPort: input.port))
    let judgement = reference.judgeLive(
      input.bytes, from: origin, segmentSize: input.segmentSize, at: now)
    let verdict = judgement.verdict
    countCrossing(event, input)
    let problem: String?
    switch verdict.verdict {
    case "ignore": problem = checkIgnored(event, judgement)
    case "drop": problem = checkDrop(event, input, judgement)
    case "reply": problem = checkService(event, input, judgement)
    default: problem = checkForward(event, input, judgement, segments)
    }
    if !segments.isEmpty && (input.segmentSize == 0 || verdict.verdict != "forward") {
      difference = "\(segments.count) frames before frame \(input.number)"
    }
    if let problem {
      difference =
        "frame \(input.number) at port \(input.port), worker \(event.worker): \(problem); "
        + "reference: \(verdict.verdict) \(verdict.reason) rule '\(verdict.rule)' "
        + "\(verdict.state) of \(verdict.eni) to \(verdict.output ?? "nowhere"), "
        + "engine: \(event.outcome.verdict) \(event.outcome.reason.name) "
        + "rule '\(ruleName(event.outcome.rule))' \(event.outcome.state), \(event.kind)"
    }
  }

  func ruleName(_ number: UInt32) -> String {
    let names = compiled.ruleNames
    return Int(number) < names.count ? names[Int(number)] : ""
  }

  private func countCrossing(_ event: SimulatedWires.Event, _ input: SimulatedWires.Input) {
    let type = input.bytes.big16(12)
    let isFragment =
      input.port == 0 || type == 0x0800 && input.bytes.big16(20) & 0x3FFF != 0
      || type == 0x86DD
    if isFragment {
      expected.fragments += 1
    } else if event.worker != input.worker {
      expected.crossed += 1
    }
  }

  private func checkIgnored(_ event: SimulatedWires.Event, _ judgement: LiveJudgement) -> String? {
    if event.kind != .released { return "not ignored" }
    if judgement.isNeighbour {
      if !punt(.neighbour, event.worker) { return dropAtPort(0, .slowPathFull) }
      return nil
    }
    expected.add(.ignored)
    return nil
  }

  /// Expects a message to the service thread; false when the sender's share of the ring is used up.
  private func punt(_ punt: ExpectedPunt, _ worker: Int, counts: Bool = true) -> Bool {
    let taken = punts[worker].count { $0.share == punt.share }
    if taken >= SlowPathSizes().share { return false }
    punts[worker].append(punt)
    if counts { expected.add(.punted) }
    return true
  }

  private func dropAtPort(_ port: Int, _ reason: DropReason) -> String? {
    expected.add(.dropped)
    expected.portDrops[port, default: [:]][reason, default: 0] += 1
    return nil
  }

  /// A drop that the polling loop finds behind the engine's judgement.
  func dropBehind(_ event: SimulatedWires.Event, _ reason: DropReason, of id: String)
    -> String?
  {
    if event.kind != .released { return "not dropped with \(reason.name)" }
    expected.add(.dropped)
    reference.countDrop(reason, of: id)
    return nil
  }

  private func checkDrop(
    _ event: SimulatedWires.Event, _ input: SimulatedWires.Input, _ judgement: LiveJudgement
  ) -> String? {
    if event.kind != .released { return "not dropped" }
    guard let reason = DropReason(name: judgement.verdict.reason) else { return "no reason" }
    if input.port != 0, networkInterface(ofPort: input.port) == nil {
      return dropAtPort(input.port, .eniNone)
    }
    if event.outcome.verdict != .drop { return "not dropped" }
    if event.outcome.reason != reason { return "another reason" }
    if ruleName(event.outcome.rule) != judgement.verdict.rule { return "another rule" }
    if "\(event.outcome.direction)" != judgement.verdict.direction { return "another direction" }
    countHit(judgement.verdict.rule)
    if judgement.dropper == nil { return dropAtPort(input.port, reason) }
    expected.add(.dropped)
    return reason == .mtuExceeded ? checkTooBig(event, input) : nil
  }

  private func countHit(_ rule: String) {
    if !rule.isEmpty { expected.hits[rule, default: 0] += 1 }
  }

  private func checkTooBig(_ event: SimulatedWires.Event, _ input: SimulatedWires.Input)
    -> String?
  {
    guard let id = networkInterface(ofPort: input.port) else { return nil }
    let name = "\(id) \(event.worker)"
    let isDue = expected.lastTooBig[name].map { now >= $0 + 10_000_000 } ?? true
    if isDue != event.outcome.answersTooBig { return isDue ? "no answer" : "too many answers" }
    guard isDue else { return nil }
    expected.lastTooBig[name] = now
    // The quote is of the packet as the guest left it.
    let frame = input.partial ?? input.bytes
    _ = punt(.tooBig(nic: id, packet: Array(frame.dropFirst(14))), event.worker, counts: false)
    return nil
  }

  private func checkService(
    _ event: SimulatedWires.Event, _ input: SimulatedWires.Input, _ judgement: LiveJudgement
  ) -> String? {
    guard event.kind == .released, let (id, outcome) = judgement.service else {
      return "not for a service"
    }
    if event.outcome.verdict == .drop {
      // Some messages are refused without the service.
      guard case .drop(let reason) = outcome, reason == event.outcome.reason else {
        return "the service should say \(outcome)"
      }
      _ = reference.settleService(outcome, of: id, at: now)
      expected.add(.dropped)
      return nil
    }
    if event.outcome.verdict != .punt { return "not for a service" }
    let message = ExpectedPunt.service(nic: id, outcome: outcome, frame: input.bytes)
    return punt(message, event.worker) ? nil : dropBehind(event, .slowPathFull, of: id)
  }

  private func checkForward(
    _ event: SimulatedWires.Event, _ input: SimulatedWires.Input, _ judgement: LiveJudgement,
    _ segments: [SimulatedWires.Event]
  ) -> String? {
    let verdict = judgement.verdict
    if event.outcome.verdict != .forward { return "not forwarded" }
    if ruleName(event.outcome.rule) != verdict.rule { return "another rule" }
    if "\(event.outcome.state)" != verdict.state { return "another state" }
    if "\(event.outcome.direction)" != verdict.direction { return "another direction" }
    countHit(verdict.rule)
    guard let output = judgement.output else { return "the reference knows no way out" }
    switch output.place {
    case .networkInterface(let id):
      if !isConnected(id) { return dropBehind(event, .portDown, of: id) }
      if input.segmentSize > 0 {
        return checkSegments(event, input, output, segments, port: port(of: id), of: verdict.eni) {
          $0.difference(from: $1)
        }
      }
      if event.kind != .sent(port: port(of: id)) { return "not sent to \(id)" }
      expected.add(.sent)
      return frameDifference(event) { output.difference(from: $0) }
    case .underlay(let endpoint, _):
      return checkUnderlay(event, input, output, endpoint, of: verdict.eni, segments)
    }
  }

  private func checkUnderlay(
    _ event: SimulatedWires.Event, _ input: SimulatedWires.Input, _ output: ReferenceOutput,
    _ endpoint: IPAddress, of id: String, _ segments: [SimulatedWires.Event]
  ) -> String? {
    if output.limit != nil {
      let message = ExpectedPunt.fragment(nic: id, output: output, frame: input.bytes)
      if event.kind != .released { return "sent whole" }
      return punt(message, event.worker) ? nil : dropBehind(event, .slowPathFull, of: id)
    }
    guard let host = reference.currentModel.host else {
      return dropBehind(event, .underlayNeighbor, of: id)
    }
    if unresolved.contains(endpoint) {
      askForNextHop(endpoint, event.worker)
      return dropBehind(event, .underlayNeighbor, of: id)
    }
    if input.segmentSize > 0 {
      return checkSegments(event, input, output, segments, port: 0, of: id) {
        $0.difference(
          fromTunnelled: $1, host: host, uplink: Self.uplink, nextHop: Self.nextHop(endpoint))
      }
    }
    if event.kind != .sent(port: 0) { return "not sent to the underlay" }
    expected.add(.sent)
    return frameDifference(event) {
      output.difference(
        fromTunnelled: $0, host: host, uplink: Self.uplink, nextHop: Self.nextHop(endpoint))
    }
  }

  /// 50 times a second at most, for each next hop and worker.
  private func askForNextHop(_ endpoint: IPAddress, _ worker: Int) {
    let index = compiled.endpointAddresses.firstIndex(of: endpoint) ?? 0
    let name = "\(index) \(worker)"
    if let last = expected.lastAsked[name], now < last + 20_000_000 { return }
    expected.lastAsked[name] = now
    _ = punt(.nextHop(endpoint), worker, counts: false)
  }

  /// Compares bytes; nothing is left to a device, as none of the ports does checksums.
  private func frameDifference(
    _ event: SimulatedWires.Event, _ compare: ([UInt8]) -> String?
  ) -> String? {
    event.isPartial ? "the checksum is left open" : compare(event.bytes)
  }

  // MARK: Answers

  private func checkAnswer(
    _ answer: ExpectedAnswer, _ composed: inout [SimulatedWires.Event], _ worker: Int
  ) {
    let slot = compiled.slot(ofInterface: answer.nic)
    var isCurrent = slot == answer.slot
    if let slot, isCurrent, answer.generation < UInt64(compiled.tables.nics[slot].since) {
      isCurrent = false
    }
    let generation = shared.nextGeneration - 1
    switch answer.kind {
    case .service(let outcome):
      guard isCurrent else { return expected.add(.answersLost) }
      switch reference.settleService(outcome, of: answer.nic, at: now) {
      case .drop: expected.add(.refused)
      case .consume: expected.add(.served)
      case .reply:
        expected.add(.served)
        checkComposed(answer, &composed)
      case nil: difference = "an answer for \(answer.nic), which is gone"
      }
    case .frame:
      guard isCurrent else { return expected.add(.answersLost) }
      checkComposed(answer, &composed)
    case .piece(let endpoint, let vni):
      guard isCurrent, answer.generation == generation, isConnected(answer.nic) else {
        return expected.add(.answersLost)
      }
      checkPiece(answer, endpoint, vni, &composed, worker)
    }
  }

  private func checkComposed(
    _ answer: ExpectedAnswer, _ composed: inout [SimulatedWires.Event]
  ) {
    guard isConnected(answer.nic) else { return expected.add(.answersLost) }
    guard !composed.isEmpty else {
      difference = "an answer for \(answer.nic) was not sent"
      return
    }
    let event = composed.removeFirst()
    if event.kind == .noBuffer { return expected.add(.answersLost) }
    expected.add(.generated)
    if event.kind != .sent(port: port(of: answer.nic)) || event.bytes != answer.frame {
      difference = "an answer for \(answer.nic) became \(event.kind) \(event.bytes)"
    }
  }

  private func checkPiece(
    _ answer: ExpectedAnswer, _ endpoint: IPAddress, _ vni: UInt32,
    _ composed: inout [SimulatedWires.Event], _ worker: Int
  ) {
    guard let host = reference.currentModel.host, !composed.isEmpty else {
      difference = "a piece was not sent"
      return
    }
    let event = composed.removeFirst()
    if event.kind == .noBuffer { return expected.add(.answersLost) }
    if unresolved.contains(endpoint) {
      if event.kind != .released { difference = "a piece was sent to no next hop" }
      askForNextHop(endpoint, worker)
      return expected.add(.answersLost)
    }
    expected.add(.generated)
    switch ReferenceOutput.open(
      event.bytes, host: host, uplink: Self.uplink, nextHop: Self.nextHop(endpoint))
    {
    case .failure(let fault): difference = "a piece: \(fault.text)"
    case .success(let tunnel):
      if tunnel.endpoint != endpoint || tunnel.vni != vni || tunnel.inner != answer.frame {
        difference = "a piece went to \(tunnel.endpoint) with VNI \(tunnel.vni)"
      }
    }
  }
}
