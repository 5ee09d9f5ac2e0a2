import Datapath
import Live
import ReferenceModel
import TableCompiler
import Tables
import VPCModel
import Wire

/// A running host on simulated ports and a simulated clock, with the reference model beside it.
///
/// Tables, publication, workers, hand-over and slow path are the product's; the thread is one, and
/// steps say which worker has its round when.
public final class SimulatedHost {
  static let nicCapacity = 16
  static let portCount = 10
  static let uplink = MACAddress(0x02_AA_00_00_00_01)
  /// The port that is no network interface's.
  static let lostPort = 9

  let workerCount: Int
  var shared: WorkerShared
  var allowances: SharedAllowances?
  var compiled: CompiledTables
  var reference: ReferenceVPC
  var wires: SimulatedWires
  var workers: [UnsafeMutablePointer<LiveWorker<SimulatedIO>>] = []
  var desk: SimulatedDesk
  /// Nanoseconds.
  var now: UInt64 = 1_000_000_000_000
  /// Network interfaces whose ports are there.
  var attached: Set<String>
  /// Places of ports, which stay theirs.
  private var places: [String: Int] = [:]
  /// The underlay's hosts whose next hop is not known.
  var unresolved: Set<IPAddress> = []
  var expected = Expectations()
  /// By worker: answers that the service thread gave and the worker has not taken.
  var answers: [[ExpectedAnswer]]
  /// By worker: what went to the service thread.
  var punts: [[ExpectedPunt]]
  var difference: String?
  private var inputs = 0
  public private(set) var publications = 0
  /// Connections whose place another took while they lived.
  public var replacements: Int { reference.replacements }

  public init(model: VPCModel, workers count: Int) throws {
    workerCount = count
    reference = ReferenceVPC(model: model, options: ReferenceOptions(atNIC: true))
    compiled = try TableCompiler.compile(
      model, CompileRequest(generation: 2, capacity: Self.capacity))
    wires = SimulatedWires(workers: count, ports: Self.portCount)
    shared = Self.share(count)
    desk = SimulatedDesk(compiled)
    attached = Set(model.networkInterfaces.map(\.id))
    answers = [[ExpectedAnswer]](repeating: [], count: count)
    punts = [[ExpectedPunt]](repeating: [], count: count)
    try begin()
  }

  deinit { end() }

  private static var capacity: TableCapacity {
    TableCapacity(networkInterfaces: nicCapacity, rules: 4_000)
  }

  private static func share(_ workers: Int) -> WorkerShared {
    WorkerShared(
      workers: workers, portCount: portCount, nicCapacity: nicCapacity, clock: .stopped)
  }

  private func begin() throws {
    if workerCount > 1 { allowances = SharedAllowances(nicCapacity: Self.nicCapacity) }
    allowances?.fill(for: compiled.tables)
    if !shared.publish(liveTables()) { throw Difference(step: 0, text: "no first publication") }
    for index in 0..<workerCount {
      var configuration = WorkerConfiguration(flowCapacity: 1_024, fragmentCapacity: 1_024)
      configuration.workerCount = workerCount
      configuration.workerIndex = index
      configuration.shared = allowances
      let engine = Worker(
        configuration: configuration, nicCapacity: Self.nicCapacity,
        ruleCapacity: Self.capacity.ruleNumbers)
      let io = SimulatedIO(wires: wires, worker: index, portCount: Self.portCount)
      let place = UnsafeMutablePointer<LiveWorker<SimulatedIO>>.allocate(capacity: 1)
      place.initialize(to: LiveWorker(index: index, io: io, engine: engine, shared: shared))
      place.pointee.begin()
      workers.append(place)
    }
  }

  private func end() {
    for worker in workers {
      worker.deinitialize(count: 1)
      worker.deallocate()
    }
    workers = []
    shared.deallocate()
    allowances?.deallocate()
    allowances = nil
  }

