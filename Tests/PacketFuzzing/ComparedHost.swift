import Datapath
import Explanation
import ReferenceModel
import Replay
import SlowPath
import TableCompiler
import Tables
import VPCModel
import Wire

/// Judges frames as a replay does, in memory, by the engine and by the reference model.
final class ComparedHost {
  private let model: VPCModel
  private let options: ReferenceOptions
  private let compiled: CompiledTables
  private let names: VerdictNames
  private let responder: ServiceResponder
  private let attributor: Attributor
  private let fresh: ReferenceVPC
  private var normaliser: FrameNormaliser
  private var worker: Worker
  private var reference: ReferenceVPC
  private let packets: UnsafeMutablePointer<Packet>
  private var count = 0
  /// What the reference says of each record of the burst, and the place of its packet in it.
  private var expected: [(verdict: ReferenceVerdict, place: Int?)] = []
  private var number = 0
  private var now: UInt64 = 0

  init(_ model: VPCModel, _ options: ReferenceOptions) {
    self.model = model
    self.options = options
    do { compiled = try TableCompiler.compile(model) } catch { fatalError("\(error)") }
    names = VerdictNames(nicIDs: compiled.nicIDs, ruleNames: compiled.ruleNames)
    responder = ServiceResponder(model: model)
    let preferred = model.networkInterfaces.firstIndex { $0.id == options.eni }
    attributor = Attributor(
      model: model, preferred: preferred.map { TableIndex($0) } ?? .none, atNIC: options.atNIC)
    fresh = ReferenceVPC(model: model, options: options)
    reference = fresh
    normaliser = FrameNormaliser(atNIC: options.atNIC, hostMAC: model.host?.mac)
    worker = Self.worker(compiled)
    packets = .allocate(capacity: FrameNormaliser.burstCapacity)
  }

  deinit { packets.deallocate() }

  private static func worker(_ compiled: CompiledTables) -> Worker {
    // So many connections that no input fills the table, as the reference has no bound: an input has
    // fewer than 200 packets. No more, because each input gets a new table.
    Worker(
      configuration: WorkerConfiguration(flowCapacity: 1_024, fragmentCapacity: 512),
      nicCapacity: compiled.tables.nics.count, ruleCapacity: compiled.tables.ruleCount)
  }

  /// Forgets everything.
  func start() {
    worker = Self.worker(compiled)
    reference = fresh
    count = 0
    expected = []
    number = 0
    now = 0
    normaliser.startBurst()
  }

  /// Adds a recorded frame to the burst, which ends with it when a service may be asked.
  ///
  /// - Returns: the first difference of a burst that ended.
  func take(
    _ bytes: UnsafeRawBufferPointer, linkType: UInt16 = 1, originalLength: Int? = nil,
    time: UInt64, endsBurst: Bool = true
  ) -> String? {
    number += 1
    now = max(now, time)
    let original = originalLength ?? bytes.count
    let record = ReferencePacket(
      file: "fuzzed", number: number, time: time, linkType: linkType, bytes: [UInt8](bytes),
      originalLength: original)
    let place = add(bytes, linkType, original)
    expected.append((reference.judge(record), place))
    let last = place.map { mayBeService(packets[$0]) } ?? false
    if endsBurst || last || expected.count == FrameNormaliser.burstCapacity { return finish() }
    return nil
  }

  /// - Returns: its place in the engine's burst; nil when it is nobody's.
  private func add(_ bytes: UnsafeRawBufferPointer, _ linkType: UInt16, _ original: Int) -> Int? {
    guard let base = bytes.baseAddress,
      let link = LinkLayer(linkType: linkType, bytes: base, captured: bytes.count)
    else { return nil }
    let attribution = attributor.attribute(link, base, bytes.count)
    var mac = MACAddress.router
    switch attribution {
    case .ignore: return nil
    case .guest(let nic), .captured(let nic): mac = attributor.mac(nic)
    case .underlay: break
    }
    let place = packets + count
    place.initialize(
      to: normaliser.place(
        link, bytes: base, captured: bytes.count, original: original, attribution: attribution,
        mac: mac))
    place.pointee.time = now
    count += 1
    return count - 1
  }

  /// Whether a guest's frame could be for a service, whose answer is charged after its burst.
  private func mayBeService(_ packet: borrowing Packet) -> Bool {
    guard packet.origin == .guest, packet.length >= 24 else { return packet.origin == .guest }
    let frame = UnsafeRawBufferPointer(start: packet.base, count: 24)
    switch (frame[12], frame[13]) {
    case (0x08, 0x00): return frame[23] == 17
    case (0x86, 0xDD): return frame[20] != 6
    default: return true
    }
  }

  /// Has the engine judge the burst, and compares.
  func finish() -> String? {
    defer {
      expected.removeAll(keepingCapacity: true)
      count = 0
      normaliser.startBurst()
    }
    worker.process(UnsafeMutableBufferPointer(start: packets, count: count), compiled.tables)
    for (index, item) in expected.enumerated() {
      var outcome = Outcome.ignored
      if let place = item.place {
        if packets[place].verdict == .punt { serve(packets + place) }
        outcome = Outcome(packets[place])
      }
      let engine = verdict(outcome)
      if engine != item.verdict {
        let packet = number - expected.count + index + 1
        return "packet \(packet): engine \(engine), reference \(item.verdict)"
      }
    }
    return nil
  }

  private func serve(_ packet: UnsafeMutablePointer<Packet>) {
    let kind: ServiceKind
    switch packet.pointee.service {
    case .arp: kind = .arp
    case .neighborDiscovery: kind = .neighborDiscovery
    case .dhcp4: kind = .dhcp4
    case .dhcp6: kind = .dhcp6
    case .none: return
    }
    var answer: [UInt8] = []
    let nic = packet.pointee.nic
    let result = responder.respond(
      kind,
      to: UnsafeRawBufferPointer(start: packet.pointee.base, count: Int(packet.pointee.length)),
      from: Int(nic), atNIC: packet.pointee.flags.contains(.atNIC), into: &answer)
    var reason = DropReason.none
    if case .drop(let why) = result {
      reason = why
    } else if !worker.chargeLinkLocal(nic: nic, time: packet.pointee.time, compiled.tables) {
      reason = .limitLinkLocal
    }
    packet.pointee.verdict = reason != .none ? .drop : result == .reply ? .reply : .consume
    packet.pointee.reason = reason
    if reason == .none { packet.pointee.direction = .egress }
  }

  private func verdict(_ outcome: Outcome) -> ReferenceVerdict {
    var verdict = ReferenceVerdict(verdict: "\(outcome.verdict.name)")
    verdict.eni = outcome.nic == .none ? "" : names.nic(outcome.nic)
    verdict.direction = "\(outcome.direction.name)"
    verdict.reason = outcome.reason == .none ? "" : outcome.reason.name
    verdict.rule = names.rule(outcome.rule)
    verdict.state = "\(outcome.state.name)"
    if outcome.output != .nowhere { verdict.output = names.place(outcome.output) }
    return verdict
  }
}
