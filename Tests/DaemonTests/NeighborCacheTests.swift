import SlowPath
import Testing
import Wire

@testable import Daemon

/// Two hosts' caches talk to each other over a list of frames.
@Suite struct NeighborCacheTests {
  struct Pair: Sendable {
    var here: IPAddress
    var there: IPAddress
    var link: IPPrefix
    var gateway: IPAddress
    var far: IPAddress
  }

  static let pairs = [
    Pair(
      here: IPAddress(v4: 0xC000_0201), there: IPAddress(v4: 0xC000_0202),
      link: IPPrefix(IPAddress(v4: 0xC000_0200), length: 24),
      gateway: IPAddress(v4: 0xC000_02FE), far: IPAddress(v4: 0xC633_6401)),
    Pair(
      here: IPAddress(v6: 0x2001_0DB8 << 32, 1), there: IPAddress(v6: 0x2001_0DB8 << 32, 2),
      link: IPPrefix(IPAddress(v6: 0x2001_0DB8 << 32, 0), length: 64),
      gateway: IPAddress(v6: 0xFE80 << 48, 0xFE), far: IPAddress(v6: 0x2001_0DB8 << 32 | 1, 9)),
  ]

  static let here = MACAddress(0x02_00_00_00_00_01)
  static let there = MACAddress(0x02_00_00_00_00_02)
  static let gatewayMAC = MACAddress(0x02_00_00_00_00_FE)
  private let second = NeighborEntry.second

  private func cache(
    _ pair: Pair, gateway: Bool = true, link: Bool = true, endpoints: [IPAddress]? = nil
  ) -> NeighborCache {
    let gateway = gateway ? pair.gateway : nil
    return NeighborCache(
      address: pair.here, mac: Self.here,
      hops: UnderlayRoutes(
        endpoints: endpoints ?? [pair.there, pair.far], link: link ? pair.link : nil,
        gateway: gateway),
      gateway: gateway, gatewayMAC: Self.gatewayMAC)
  }

  private func poll(_ cache: inout NeighborCache, now: UInt64) -> [[UInt8]] {
    var frames: [[UInt8]] = []
    cache.poll(now: now) { frames.append($0) }
    return frames
  }

  private func receive(
    _ cache: inout NeighborCache, _ frame: [UInt8], now: UInt64 = 0
  ) -> [UInt8]? {
    frame.withUnsafeBytes { cache.receive($0, now: now) }
  }

  @Test(arguments: pairs)
  func withoutALinkEverythingGoesToTheGatewaysMAC(_ pair: Pair) {
    var cache = cache(pair, gateway: false, link: false)
    let word = NeighborWord.resolved(Self.gatewayMAC)
    #expect(cache.words == [word, word])
    #expect(poll(&cache, now: 0).isEmpty)
  }

  @Test(arguments: pairs)
  func neighborAnswersAndIsUsed(_ pair: Pair) throws {
    var cache = cache(pair)
    #expect(cache.words == [NeighborWord.unresolved, NeighborWord.resolved(Self.gatewayMAC)])
    let requests = poll(&cache, now: 0)
    #expect(requests.count == 2)
    var peer = NeighborCache(
      address: pair.there, mac: Self.there,
      hops: UnderlayRoutes(endpoints: [pair.here], link: pair.link, gateway: nil), gateway: nil,
      gatewayMAC: Self.gatewayMAC)
    let answer = try #require(receive(&peer, requests[0]))
    #expect(receive(&peer, requests[1]) == nil)
    // The peer has learnt us from the question, and asks us alone.
    #expect(peer.words == [NeighborWord.resolved(Self.here)])
    #expect(receive(&cache, answer) == nil)
    #expect(cache.words[0] == NeighborWord.resolved(Self.there))
    let question = try #require(poll(&peer, now: 0).first)
    #expect(question.starts(with: [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]))
    let confirmation = try #require(receive(&cache, question))
    _ = receive(&peer, confirmation)
    #expect(peer.entry(pair.here)?.state == .reachable)
  }

  @Test(arguments: pairs)
  func gatewayThatAnswersTakesThePlaceOfTheModelsMAC(_ pair: Pair) throws {
    var cache = cache(pair)
    _ = poll(&cache, now: 0)
    let router = NeighborMessages(address: pair.gateway, mac: Self.there)
    _ = receive(&cache, router.answer(to: pair.here, at: Self.here))
    #expect(cache.words[1] == NeighborWord.resolved(Self.there))
  }

  @Test(arguments: pairs)
  func strangersAreAnsweredAndNotRemembered(_ pair: Pair) throws {
    var cache = cache(pair, endpoints: [])
    let stranger = NeighborMessages(address: pair.there, mac: Self.there)
    #expect(receive(&cache, stranger.request(pair.here, to: nil)) != nil)
    #expect(receive(&cache, stranger.request(pair.far, to: nil)) == nil)
    #expect(cache.entry(pair.there) == nil)
  }

  @Test(arguments: pairs)
  func messagesWithAFaultAreNotTaken(_ pair: Pair) throws {
    let messages = NeighborMessages(address: pair.there, mac: Self.there)
    let good = messages.request(pair.here, to: nil)
    let isV4 = pair.here.family == .v4
    let length = isV4 ? 42 : good.count
    var cache = cache(pair)
    for cut in 0..<length { #expect(receive(&cache, Array(good[..<cut])) == nil) }
    // Every bit counts but those of ARP's target hardware address, which a question leaves empty.
    for bit in 96..<length * 8 where !(isV4 && (32 * 8..<38 * 8).contains(bit)) {
      var bad = good
      bad[bit / 8] ^= 0x80 >> (bit % 8)
      let isSource = isV4 && (28 * 8..<32 * 8).contains(bit)
      let isFlow = !isV4 && (14 * 8 + 4..<18 * 8).contains(bit)
      // Another sender is as good, and traffic class and flow label mean nothing here.
      if isSource || isFlow { continue }
      #expect(receive(&cache, bad) == nil, "bit \(bit)")
    }
  }

  @Test func requestsOfOnePollAreBounded() {
    let pair = Self.pairs[0]
    let endpoints = (0..<100).map { IPAddress(v4: 0xC000_0264 + UInt32($0)) }
    var cache = cache(pair, endpoints: endpoints)
    var asked: Set<[UInt8]> = []
    for _ in 0..<4 {
      let frames = poll(&cache, now: 0)
      #expect(frames.count <= NeighborCache.burst)
      asked.formUnion(frames)
    }
    #expect(asked.count == 100)
    #expect(poll(&cache, now: 0).isEmpty)
  }

  @Test func whoHasNoAddressYetIsAnswered() throws {
    var cache = cache(Self.pairs[0])
    let probe = NeighborMessages(address: IPAddress(v4: 0), mac: Self.there)
    let answer = try #require(receive(&cache, probe.request(Self.pairs[0].here, to: nil)))
    #expect(answer.starts(with: [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]))
    #expect(cache.words[0] == NeighborWord.unresolved)
  }
}
