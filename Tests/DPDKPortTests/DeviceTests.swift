import Testing

/// Ports with a poll mode driver.
@Suite(.serialized, .enabled(if: Places.canRun, Places.obstacle))
struct DeviceTests {
  @Test(arguments: [1, 2])
  func framesPassUnchanged(workers: Int) throws {
    let folder = Folder()
    try Frames.write(Frames.mixed, to: folder.file("in"))
    let device = "net_pcap0,rx_pcap=\(folder.file("in")),tx_pcap=\(folder.file("out"))"
    let probe = try Probe(["--uplink", device, "--forward", "0:0", "--workers", "\(workers)"])
    probe.wait(port: 0) { $0["tx"] == Frames.mixed.count }
    let end = probe.finish()
    let counters = try #require(end.counters[0])
    #expect(counters["rx"] == Frames.mixed.count)
    #expect(counters["rxbytes"] == Frames.mixed.reduce(0) { $0 + $1.count })
    #expect(counters["txbytes"] == counters["rxbytes"])
    #expect(counters["used"] == 0)
    #expect(end.lines.last == "closed")
    #expect(try Frames.read(folder.file("out")) == Frames.mixed)
  }

  @Test func jumboFramesTakeOneBuffer() throws {
    let folder = Folder()
    let frames = Frames.udp([8972, 100])
    try Frames.write(frames, to: folder.file("in"))
    let device = "net_pcap0,rx_pcap=\(folder.file("in")),tx_pcap=\(folder.file("out"))"
    let probe = try Probe(
      ["--uplink", device, "--forward", "0:0", "--mtu", "9000", "--describe", "2"]
        + ["--megabytes", "160"])
    probe.wait(port: 0) { $0["tx"] == 2 }
    _ = probe.finish()
    #expect(try Frames.read(folder.file("out")) == frames)
  }

  @Test func frameWithoutTargetIsCountedAsDown() throws {
    let folder = Folder()
    try Frames.write(Frames.udp([100, 200, 300]), to: folder.file("in"))
    let probe = try Probe(
      ["--uplink", "net_pcap0,rx_pcap=\(folder.file("in")),tx_pcap=\(folder.file("out"))"]
        + ["--guest", "socket=\(folder.file("socket"));server", "--forward", "0:1"])
    probe.wait(port: 1) { $0["down"] == 3 }
    let end = probe.finish()
    #expect(end.counters[1]?["down"] == 3)
    #expect(end.counters[0]?["used"] == 0)
    #expect(end.counters[0]?["offloads"] == 128)
    #expect(end.counters[1]?["offloads"] == 0)
  }

  /// Both queues of a ring device are polled, by one worker or by one each.
  @Test(arguments: [1, 2])
  func floodIsCountedToThePacket(workers: Int) throws {
    let probe = try Probe(
      ["--uplink", "net_null0,no-rx=1", "--guest", "ethdev=net_null1,size=100", "--forward", "1:0"]
        + ["--workers", "\(workers)"])
    probe.wait(port: 0) { $0["tx"] ?? 0 > 100_000 }
    let end = probe.finish()
    let sent = try #require(end.counters[0])
    let received = try #require(end.counters[1])
    #expect(received["rx"] == (sent["tx"] ?? 0) + (sent["full"] ?? 0))
    #expect(received["used"] == 0)
  }

  @Test(arguments: [
    ("net_nonsense0", "apt-get install librte-net-nonsense23", Int32(5)),
    ("0000:ff:1f.7", "dpdk-devbind.py", 5),
    ("net_pcap0,rx_pcap=/nowhere", "https://doc.dpdk.org", 5),
  ])
  func missingDeviceIsSaidWithRemedy(_ device: String, remedy: String, status: Int32) throws {
    let probe = try Running([Places.probe, "--uplink", device])
    let end = probe.finish()
    #expect(end.status == status)
    #expect(end.lines.contains { $0.hasPrefix("error machine") && $0.contains(remedy) })
  }

  @Test func missingHugePagesAreSaidWithCommand() throws {
    let probe = try Running([Places.probe, "--huge", "--megabytes", "1000000"])
    let end = probe.finish()
    #expect(end.status == 5)
    #expect(end.lines.contains { $0.contains("sysctl vm.nr_hugepages=") })
  }

  @Test func missingMemoryIsSaid() throws {
    let probe = try Running(
      [Places.probe, "--uplink", "net_null0", "--megabytes", "16", "--mtu", "9000"])
    let end = probe.finish()
    #expect(end.status == 5)
    #expect(end.lines.contains { $0.contains("raise memory.megabytes") })
  }

  @Test func tooManyQueuesAreRefused() throws {
    let probe = try Running([
      Places.probe, "--uplink", "net_pcap0,iface=lo", "--uplink-queues", "3",
    ])
    let end = probe.finish()
    #expect(end.status == 3)
    #expect(end.lines.contains { $0.contains("queues are asked for") })
  }
}
