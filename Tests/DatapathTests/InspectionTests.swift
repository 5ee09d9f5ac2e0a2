import Datapath
import TableCompiler
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

/// What a running worker is asked about its connections.
@Suite struct InspectionTests {
  private struct Listing {
    var records: [FlowRecord] = []
    var count = 0
    var steps = 0
  }

  /// 300 connections of eni-web and one of eni-data.
  private static func engine() throws -> Engine {
    var engine = try Engine()
    for port in UInt16(1)...300 { _ = engine.judge(LimitTests.datagram(port)) }
    let other = Compose.ipv4("10.0.1.11", "198.51.100.9", protocol: 17, Compose.udp(77, 123))
    _ = engine.judge(frame: Compose.ethernet(to: .router, from: Engine.data, other), nic: 1)
    return engine
  }

  private static func list(
    _ engine: inout Engine, room: Int = 400, after: UInt64 = 0,
    _ change: (inout FlowFilter) -> Void = { _ in }
  ) -> Listing {
    var filter = FlowFilter()
    change(&filter)
    let records = WorkerMemory<FlowRecord>(count: room)
    defer { records.deallocate() }
    var listing = Listing()
    var cursor: UInt32 = 0
    while cursor != .none && listing.steps < 100 {
      engine.worker.listFlows(
        &cursor, matching: filter, now: engine.now + after, into: records, count: &listing.count)
      listing.steps += 1
    }
    listing.records = (0..<min(listing.count, room)).map { records[$0] }
    return listing
  }

  @Test func `every connection is listed once, in bounded steps`() throws {
    var engine = try Self.engine()
    let all = Self.list(&engine)
    let perStep = Worker.inspectionStep
    #expect(all.count == 301 && all.steps == (301 + perStep - 1) / perStep)
    let web = all.records.filter { $0.entry.nic == 0 }
    #expect(Set(web.map(\.localPort)) == Set(1...300) && web.count == 300)
    #expect(web.allSatisfy { $0.remotePort == 53 && $0.entry.transport == 17 })
    #expect(web.allSatisfy { $0.localAddress == Compose.address("10.0.1.10") })
    #expect(web.allSatisfy { $0.remoteAddress == Compose.address("198.51.100.7") })
  }

  @Test func `a filter lists what it names and nothing else`() throws {
    var engine = try Self.engine()
    let ofNIC = Self.list(&engine) { $0.nic = 1 }
    #expect(ofNIC.records.map(\.localPort) == [77])
    // Either end's port: local 53 of eni-web, and remote 53 of all 300.
    #expect(Self.list(&engine) { $0.port = 53 }.count == 300)
    #expect(Self.list(&engine) { $0.port = 17 }.records.map(\.localPort) == [17])
    #expect(Self.list(&engine) { $0.port = 999 }.count == 0)
    #expect(Self.list(&engine) { $0.transport = 17 }.count == 301)
    #expect(Self.list(&engine) { $0.transport = 6 }.count == 0)
    func within(_ text: String, bits: UInt32) -> FlowFilter.Addresses {
      FlowFilter.Addresses(
        isIPv6: false, high: 0, low: Compose.address(text).low, maskHigh: .max,
        maskLow: 0xFFFF_FFFF_0000_0000 | UInt64(UInt32.max << (32 - bits)))
    }
    #expect(Self.list(&engine) { $0.addresses = within("198.51.100.0", bits: 24) }.count == 301)
    #expect(Self.list(&engine) { $0.addresses = within("198.51.100.9", bits: 32) }.count == 1)
    #expect(Self.list(&engine) { $0.addresses = within("10.0.1.11", bits: 32) }.count == 1)
    #expect(Self.list(&engine) { $0.addresses = within("203.0.113.0", bits: 24) }.count == 0)
    var v6 = within("10.0.1.11", bits: 32)
    v6.isIPv6 = true
    #expect(Self.list(&engine) { $0.addresses = v6 }.count == 0)
  }

  @Test func `a list that is full says that there are more`() throws {
    var engine = try Self.engine()
    let some = Self.list(&engine, room: 10)
    #expect(some.count == 11 && Set(some.records.map(\.localPort)).count == 10)
  }

  @Test func `what has ended is not listed, though nobody cleaned up`() throws {
    var engine = try Self.engine()
    #expect(Self.list(&engine, after: 30 * Engine.second - 1).count == 301)
    #expect(Self.list(&engine, after: 30 * Engine.second).count == 0)
  }

  @Test func `other tables say which connections they would refuse`() throws {
    var engine = try Self.engine()
    var conversation = Conversation()
    _ = conversation.open(&engine)
    func counts(_ next: CompiledTables, doubtful rules: [UInt64]?) -> [UInt64] {
      let counts = WorkerMemory<UInt64>(count: 4)
      let doubtful = WorkerMemory<UInt64>(count: rules?.count ?? 0)
      defer {
        counts.deallocate()
        doubtful.deallocate()
      }
      for (word, bits) in (rules ?? []).enumerated() { doubtful[word] = bits }
      var cursor: UInt32 = 0
      while cursor != .none {
        engine.worker.countRefusedFlows(
          &cursor, by: next.tables, doubtful: doubtful, now: engine.now, into: counts)
      }
      return [counts[0], counts[1]]
    }
    func refused(_ model: VPCModel) throws -> [UInt64] {
      let next = try TableCompiler.compile(
        model, CompileRequest(generation: 2, previous: engine.compiled))
      let all = counts(next, doubtful: nil)
      #expect(counts(next, doubtful: next.rulesInDoubt(since: engine.compiled)) == all)
      return all
    }
    #expect(try refused(Engine.model()) == [0, 0])
    var withoutUDP = Engine.model()
    withoutUDP.securityGroups[0].egress.removeAll { $0.id == "udp-out" }
    #expect(try refused(withoutUDP) == [300, 1])
    var withoutHTTP = Engine.model()
    withoutHTTP.securityGroups[0].ingress.removeAll { $0.id == "http" }
    #expect(try refused(withoutHTTP) == [1, 0])
    var withoutNIC = Engine.model()
    withoutNIC.networkInterfaces.removeLast()
    #expect(try refused(withoutNIC) == [0, 1])
  }

  @Test func `only connections of rules that changed are in doubt`() throws {
    var before = Engine.model()
    var other = before.securityGroups[0]
    other.id = "other"
    other.egress = []
    for index in other.ingress.indices { other.ingress[index].id = "other-\(index)" }
    before.securityGroups.append(other)
    let engine = try Engine(before)
    func doubtful(_ change: (inout VPCModel) -> Void) throws -> Set<String>? {
      var model = before
      change(&model)
      let next = try TableCompiler.compile(
        model, CompileRequest(generation: 2, previous: engine.compiled))
      guard let bits = next.rulesInDoubt(since: engine.compiled) else { return nil }
      // A connection that no rule is known of is always one of them.
      #expect(bits[0] & 1 == 1)
      var names: Set<String> = []
      engine.compiled.forEachRule { number, name in
        if bits[Int(number) / 64] >> UInt64(number % 64) & 1 == 1 { names.insert(name) }
      }
      return names
    }
    #expect(try doubtful { _ in } == [])
    #expect(try doubtful { $0.securityGroups[1].ingress.removeLast() } == ["other-0", "other-1"])
    #expect(
      try doubtful { $0.securityGroups[0].ingress.removeLast() }
        == ["http", "dns", "tcp-out", "udp-out"])
    #expect(try doubtful { $0.networkInterfaces.removeLast() } == nil)
    #expect(try doubtful { $0.networkInterfaces[0].securityGroups.removeAll() } == nil)
  }
}
