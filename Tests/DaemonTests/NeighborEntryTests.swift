import Testing
import Wire

@testable import Daemon

/// One next hop, by a clock that the test turns.
@Suite struct NeighborEntryTests {
  private let mac = MACAddress(0x02_00_00_00_00_01)
  private let other = MACAddress(0x02_00_00_00_00_02)
  private let second = NeighborEntry.second

  /// Seconds at which requests go out, and to whom.
  private func requests(
    _ entry: inout NeighborEntry, from start: UInt64, to end: UInt64
  ) -> [UInt64: NeighborEntry.Request] {
    var requests: [UInt64: NeighborEntry.Request] = [:]
    for time in start...end {
      if let request = entry.next(now: time * second) { requests[time] = request }
    }
    return requests
  }

  @Test func asksQuicklyThenPatiently() {
    var entry = NeighborEntry()
    let sent = requests(&entry, from: 0, to: 20)
    #expect(sent.keys.sorted() == [0, 1, 2, 7, 12, 17])
    #expect(sent.values.allSatisfy { $0 == .everybody })
    #expect(entry.mac == nil)
  }

  @Test func isReachableForThirtySecondsThenAskedAlone() {
    var entry = NeighborEntry()
    _ = entry.next(now: 0)
    entry.confirm(mac, overrides: true, now: second)
    #expect(entry.state == .reachable)
    #expect(requests(&entry, from: 1, to: 30).isEmpty)
    #expect(entry.next(now: 31 * second) == .only(mac))
    #expect(entry.mac == mac)
    entry.confirm(mac, overrides: false, now: 32 * second)
    #expect(entry.state == .reachable)
    #expect(entry.next(now: 61 * second) == nil)
    #expect(entry.next(now: 62 * second) == .only(mac))
  }

  @Test func isForgottenWhenItFallsSilent() {
    var entry = NeighborEntry()
    _ = entry.next(now: 0)
    entry.confirm(mac, overrides: true, now: 0)
    let sent = requests(&entry, from: 1, to: 35)
    #expect(
      sent == [
        30: .only(mac), 31: .only(mac), 32: .only(mac), 33: .everybody, 34: .everybody,
        35: .everybody,
      ])
    #expect(entry.mac == nil)
  }

  @Test func answersThatNobodyAskedForAreNotTaken() {
    var entry = NeighborEntry()
    entry.confirm(mac, overrides: true, now: 0)
    #expect(entry.mac == nil)
    _ = entry.next(now: 0)
    entry.confirm(mac, overrides: true, now: 0)
    entry.confirm(other, overrides: true, now: second)
    #expect(entry.mac == mac)
  }

  @Test func anotherAddressNeedsTheOverrideFlag() {
    var entry = NeighborEntry()
    _ = entry.next(now: 0)
    entry.confirm(mac, overrides: true, now: 0)
    _ = entry.next(now: 30 * second)
    entry.confirm(other, overrides: false, now: 30 * second)
    #expect(entry.mac == mac)
    #expect(entry.state == .probing)
    entry.confirm(other, overrides: true, now: 30 * second)
    #expect(entry.mac == other)
  }

  @Test func whoAsksUsIsUsedAndConfirmed() {
    var entry = NeighborEntry()
    entry.hear(mac, now: 5 * second)
    #expect(entry.mac == mac)
    #expect(entry.state == .probing)
    #expect(entry.next(now: 5 * second) == .only(mac))
    entry.confirm(mac, overrides: true, now: 6 * second)
    entry.hear(mac, now: 7 * second)
    #expect(entry.state == .reachable)
  }

  @Test(arguments: [MACAddress(0), .broadcast, MACAddress(0x01_00_5E_00_00_01)])
  func addressesOfNoStationAreNotTaken(_ address: MACAddress) {
    var entry = NeighborEntry()
    entry.hear(address, now: 0)
    _ = entry.next(now: 0)
    entry.confirm(address, overrides: true, now: 0)
    #expect(entry.mac == nil)
  }
}
