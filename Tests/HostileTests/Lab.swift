import Datapath
import Glibc
import SlowPath
import TableCompiler
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

/// A frame and where it comes from.
struct Shot {
  var frame: [UInt8]
  var origin = Origin.guest
  var nic = World.a
  /// Where in a 16-byte unit the frame begins; nil ends it where readable memory ends.
  var alignment: Int?
}

/// What became of a frame.
struct Outcome: Equatable, CustomStringConvertible {
  var verdict: Verdict
  var reason = DropReason.none
  var state = FlowState.none
  var rule = ""
  var nic: TableIndex = .none
  var output = OutputPlace.nowhere
  /// What leaves: the frame that is forwarded, or a service's answer.
  var frame: [UInt8] = []
  var mtu: UInt32 = 0
  var isAnsweredTooBig = false
  var needsFragmentation = false

  var description: String {
    "\(verdict) \(reason.name) \(state) \(rule), \(frame.count) bytes to \(output)"
  }

  /// The verdict, of a drop with its reason.
  var fate: String { verdict == .drop ? brief : "\(verdict)" }

  /// Verdict, then reason or state.
  var brief: String { verdict == .drop ? "drop \(reason.name)" : "\(verdict) \(state)" }
}

/// One worker with live conditions: MAC addresses count, nothing of a frame is completed, and every
/// frame ends where readable memory ends. Beside what a test sends, two other interfaces talk all
/// the while; `finish` compares what they got with what they get when nobody else sends.
final class Lab {
  static let headroom = 128
  private static let canary = [UInt8](repeating: 0xC5, count: 16)

  let model: VPCModel
  private(set) var compiled: CompiledTables
  var worker: Worker
  var now: UInt64 = 1_000_000_000_000
  /// Of all frames, the bystanders' too.
  private(set) var verdicts: [Verdict: Int] = [:]
  private var drops: [DropReason: Int] = [:]
  private(set) var judged = 0

  private let memory: GuardedSlots
  private let packets: UnsafeMutablePointer<Packet>
  private let responder: ServiceResponder
  private var watched: [(time: UInt64, outcome: Outcome)] = []
  private let isWatching: Bool
  private let configuration: WorkerConfiguration

  init(
    _ model: VPCModel = World.model(), flows: Int = 4_000, fragments: Int = 4_096,
    isWatching: Bool = true
  ) throws {
    self.model = model
    self.isWatching = isWatching
    configuration = WorkerConfiguration(flowCapacity: flows, fragmentCapacity: fragments)
    compiled = try TableCompiler.compile(
      model,
      CompileRequest(
        generation: 1, capacity: TableCapacity(networkInterfaces: 3, rules: 200)))
    worker = Worker(
      configuration: configuration, nicCapacity: compiled.tables.nics.count, ruleCapacity: 401)
    memory = GuardedSlots(count: 2)
    packets = .allocate(capacity: 2)
    responder = ServiceResponder(model: model)
  }

  deinit { packets.deallocate() }

  func pass(seconds: Double) { now += UInt64(seconds * 1e9) }

  /// Publishes another model as a running host does.
  func change(to model: VPCModel, cutsConnections: Bool) throws {
    var request = CompileRequest(
      generation: compiled.tables.generation + 1, previous: compiled)
    request.swept = worker.following.swept
    request.cutsConnections = cutsConnections
    compiled = try TableCompiler.compile(model, request)
    worker.adopt(compiled.tables)
  }

  // MARK: Sending

  /// Judges a frame, in one burst with one of the bystanders'.
  @discardableResult
  func send(_ shot: Shot) -> Outcome {
    guard isWatching, watched.count < 400 else { return judge([shot])[0] }
    let other = Bystander.shot(watched.count)
    let isFirst = watched.count % 2 == 0
    let outcomes = judge(isFirst ? [other, shot] : [shot, other])
    watched.append((now, outcomes[isFirst ? 0 : 1]))
    return outcomes[isFirst ? 1 : 0]
  }

  /// A packet that a guest sends to its router.
  @discardableResult
  func guest(_ packet: [UInt8], _ nic: UInt32 = World.a) -> Outcome {
    let mac = nic == World.b ? World.macB : World.macA
    return send(Shot(frame: Compose.ethernet(to: .router, from: mac, packet), nic: nic))
  }

  /// A packet from the other host of a VPC.
  @discardableResult
  func wire(
    _ packet: [UInt8], to mac: MACAddress = World.macA, vni: UInt32 = World.blueVNI,
    from host: String = World.blueHost
  ) -> Outcome {
    let frame = Compose.ethernet(to: mac, from: World.remoteMAC, packet)
    return send(Shot(frame: Tunnel.geneve(frame, vni: vni, from: host), origin: .underlay))
  }

