import CMallocCounter
import ReferenceModel
import Testing
import Wire

/// The engine allocates when it is made and never again: a million packets of every kind, counted
/// by an allocator that takes the place of the system's.
@Suite struct AllocationTests {
  @Test func floodAllocatesNothing() throws {
    var worker = try CountedWorker(UDPFlood.model(), flowCapacity: 1 << 13)
    var flood = UDPFlood()
    Self.send(&flood, 100, to: &worker)
    Self.startCounting(&worker)
    Self.send(&flood, 100_000, to: &worker)
    let tally = worker.tally
    #expect(tally.packets >= 500_000)
    #expect(tally.allocations == 0)
    #expect(tally.frees == 0)
    #expect(tally.states[1] > 20_000, "new connections")
    #expect(tally.states[2] > 150_000, "established connections")
    #expect(tally.local > 90_000)
    #expect(tally.tunnelsOut > 150_000)
    #expect(tally.refusedServices > 1_000)
    #expect(tally.reasons[Int(DropReason.limitConnections.rawValue)] > 10_000)
    #expect(tally.reasons[Int(DropReason.fragmentLimit.rawValue)] > 10_000)
  }

  /// Five times `count` packets.
  private static func send(_ flood: inout UDPFlood, _ count: Int, to worker: inout CountedWorker) {
    // New connections, then established ones, then more than there is room for.
    flood.send(count, flows: 1_000, local: false, to: &worker)
    flood.send(count, flows: 500, local: true, to: &worker)
    flood.send(count, flows: 50_000, local: false, to: &worker)
    flood.sendARP(count / 2, to: &worker)
    flood.sendFirstFragments(count / 2, to: &worker)
    for _ in 0..<10 {
      // All end by their timers, and new ones take their place.
      flood.pause(seconds: 200)
      flood.send(count / 10, flows: 2_000, local: false, to: &worker)
    }
  }

  @Test func everyKindOfPacketAllocatesNothing() throws {
    var total = Tally()
    var seed: UInt64 = 1
    while total.packets < 500_000 {
      let scenario = Generator.scenario(seed: seed, packets: 1_000)
      let frames = ScenarioFrames(scenario)
      var worker = try CountedWorker(scenario.model)
      frames.play(0..<1, on: &worker)
      Self.startCounting(&worker)
      frames.play(1..<2 + 20_000 / max(1, frames.count), on: &worker)
      total += worker.tally
      seed += 1
    }
    #expect(total.allocations == 0)
    #expect(total.frees == 0)
    #expect(total.states[1] > 0 && total.states[2] > 0 && total.states[3] > 0)
    #expect(total.forwarded > 50_000)
    #expect(total.tunnelsIn > 1_000)
    #expect(total.tunnelsOut > 1_000)
    #expect(total.local > 1_000)
    #expect(total.punted > 100)
    #expect(total.fragments > 0)
    let missing = Set(DropReason.allCases.filter { !$0.isOfLivePorts })
      .subtracting(total.seen).subtracting(Self.notGenerated)
    #expect(missing.isEmpty, "the traffic never met \(missing.map(\.name).sorted())")
  }

  /// In a debug build the runtime makes metadata of generic types when they are first used, once in
  /// a process; so what came before does not count there. In a release everything counts.
  private static func startCounting(_ worker: inout CountedWorker) {
    #if DEBUG
      worker.startCounting()
    #endif
  }

  /// `none` is no reason, and the services' own are given outside of the engine. The limits need
  /// more packets at a time than a scenario has; the flood meets them.
  private static let notGenerated: Set<DropReason> = [
    .none, .eniNone, .serviceARP, .serviceND, .serviceDHCP, .limitConnections, .limitLinkLocal,
    .fragmentLimit,
  ]

  @Test func plantedAllocationIsCounted() throws {
    var worker = try CountedWorker(UDPFlood.model())
    var kept: [UnsafeMutableRawPointer] = []
    kept.reserveCapacity(10)
    defer { for memory in kept { memory.deallocate() } }
    for _ in 0..<10 {
      worker.judge { kept.append(.allocate(byteCount: 24, alignment: 8)) }
    }
    #expect(worker.tally.allocations == 10)
    #expect(worker.tally.frees == 0)
  }

  @Test func plantedArrayIsCounted() throws {
    var worker = try CountedWorker(UDPFlood.model())
    worker.judge {
      var list = [UInt64](repeating: 1, count: 100)
      list.withUnsafeMutableBufferPointer { $0[3] = apus_frees() }
    }
    #expect(worker.tally.allocations == 1)
    #expect(worker.tally.frees == 1)
  }
}
