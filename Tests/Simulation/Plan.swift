import ReferenceModel
import VPCModel
import Wire

/// A simulation: a model, workers, and what happens, all drawn from one seed.
public struct Plan: Sendable {
  public var seed: UInt64
  public var model: VPCModel
  public var workers: Int
  public var steps: [Step]

  public init(seed: UInt64, frames: Int) {
    var composer = PlanComposer(seed: seed)
    self = composer.compose(frames)
  }

  init(seed: UInt64, model: VPCModel, workers: Int, steps: [Step]) {
    self.seed = seed
    self.model = model
    self.workers = workers
    self.steps = steps
  }

  /// Has the reference forget everything before a step, so that a difference has to be found.
  public mutating func lie(at index: Int) { steps.insert(.lie, at: index) }
}

/// Draws the steps of a plan.
struct PlanComposer {
  private let seed: UInt64
  private var random: SeededRandom
  private var traffic: LiveTraffic
  private let workers: Int
  private var steps: [Step] = []
  private var frames = 0
  private var model: VPCModel
  private var detached: [String] = []
  /// Where the pieces of each datagram come in.
  private var places: [LiveTraffic.DatagramName: String] = [:]

  init(seed: UInt64) {
    self.seed = seed
    random = SeededRandom(seed: seed ^ 0x5157_4C41_5445)
    traffic = LiveTraffic(seed: random.next())
    workers = random.one(in: 2) ? 2 : 1
    if workers > 1 { traffic.removeSharedLimits() }
    model = traffic.model
  }

  mutating func compose(_ count: Int) -> Plan {
    let first = model
    while frames < count {
      switch random.number(0...99) {
      case 0..<80: addTraffic()
      case 80..<88: steps.append(.round(random.number(0...1)))
      case 88..<92: steps.append(.settle)
      case 92..<96: addPush()
      case 96: addPort()
      case 97: addRings()
      case 98: addNextHop()
      default: addRare()
      }
    }
    return Plan(seed: seed, model: first, workers: workers, steps: steps)
  }

  private mutating func addTraffic() {
    let batch = random.one(in: 10) ? random.number(2...60) : random.number(1...3)
    for _ in 0..<batch {
      let (pause, bytes) = traffic.next()
      // Frames of one burst have one time.
      if pause > 0 && (batch < 4 || pause > 1_000_000_000) {
        addRounds()
        addAdvance(pause)
      }
      for frame in bytes { add(frame) }
    }
    addRounds()
  }

  /// No packet waits in a ring for as long as a fragment is remembered. With several workers none
  /// waits at all: who finds a datagram's way and who owns it would begin its 15 s at two times.
  private mutating func addAdvance(_ time: UInt64) {
    if workers > 1 || time > 500_000_000 { steps.append(.settle) }
    steps.append(.advance(time))
  }

  private mutating func addRounds() {
    switch random.number(0...9) {
    case 0: break
    case 1: steps.append(.round(random.number(0...1)))
    case 2:
      steps.append(.serve)
      steps.append(.round(random.number(0...1)))
    default:
      steps.append(.round(0))
      if workers > 1 {
        steps.append(.round(1))
        steps.append(.round(0))
      }
      if random.one(in: 2) {
        steps.append(.serve)
        steps.append(.round(0))
        if workers > 1 { steps.append(.round(1)) }
      }
    }
  }

  private mutating func add(_ frame: [UInt8]) {
    let worker = random.number(0...1)
    let source = frame.count >= 12 ? Array(frame[6..<12]) : []
    var from: String?
    if let owner = model.networkInterfaces.first(where: { SimulatedHost.bytes($0.mac) == source }) {
      from = owner.id
    } else if isForHost(frame) {
      guard !isOddUnderlay(frame) else { return }
      from = nil
    } else if random.one(in: 4) {
      if isOddUnderlay(frame) { return }
      from = nil
    } else {
      from = random.pick(model.networkInterfaces.map(\.id), else: "eni-a1")
    }
    if from != nil && random.one(in: 60) {
      from = random.pick(model.networkInterfaces.map(\.id) + [""], else: "")
    }
    if workers > 1 && comesElsewhere(frame, from) { return }
    frames += 1
    if let from, !from.isEmpty, let size = segmentSize(frame) {
      steps.append(.superFrame(frame, from: from, worker: worker, segmentSize: size))
      return
    }
    steps.append(
      .frame(
        from == nil ? Self.damaged(frame) : frame, from: from, worker: worker,
        isPartial: random.one(in: 6)))
  }

  /// One tunnel packet in 32 gets a wrong checksum in its outer IPv4 header. Which ones their own
  /// bytes say, so that nothing more is drawn from the seed.
  private static func damaged(_ frame: [UInt8]) -> [UInt8] {
    guard frame.big16(12) == 0x0800, frame.count >= 42, (frame[24] &+ frame[25]) & 31 == 7 else {
      return frame
    }
    var frame = frame
    frame[25] ^= 0x10
    return frame
  }

