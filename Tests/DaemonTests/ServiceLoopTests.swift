import Datapath
import TableCompiler
import Tables
import Testing
import VPCModel
import Wire

@testable import Daemon
@testable import Live

/// The service thread's rounds, with the rings of real workers that the test plays.
@Suite struct ServiceLoopTests {
  private let compiled: CompiledTables
  private let shared: WorkerShared
  private let second = NeighborEntry.second

  init() throws {
    compiled = try TableCompiler.compile(Fixture.model())
    shared = WorkerShared(workers: 2, portCount: 3, nicCapacity: 2)
    let tables = LiveTables(rules: compiled.tables, portCount: 3, uplinkMAC: MACAddress(1))
    let isPublished = shared.publish(tables)
    #expect(isPublished)
  }

  private func loop(_ neighbors: UnderlayNeighbors = .none) throws -> ServiceLoop {
    ServiceLoop(
      shared: shared,
      current: Publication(compiled, guests: [], portCount: 3, uplinkMAC: MACAddress(1)),
      neighbors: neighbors, queue: PublicationQueue(shared))
  }

  private func punt(_ punt: Punt, _ frame: [UInt8], worker: Int) throws {
    let channel = shared.slowPath(worker: worker)
    let share = channel.shareIndex(punt.nic)
    let place = try #require(channel.reserve(share: share))
    place.copyMemory(from: frame, byteCount: frame.count)
    var punt = punt
    punt.length = UInt32(frame.count)
    channel.commit(punt, share: share, frame: place)
  }

  private func answers(worker: Int) -> [(kind: AnswerKind, frame: [UInt8])] {
    let channel = shared.slowPath(worker: worker)
    var found: [(kind: AnswerKind, frame: [UInt8])] = []
    while let next = channel.nextAnswer() {
      let bytes = UnsafeRawBufferPointer(start: next.frame, count: Int(next.answer.length))
      found.append((next.answer.kind, [UInt8](bytes)))
      channel.releaseAnswer()
    }
    return found
  }

  private func nextHop() -> MACAddress? { shared.tables.load()?.pointee.nextHops[0] }

  @Test func answersGoBackToTheWorkerThatAsked() throws {
    defer { shared.deallocate() }
    var loop = try loop()
    var message = Punt(.service)
    message.service = .arp
    message.nic = 0
    try punt(message, Fixture.question(for: IPAddress(v4: 0x0A00_0001)), worker: 1)
    #expect(loop.isWorkWaiting)
    #expect(loop.round(now: 0) == 1)
    #expect(answers(worker: 0).isEmpty)
    #expect(answers(worker: 1).map(\.kind) == [.reply])
    #expect(loop.round(now: 1) == 0)
    #expect(!loop.isWorkWaiting)
  }

  @Test func puntsWaitWhileTheirWorkerIsBehind() throws {
    defer { shared.deallocate() }
    var loop = try loop()
    var message = Punt(.fragment)
    message.nic = 0
    message.mtu = 526
    let large = Fixture.datagram(payload: 9000)
    var taken = 0
    for _ in 0..<48 {
      try punt(message, large, worker: 0)
      taken += loop.round(now: 0)
    }
    let given = answers(worker: 0)
    #expect(taken < 48 && taken > 10)
    #expect(given.count % taken == 0)
    // Nothing is lost: what waited is done as soon as there is room.
    for _ in 0..<10 {
      taken += loop.round(now: 0)
      _ = answers(worker: 0)
    }
    #expect(taken == 48)
  }

  @Test func oneGuestsShareIsNotTheOthers() throws {
    defer { shared.deallocate() }
    var message = Punt(.service)
    message.service = .arp
    let frame = Fixture.question(for: IPAddress(v4: 0x0A00_0001))
    message.nic = 0
    let channel = shared.slowPath(worker: 0)
    var sent = 0
    while channel.reserve(share: channel.shareIndex(0)) != nil {
      try punt(message, frame, worker: 0)
      sent += 1
    }
    #expect(sent == SlowPathSizes().share)
    message.nic = 1
    try punt(message, frame, worker: 0)
    var loop = try loop()
    while loop.round(now: 0) > 0 {}
    #expect(answers(worker: 0).count == sent + 1)
    #expect(channel.reserve(share: channel.shareIndex(0)) != nil)
  }

  @Test func ownNeighborsAreAskedForAndShown() throws {
    defer { shared.deallocate() }
    let here = IPAddress(v4: 0xC000_0201)
    let there = IPAddress(v4: 0xC000_0202)
    let routes = UnderlayRoutes(
      endpoints: [there], link: IPPrefix(here, length: 24), gateway: nil)
    let cache = NeighborCache(
      address: here, mac: MACAddress(0x0200_0000_0001), hops: routes, gateway: nil,
      gatewayMAC: MACAddress(0x0200_0000_00FE))
    var loop = try loop(.own(cache))
    _ = loop.round(now: second)
    let requests = answers(worker: 0)
    #expect(requests.map(\.kind) == [.underlay])
    #expect(nextHop() == nil)
    let peer = NeighborMessages(address: there, mac: MACAddress(0x0200_0000_0002))
    try punt(
      Punt(.underlayNeighbor), peer.answer(to: here, at: MACAddress(0x0200_0000_0001)), worker: 1)
    _ = loop.round(now: second)
    #expect(nextHop() == MACAddress(0x0200_0000_0002))
    try punt(Punt(.underlayNeighbor), peer.request(here, to: nil), worker: 1)
    _ = loop.round(now: second)
    #expect(answers(worker: 1).map(\.kind) == [.underlay])
    // Nobody answers any more: after 30 s and three requests it is gone.
    for time in 1...34 as ClosedRange<UInt64> { _ = loop.round(now: (1 + time) * second) }
    #expect(nextHop() == nil)
  }

  @Test func kernelsTableIsFollowed() throws {
    defer { shared.deallocate() }
    final class Table: @unchecked Sendable {
      var mac: MACAddress?
      var asked = 0
    }
    let table = Table()
    let hops = KernelNextHops(
      endpoints: [IPAddress(v4: 0xC000_0202)],
      resolve: { _ in
        table.asked += 1
        return table.mac
      })
    var loop = try loop(.kernel(hops))
    _ = loop.round(now: 0)
    #expect(nextHop() == nil)
    #expect(table.asked == 1)
    // A worker misses it, and some milliseconds later the kernel knows.
    var miss = Punt(.unresolvedNextHop)
    miss.endpoint = 0
    try punt(miss, [], worker: 0)
    _ = loop.round(now: 1_000_000)
    #expect(table.asked == 2)
    table.mac = MACAddress(0x0200_0000_0002)
    _ = loop.round(now: 7_000_000)
    #expect(nextHop() == table.mac)
    table.mac = MACAddress(0x0200_0000_0003)
    _ = loop.round(now: second)
    #expect(nextHop() == table.mac)
    table.mac = nil
    _ = loop.round(now: 2 * second)
    #expect(nextHop() == nil)
  }
}
