import Replay
import Testing
import VPCModel

@testable import Bench

/// `apus bench --rules --capture`: the same judgement as a replay's, every time.
@Suite struct TrafficBenchmarkTests {
  /// Captures of `pcaps`, each with its model beside it.
  static let captures = [
    "web.pcap", "web6.pcap", "iperf.pcap", "fragments.pcap", "geneve.pcap", "services.pcap",
    "pmtu.pcap", "peering.pcapng",
  ]

  static let folder =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/pcaps/"

  static func model(_ capture: String) throws -> VPCModel {
    let name = capture.split(separator: ".")[0]
    return try ModelLoader.load(paths: [folder + name + ".yaml"])
  }

  static func benchmark(_ capture: String, omitted: Int = 0) throws -> (CaptureTape, TrafficReport)
  {
    let model = try model(capture)
    let tape = try CaptureTape(
      model: model, options: ReplayOptions(captures: [folder + capture]))
    var benchmark = try TrafficBenchmark(tape, model: model)
    (benchmark.packetsPerRun, benchmark.runs, benchmark.omitted) = (1_000, 2, omitted)
    return (tape, try benchmark.run())
  }

  static func parameter(_ name: String, _ report: TrafficReport) -> Int? {
    report.results[0].parameters.first { $0.0 == name }.flatMap { Int($0.1) }
  }

  @Test(arguments: captures)
  func countsAreThoseOfReplay(_ capture: String) throws {
    let (tape, report) = try Self.benchmark(capture)
    let replayed = try Replay.run(
      model: Self.model(capture), options: ReplayOptions(captures: [Self.folder + capture])
    ).summary
    #expect(tape.ignored == replayed.ignored)
    #expect(UInt64(tape.frames.count) == replayed.packets - replayed.ignored)
    #expect(Self.parameter("forwarded", report) == Int(replayed.forwarded))
    // What a service drops or answers is left to it here.
    let punted = try #require(Self.parameter("punted", report))
    let dropped = try #require(Self.parameter("dropped", report))
    #expect(dropped + punted == Int(replayed.dropped + replayed.replied + replayed.consumed))
    #expect(punted >= Int(replayed.replied + replayed.consumed))
  }

  @Test func sameWorkEveryTime() throws {
    let first = try Self.benchmark("web.pcap").1.results
    let second = try Self.benchmark("web.pcap").1.results
    #expect(first.map(\.name) == second.map(\.name))
    #expect(first[0].parameters.map(\.1) == second[0].parameters.map(\.1))
    #expect(first.map(\.unit) == ["cycles/packet", "Mpps", "Gb/s", "us", "us", "us", "us", "us"])
    for result in first { #expect(result.value > 0 && result.min <= result.max) }
    // Percentiles only rise.
    #expect(first[3...].map(\.value) == first[3...].map(\.value).sorted())
  }

  @Test func noticesPacketsLeftOut() {
    #expect { try Self.benchmark("web.pcap", omitted: 1) } throws: { error in
      if case BenchmarkFailure.unproven = error { true } else { false }
    }
  }

  @Test func tapeEndsAtItsLimit() throws {
    let options = ReplayOptions(captures: [Self.folder + "web.pcap"])
    let tape = try CaptureTape(model: Self.model("web.pcap"), options: options, limit: 4_096)
    #expect(tape.isCut)
    #expect(tape.frames.count > 1 && tape.frames.count < 115)
  }

  @Test func unknownInterfaceIsRefused() throws {
    var options = ReplayOptions(captures: [Self.folder + "web.pcap"])
    options.eni = "eni-none"
    let model = try Self.model("web.pcap")
    #expect { _ = try CaptureTape(model: model, options: options) } throws: { error in
      if case ReplayError.usage(let what, _) = error { what == "--eni eni-none" } else { false }
    }
  }

  /// Half of the packets within the cycles of the short burst, all within those of the long one.
  @Test func percentilesCountPackets() {
    var times = BurstTimes(bursts: 3)
    times.add(cycles: 500, packets: 1)
    times.add(cycles: 100, packets: 32)
    times.add(cycles: 300, packets: 31)
    #expect(times.percentiles([0, 0.5, 0.51, 0.98, 0.99, 1]) == [100, 100, 300, 300, 500, 500])
    #expect(times.totalCycles == 900 && times.totalPackets == 64)
  }
}