  // MARK: Ports

  func port(of id: String) -> Int {
    if let known = places[id] { return known }
    let next = places.count + 1
    precondition(next < Self.lostPort)
    places[id] = next
    return next
  }

  func port(_ id: String?) -> Int { id.map(port) ?? 0 }

  /// The network interface that a port is of now.
  func networkInterface(ofPort port: Int) -> String? {
    guard let id = places.first(where: { $0.value == port })?.key, isConnected(id) else {
      return nil
    }
    return id
  }

  func isConnected(_ id: String) -> Bool {
    attached.contains(id) && compiled.slot(ofInterface: id) != nil
  }

  private func liveTables() -> LiveTables {
    var polled = [0]
    var connections: [(port: Int, nic: TableIndex)] = []
    for id in attached.sorted() {
      let port = port(of: id)
      polled.append(port)
      if let nic = compiled.slot(ofInterface: id) { connections.append((port, nic)) }
    }
    polled.append(Self.lostPort)
    let tables = LiveTables(
      rules: compiled.tables, portCount: Self.portCount, polled: polled, uplinkMAC: Self.uplink)
    for connection in connections { tables.connect(port: connection.port, nic: connection.nic) }
    for (endpoint, address) in compiled.endpointAddresses.enumerated() {
      guard let address, !unresolved.contains(address) else { continue }
      tables.nextHops.set(TableIndex(endpoint), Self.nextHop(address))
    }
    return tables
  }

  static func nextHop(_ address: IPAddress) -> MACAddress {
    MACAddress(0x02_BB_00_00_00_00 | address.low & 0xFFFF)
  }

  // MARK: Steps

  /// Does one step, and compares what came of it.
  ///
  /// - Returns: what was not as it should be; nil when all was.
  public func perform(_ step: Step) -> String? {
    switch step {
    case .advance(let time): now += time
    case .frame(let bytes, let from, let worker, let isPartial):
      put(bytes, from: from, worker: worker, isPartial: isPartial)
    case .superFrame(let bytes, let from, let worker, let size):
      put(bytes, from: from, worker: worker, isPartial: true, segmentSize: size)
    case .round(let worker): round(worker % workerCount)
    case .serve: serve()
    case .settle: settle()
    case .push(let model, let cuts, let first): push(model, cuts: cuts, first: first)
    case .port(let id, let isThere): setPort(id, isThere: isThere)
    case .ring(let id, let room, let drain):
      wires.setRing(port: port(id), room: room, drain: drain)
    case .buffers(let count): wires.bufferLimit = count
    case .nextHop(let address, let isKnown): setNextHop(address, isKnown)
    case .restart: restart()
    case .lie: reference.restart()
    }
    return difference
  }

  private func put(
    _ bytes: [UInt8], from: String?, worker: Int, isPartial: Bool, segmentSize: Int = 0
  ) {
    let place = from.map { $0.isEmpty ? Self.lostPort : port(of: $0) } ?? 0
    let isThere = from.map { $0.isEmpty || attached.contains($0) } ?? true
    guard isThere, bytes.count <= 10_000 else { return }
    var input = SimulatedWires.Input(number: inputs, port: place, bytes: bytes)
    input.worker = worker % workerCount
    if isPartial, place != 0, let frame = LiveTraffic.leftToDevice(bytes) {
      input.partial = frame.partial
      input.bytes = frame.complete
      input.segmentSize = segmentSize
    }
    inputs += 1
    wires.put(input)
  }

  func round(_ index: Int) {
    if difference != nil { return }
    let waiting = min(32, answers[index].count)
    workers[index].pointee.setTime(now)
    _ = workers[index].pointee.round()
    check(worker: index, answers: waiting)
  }

  /// Whether something is on its way.
  var isBusy: Bool {
    wires.waiting > 0 || wires.buffersInUse > 0 || answers.contains { !$0.isEmpty }
      || punts.contains { !$0.isEmpty }
  }