  /// A piece of a datagram whose others come in somewhere else, which takes a guest that sends in
  /// another's name. Who owns a datagram is remembered by where it came in, so one that comes in at
  /// two places may have two owners: see "What it does not do" in docs/simulation.md.
  private mutating func comesElsewhere(_ frame: [UInt8], _ from: String?) -> Bool {
    guard let name = LiveTraffic.fragmentedDatagram(frame, isTunnelled: from == nil) else {
      return false
    }
    let place = from ?? "tunnel"
    return places.updateValue(places[name] ?? place, forKey: name) ?? place != place
  }

  /// How a guest's driver has a frame cut, if it does: most of those that are too big, a few others.
  /// Sizes that the host refuses are among them.
  private mutating func segmentSize(_ frame: [UInt8]) -> Int? {
    guard let payload = LiveTraffic.segmentedPayload(frame), payload > 1,
      !random.one(in: payload > 1_400 ? 5 : 3)
    else { return nil }
    let sizes = [1_400, 1_300, 1_000, 536, 100, 8, 4, random.number(1...payload), 1_448]
    let size = random.pick(sizes, else: 536)
    return size < payload ? size : nil
  }

  private func isForHost(_ frame: [UInt8]) -> Bool {
    guard let host = model.host else { return false }
    return frame.count >= 6 && Array(frame[0..<6]) == SimulatedHost.bytes(host.mac)
  }

  /// Frames of the underlay of which the contract does not say whether they are a tunnel's: cut
  /// before the end of their UDP header, or fragments.
  private func isOddUnderlay(_ frame: [UInt8]) -> Bool {
    switch frame.big16(12) {
    case 0x0800:
      if frame.count < 42 || frame[14] != 0x45 { return true }
      let isFragment = frame.big16(20) & 0x3FFF != 0
      return isFragment && ![6081, 4789].contains(frame.big16(36))
    case 0x86DD:
      if frame.count < 62 || frame[14] >> 4 != 6 { return true }
      guard frame[20] == 44 else { return false }
      return frame.count < 70 || ![6081, 4789].contains(frame.big16(64))
    default: return false
    }
  }

  private mutating func addPush() {
    if random.one(in: 6) { return addSeries() }
    if !random.one(in: 4) { steps.append(.settle) }
    push(changes: random.pick([1, 1, 1, 2, 5]))
    // What passed before the change meets the tables after it.
    guard !random.one(in: 3) else { return }
    for _ in 0..<random.number(2...10) {
      for frame in traffic.again() { add(frame) }
    }
    addRounds()
  }

  private mutating func push(changes: Int, movesInterface: Bool = false) {
    for _ in 0..<changes { model = traffic.change(movesInterface: movesInterface) }
    if workers > 1 {
      traffic.removeSharedLimits()
      model = traffic.model
    }
    steps.append(.push(model, cuts: random.one(in: 3), first: random.number(0...1)))
  }

  /// Changes that follow each other while the service thread is busy elsewhere: what waits for it
  /// is about network interfaces that may be gone, or be others, when it comes to it.
  private mutating func addSeries() {
    for _ in 0..<random.number(2...8) {
      for frame in traffic.request() { add(frame) }
    }
    for _ in 0..<random.number(2...4) {
      addWorkerRounds(random.number(0...2))
      push(changes: 1, movesInterface: !random.one(in: 4))
      addWorkerRounds(random.number(0...8))
    }
    steps.append(.serve)
    addRounds()
  }

  private mutating func addWorkerRounds(_ count: Int) {
    for _ in 0..<count {
      for worker in 0..<workers { steps.append(.round(worker)) }
    }
  }

  private mutating func addPort() {
    if let id = detached.popLast() {
      steps.append(.port(id, isThere: true))
      return
    }
    let id = random.pick(model.networkInterfaces.map(\.id), else: "eni-a1")
    detached.append(id)
    steps.append(.port(id, isThere: false))
  }

  private mutating func addRings() {
    if random.one(in: 2) {
      let count = random.one(in: 2) ? 1_000_000 : random.number(1...40)
      steps.append(.buffers(count))
      return
    }
    let id = random.one(in: 3) ? nil : model.networkInterfaces.first?.id
    let isWide = random.one(in: 2)
    steps.append(
      .ring(
        id, room: isWide ? 1_024 : random.number(0...8),
        drain: isWide ? 1_024 : random.number(0...3)))
  }

  private mutating func addNextHop() {
    let hosts = model.mappings.map(\.host) + model.internetGateways.map(\.host)
    guard let first = hosts.first else { return }
    steps.append(.nextHop(random.pick(hosts, else: first), isKnown: !random.one(in: 3)))
  }

  private mutating func addRare() {
    switch random.number(0...9) {
    case 0: steps.append(.restart)
    case 1: addAdvance(UInt64(random.number(1...700)) * 1_000_000_000)
    default: steps.append(.serve)
    }
  }
}
