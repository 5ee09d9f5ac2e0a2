import HostPlan
import Testing

@testable import DPDKPort

/// What a plan becomes, without DPDK.
@Suite struct PlanTests {
  @Test(arguments: [
    ("0000:00:05.0", "0000:00:05.0"), ("00:05.0", "0000:00:05.0"), ("AF:1d.7", "0000:af:1d.7"),
    ("0000:00:05.0,tx=1", "0000:00:05.0"),
  ])
  func addressIsCompleted(_ text: String, full: String) {
    #expect(PCIAddress(text)?.text == full)
  }

  @Test(arguments: ["net_null0", "net_tap0,iface=a:b.c", "0:0:0.0", "00:05", "00:05.0.1", ""])
  func otherNamesAreVirtual(_ text: String) {
    #expect(PCIAddress(text) == nil)
  }

  @Test(arguments: [
    ("net_af_xdp0,iface=eth1", "net_af_xdp", "librte-net-af-xdp23"),
    ("net_null12", "net_null", "librte-net-null23"),
    ("eth_af_packet0,iface=lo", "net_af_packet", "librte-net-af-packet23"),
  ])
  func driverHasPackage(_ device: String, name: String, package: String) {
    #expect(VirtualDriver(device).name == name)
    #expect(VirtualDriver(device).package == package)
  }

  @Test func startNamesDevicesOfPCIOnly() {
    var plan = HostPlan(
      runtime: .dpdk, uplink: UplinkPlan(device: .ethdev("00:05.0")),
      guests: [GuestPlan(networkInterface: "eni-a", device: .ethdev("net_null0"))])
    var line = EnvironmentLayer.arguments(
      plan, devices: plan.ethernetDevices.compactMap(PCIAddress.init))
    #expect(line.contains("-a") && line.contains("0000:00:05.0"))
    #expect(line.contains("--in-memory") && !line.contains("--no-pci"))
    plan.uplink = nil
    plan.memory.usesHugePages = false
    line = EnvironmentLayer.arguments(plan, devices: [])
    #expect(line.contains("--no-huge") && line.contains("--no-pci") && !line.contains("-a"))
  }

  @Test func featuresFollowPlan() {
    var plan = VhostUserPlan(socket: "/run/a", mtu: 1400)
    let packed: UInt64 = 1 << 34
    #expect(VhostSocket.hiddenFeatures(plan) == packed)
    plan.offersPackedRing = true
    #expect(VhostSocket.hiddenFeatures(plan) == 0)
    plan.mtu = nil
    #expect(VhostSocket.hiddenFeatures(plan) == 1 << 3)
    plan.offersOffload = false
    #expect(VhostSocket.hiddenFeatures(plan) == 0b1_1001_1000_1011)
  }

  @Test func frameOfMTUFitsInBuffer() {
    #expect(FrameSizes.dataRoom(mtu: 1500) == 2048)
    #expect(FrameSizes.dataRoom(mtu: 9000) == 9024)
    #expect(FrameSizes.dataRoom(mtu: 1 << 40) < 1 << 16)
    for mtu in [1500, 9000, 65_535] {
      let limits = FrameSizes.limits(dataRoom: FrameSizes.dataRoom(mtu: mtu))
      #expect(Int(limits.buffers) * FrameSizes.dataRoom(mtu: mtu) >= 65_535 + 18)
    }
  }
}

/// When a ring counts as wedged.
@Suite struct RingWatchTests {
  private static func pollsUntilDue(_ watch: inout RingWatch) -> Int {
    var polls = 1
    while !watch.isDue() { polls += 1 }
    return polls
  }

  @Test func standingRingRestsLongerEachTime() {
    var watch = RingWatch()
    let first = Self.pollsUntilDue(&watch)
    #expect(first == Int(RingWatch.patience))
    let isWedged = watch.found(pending: 3, at: 7, now: 0, millisecond: 1000)
    #expect(!isWedged, "it may just have come")
    let second = Self.pollsUntilDue(&watch)
    #expect(second == Int(RingWatch.patience))
    var now: UInt64 = 0
    var rests: [UInt64] = []
    for _ in 0..<10 {
      let isWedged = watch.found(pending: 3, at: 7, now: now, millisecond: 1000)
      #expect(isWedged)
      #expect(watch.wasLeftAlone)
      var rest: UInt64 = 0
      while watch.isResting(now: now + rest) { rest += 1 }
      rests.append(rest)
      now += rest
      #expect(!watch.wasLeftAlone)
      let third = Self.pollsUntilDue(&watch)
      #expect(third == 1, "after one poll it is looked at again")
    }
    #expect(rests.first == 125)
    #expect(rests.last == 10_000)
    #expect(rests == rests.sorted())
  }

  @Test func ringThatMovesIsNot() {
    var watch = RingWatch()
    for look in [(3, 7), (3, 8), (0, 8), (1, 8), (1, 9)] as [(UInt32, UInt32)] {
      let isWedged = watch.found(pending: look.0, at: look.1, now: 0, millisecond: 1000)
      #expect(!isWedged, "\(look)")
    }
    watch.moved()
    let isWedged = watch.found(pending: 1, at: 9, now: 0, millisecond: 1000)
    #expect(!isWedged, "it moved meanwhile")
    #expect(!watch.wasLeftAlone)
  }
}