  func settle() {
    for attempt in 0..<400 where difference == nil {
      if !isBusy { return }
      // A ring that drains nothing and a pool that is empty would hold things for ever.
      if attempt == 200 { open() }
      for index in 0..<workerCount { round(index) }
      serve()
    }
    if difference == nil && isBusy {
      difference =
        "still on its way: \(wires.waiting) frames, \(wires.buffersInUse) buffers, "
        + "\(answers.map(\.count)) answers, \(punts.map(\.count)) punts"
    }
  }

  private func open() {
    wires.bufferLimit = .max
    for port in 0..<Self.portCount { wires.setRing(port: port, room: 1_024, drain: 1_024) }
  }

  /// Everything that is on its way arrives; then nothing may be missing.
  public func finish() -> String? {
    open()
    settle()
    if difference == nil { checkConservation(isAtRest: true) }
    return difference
  }

  private func setNextHop(_ address: IPAddress, _ isKnown: Bool) {
    if isKnown { unresolved.remove(address) } else { unresolved.insert(address) }
    for (endpoint, known) in compiled.endpointAddresses.enumerated() where known == address {
      shared.setNextHop(TableIndex(endpoint), isKnown ? Self.nextHop(address) : nil)
    }
  }

  private func setPort(_ id: String, isThere: Bool) {
    guard attached.contains(id) != isThere else { return }
    if isThere {
      attached.insert(id)
    } else {
      attached.remove(id)
      wires.forgetInputs(port: port(of: id))
    }
    push(reference.currentModel, cuts: false, first: 0)
  }

  // MARK: Publication

  private func push(_ model: VPCModel, cuts: Bool, first: Int) {
    guard let next = compile(model, cuts: cuts) else { return }
    let before = compiled
    for interface in model.networkInterfaces where !compiled.model.has(interface.id) {
      attached.insert(interface.id)
    }
    for interface in compiled.model.networkInterfaces where !model.has(interface.id) {
      attached.remove(interface.id)
      wires.forgetInputs(port: port(of: interface.id))
    }
    compiled = next
    allowances?.fill(for: compiled.tables)
    reference.replace(with: model, cuts: cuts)
    expected.forget(keeping: Set(next.ruleNames))
    desk = SimulatedDesk(next)
    publications += 1
    let isPublished = shared.publish(liveTables()) {
      for index in 0..<workerCount { round((first + index) % workerCount) }
    }
    withExtendedLifetime(before) {
      if !isPublished && difference == nil { difference = "a worker has not passed" }
    }
  }

  private func compile(_ model: VPCModel, cuts: Bool) -> CompiledTables? {
    for _ in 0..<200 where difference == nil {
      var request = CompileRequest(
        generation: UInt32(truncatingIfNeeded: shared.nextGeneration), capacity: Self.capacity,
        previous: compiled)
      request.swept = shared.sweptGeneration
      request.cutsConnections = cuts
      do { return try TableCompiler.compile(model, request) } catch TableCompilerError.awaitsWorkers
      {
        for index in 0..<workerCount { round(index) }
      } catch {
        difference = "not compiled: \(error)"
      }
    }
    if difference == nil { difference = "the workers do not clean up" }
    return nil
  }

  private func restart() {
    if let problem = finish() {
      difference = problem
      return
    }
    end()
    shared = Self.share(workerCount)
    let model = reference.currentModel
    do {
      compiled = try TableCompiler.compile(
        model, CompileRequest(generation: 2, capacity: Self.capacity))
      reference.restart()
      expected = Expectations()
      wires = SimulatedWires(workers: workerCount, ports: Self.portCount)
      desk = SimulatedDesk(compiled)
      try begin()
    } catch {
      difference = "not restarted: \(error)"
    }
  }
}

extension VPCModel {
  func has(_ id: String) -> Bool { networkInterfaces.contains { $0.id == id } }
}