  private func judge(_ shots: [Shot]) -> [Outcome] {
    for (index, shot) in shots.enumerated() {
      let base = memory.place(shot.frame, slot: index, alignment: shot.alignment)
      (packets + index).initialize(
        to: Packet(
          base: base, length: UInt32(shot.frame.count), headroom: UInt32(Self.headroom)))
      packets[index].time = now
      packets[index].origin = shot.origin
      packets[index].nic = shot.origin == .guest ? shot.nic : .none
      packets[index].flags.insert(.atNIC)
    }
    worker.process(
      UnsafeMutableBufferPointer(start: packets, count: shots.count), compiled.tables)
    let outcomes = shots.indices.map(settle)
    for index in shots.indices {
      (packets + index).deinitialize(count: 1)
      #expect(memory.isIntact(slot: index), "written outside of the frame and its headroom")
    }
    return outcomes
  }

  private func settle(_ index: Int) -> Outcome {
    let frame = UnsafeRawBufferPointer(
      start: packets[index].base, count: Int(packets[index].length))
    var answer: [UInt8] = []
    if packets[index].verdict == .punt { serve(index, frame, into: &answer) }
    let verdict = packets[index].verdict
    judged += 1
    verdicts[verdict, default: 0] += 1
    if verdict == .drop && packets[index].nic != .none {
      drops[packets[index].reason, default: 0] += 1
    }
    return Outcome(
      verdict: verdict, reason: packets[index].reason, state: packets[index].state,
      rule: compiled.ruleNames[Int(packets[index].rule)], nic: packets[index].nic,
      output: packets[index].output, frame: verdict == .forward ? [UInt8](frame) : answer,
      mtu: packets[index].mtu,
      isAnsweredTooBig: packets[index].flags.contains(.answerTooBig),
      needsFragmentation: packets[index].flags.contains(.needsFragmentation))
  }

  private func serve(_ index: Int, _ frame: UnsafeRawBufferPointer, into answer: inout [UInt8]) {
    let kinds: [Service: ServiceKind] = [
      .arp: .arp, .neighborDiscovery: .neighborDiscovery, .dhcp4: .dhcp4, .dhcp6: .dhcp6,
    ]
    guard let kind = kinds[packets[index].service] else { return }
    let nic = packets[index].nic
    let result = responder.respond(kind, to: frame, from: Int(nic), atNIC: true, into: &answer)
    var reason = DropReason.none
    if case .drop(let why) = result { reason = why }
    if reason == .none && !worker.chargeLinkLocal(nic: nic, time: now, compiled.tables) {
      reason = .limitLinkLocal
    }
    packets[index].verdict = reason != .none ? .drop : result == .reply ? .reply : .consume
    packets[index].reason = reason
    if reason != .none { worker.countDrop(nic: nic, reason) }
  }

  // MARK: What holds at every end

  /// Expects conservation and untouched bystanders.
  func finish(_ location: SourceLocation = #_sourceLocation) throws {
    while isWatching && watched.count < 40 {
      watched.append((now, judge([Bystander.shot(watched.count)])[0]))
    }
    #expect(verdicts.values.reduce(0, +) == judged, sourceLocation: location)
    #expect(
      verdicts[.pending] == nil && verdicts[.handOver] == nil && verdicts[.ignore] == nil,
      sourceLocation: location)
    for reason in DropReason.allCases {
      let counted = (0..<3).reduce(0) { $0 + Int(worker.dropCount(UInt32($1), reason)) }
      #expect(counted == drops[reason] ?? 0, "\(reason.name)", sourceLocation: location)
    }
    let connections = (0..<3).reduce(0) { $0 + Int(worker.nicState(UInt32($1)).connections) }
    #expect(worker.flows.count == connections, sourceLocation: location)
    try compareBystanders(location)
  }

  private func compareBystanders(_ location: SourceLocation) throws {
    guard isWatching else { return }
    let quiet = try Lab(
      model, flows: configuration.flowCapacity, fragments: configuration.fragmentCapacity,
      isWatching: false)
    for (number, seen) in watched.enumerated() {
      quiet.now = seen.time
      let alone = quiet.judge([Bystander.shot(number)])[0]
      guard alone != seen.outcome || alone.verdict == .drop else { continue }
      Issue.record(
        "bystander's packet \(number): alone \(alone), here \(seen.outcome)",
        sourceLocation: location)
      return
    }
  }
}

/// Runs a body on a lab, and asks at its end what always holds.
func withLab(
  _ model: VPCModel = World.model(), flows: Int = 4_000, fragments: Int = 4_096,
  _ location: SourceLocation = #_sourceLocation, _ body: (Lab) throws -> Void
) throws {
  let lab = try Lab(model, flows: flows, fragments: fragments)
  try body(lab)
  try lab.finish(location)
}
