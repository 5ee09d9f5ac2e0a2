import ControlProtocol
import Testing

@testable import apusctl

/// `apus top`: rates from counters, and how they are shown.
@Suite struct TopTests {
  private func reading(
    seconds: Int64, packets: UInt64 = 0, drops: UInt64 = 0, exceeded: UInt64 = 0, rounds: UInt64 = 0
  ) -> Apus_V1_CountersResponse {
    .with { response in
      response.uptime.seconds = seconds
      response.uptime.nanos = 500_000_000
      response.generation = 7
      response.interfaces = [
        .with {
          $0.networkInterface = "eni-quiet"
          $0.connections = 9
        },
        .with {
          $0.networkInterface = "eni-web"
          $0.connections = 3
          $0.values = [
            "packets_in": packets, "packets_out": 2 * packets, "bytes_in": 100 * packets,
            "bytes_out": 0, "pps_allowance_exceeded": exceeded,
          ]
          $0.dropsByReason = ["sg.egress": drops]
        },
      ]
      response.ports = [.with { $0.dropsByReason = ["tunnel.vni": 4, "sg.egress": 1] }]
      response.workers = [.with { $0.values = ["rounds": rounds, "busyRounds": rounds / 4] }]
    }
  }

  @Test func ratesAreIncreasesPerSecond() throws {
    let last = reading(seconds: 10, packets: 100, drops: 5, exceeded: 1, rounds: 1_000)
    let now = reading(seconds: 12, packets: 2_100, drops: 25, exceeded: 7, rounds: 3_000)
    let sample = TopSample(now, since: last, order: .packets)
    #expect(sample.span == 2)
    #expect(sample.interfaces.map(\.id) == ["eni-web", "eni-quiet"])
    let web = try #require(sample.interfaces.first)
    #expect(web.packetsIn == 1_000 && web.packetsOut == 2_000 && web.bitsIn == 800_000)
    #expect(web.drops == 10 && web.exceeded == ["pps_allowance_exceeded": 3])
    #expect(sample.drops.map(\.reason) == ["sg.egress", "tunnel.vni"])
    #expect(sample.drops.map(\.rate) == [10, 0] && sample.drops.map(\.total) == [26, 4])
    #expect(sample.busy == [0.25])
    let byConnections = TopSample(now, since: last, order: .connections)
    #expect(byConnections.interfaces.map(\.id) == ["eni-quiet", "eni-web"])
  }

  @Test func firstReadingHasNoRates() {
    let sample = TopSample(reading(seconds: 10, packets: 100, drops: 5), since: nil, order: .bits)
    #expect(sample.span == 0)
    #expect(sample.interfaces.allSatisfy { $0.packetsIn == 0 && $0.drops == 0 })
    #expect(sample.drops.map(\.rate) == [0, 0])
  }

  /// A counter that went back is another's, from zero; an uptime that did is another data plane.
  @Test func whatBeganAnewCountsFromZero() {
    let last = reading(seconds: 10, packets: 5_000)
    let sample = TopSample(reading(seconds: 11, packets: 40), since: last, order: .packets)
    #expect(sample.interfaces.first?.packetsIn == 40)
    let restarted = TopSample(reading(seconds: 1, packets: 40), since: last, order: .packets)
    #expect(restarted.span == 0 && restarted.interfaces.allSatisfy { $0.packetsIn == 0 })
  }

  @Test func linesFitTheScreen() {
    var now = reading(seconds: 12, packets: 3_000_000, drops: 25)
    for number in 0..<100 {
      now.interfaces.append(.with { $0.networkInterface = "eni-\(number)" })
    }
    let sample = TopSample(now, since: reading(seconds: 10), order: .packets)
    let screen = TopScreen(size: (60, 20), order: .packets)
    let lines = screen.lines(sample)
    #expect(lines.count <= 20 && lines.allSatisfy { $0.count <= 60 })
    #expect(lines.contains { $0.hasPrefix("eni-web") && $0.contains("1.5M") })
    #expect(lines.contains { $0.hasSuffix("more, with fewer packets") })
    #expect(lines.contains { $0.hasPrefix("sg.egress") })
    let whole = TopScreen(size: nil, order: .packets).lines(sample)
    #expect(whole.filter { $0.hasPrefix("eni-") }.count == 102)
    // A terminal of no use still gets no more than it has.
    let tiny = TopScreen(size: (1, 1), order: .packets).lines(sample)
    #expect(tiny == ["a"])
  }

  @Test(arguments: [
    (0.0, "0"), (0.4, "<1"), (12.4, "12"), (999.4, "999"), (999.6, "1.0k"), (9_949, "9.9k"),
    (9_950, "10k"), (120_000_000, "120M"), (999_600_000, "1.0G"), (4e18, "4000P"),
  ])
  func numbersAreShort(value: Double, text: String) {
    #expect(TopScreen.short(value) == text)
  }

  @Test func printsReadings() async throws {
    try await TestServer.with(plane: ToolTests.plane()) { test in
      let run = try await ToolTests.apus(
        ["top", "--json", "--interval", "0.2", "--count", "2"], at: test)
      #expect(run.status == 0, "\(run.errors)")
      let lines = run.output.split(separator: "\n")
      #expect(lines.count == 2)
      #expect(lines.allSatisfy { $0.hasPrefix(#"{"generation":"#) && $0.contains("eni-web") })
      let plain = try await ToolTests.apus(["top", "--interval", "0.2"], at: test)
      #expect(plain.status == 0 && plain.output.contains("sg.egress"), "\(plain.errors)")
      let wrong = try await ToolTests.apus(["top", "--interval", "0"], at: test)
      #expect(wrong.status == 2 && wrong.errors.contains("0.2"))
    }
  }

  /// On a terminal it takes keys, and gives the screen back.
  @Test func takesKeysOnTerminal() async throws {
    try await TestServer.with(plane: ToolTests.plane()) { test in
      let script = """
        import os, pty, select, sys, time
        child, terminal = pty.fork()
        if child == 0:
            os.execv(sys.argv[1], sys.argv[1:])
        text, keys, end = b"", [b"d", b"q"], time.monotonic() + 30
        while time.monotonic() < end:
            ready, _, _ = select.select([terminal], [], [], 0.5)
            if ready:
                try:
                    part = os.read(terminal, 65536)
                except OSError:
                    break
                if not part:
                    break
                text += part
            if b"eni-web" in text and keys:
                os.write(terminal, keys.pop(0))
        else:
            os.kill(child, 9)
        status = os.waitpid(child, 0)[1]
        print(status, text.startswith(b"\\x1b[?1049h"), text.endswith(b"\\x1b[?1049l"))
        """
      let run = try await ToolRun.of(
        "/usr/bin/python3",
        ["-c", script, ToolRun.products + "/apus", "top", "--address", "unix:\(test.socket)"])
      #expect(run.output == "0 True True\n", "\(run.output)\(run.errors)")
    }
  }
}
