import Testing

@testable import Bench

/// `apus bench stages`: whose a sample is, and that all of them are counted once.
@Suite struct StagesTests {
  static func frame(_ function: String, _ place: String) -> SourceFrame {
    SourceFrame(function: function, place: place)
  }

  static let process = frame(
    "$s8Datapath6WorkerV7processyy", "/a/Sources/Datapath/Worker.swift:140")
  static let limit = frame(
    "$s8Datapath6WorkerV9limitStepyy", "/a/Sources/Datapath/LimitStage.swift:7")
  static let bucket = frame("$s6Tables11TokenBucketV4take", "/<compiler-generated>:0")
  static let insert = frame(
    "$s6Tables9FlowTableV6insert_4hash", "/a/Sources/Tables/FlowTable.swift:12")

  @Test func sampleBelongsToInnermostStage() {
    let frames: [UInt64: [SourceFrame]] = [
      1: [Self.bucket, Self.limit, Self.process], 2: [Self.limit, Self.process],
      3: [Self.process], 4: [Self.insert],
      5: [Self.frame("main", "/a/Sources/Bench/PipelineBenchmark.swift:9")],
    ]
    let profile = StageProfile([1, 1, 2, 3, 4, 4, 5, 0, 77], frames)
    #expect(profile.samples == 6)
    #expect(
      profile.stages == [
        .init(name: "LimitStage", samples: 3, within: ["TokenBucket.take"]),
        .init(name: "Tables: FlowTable", samples: 2, within: ["FlowTable.insert"]),
        .init(name: "Worker", samples: 1, within: []),
      ])
  }

  @Test func namesOfMangledFunctions() {
    #expect(Self.insert.names == ["Tables", "FlowTable", "insert"])
    #expect(Self.frame("$s4Wire7HeadersV0A0x", "").names == ["Wire", "Headers"])
    #expect(Self.frame("$s4Wire99Headers", "").names == [])
    #expect(Self.frame("memmove", "").names == [])
    #expect(Self.frame("$s", "").names == [])
  }

  /// Each traffic, and that the shares of all stages are all of it.
  @Test(
    .enabled(if: Symbolizer.isThere, "addr2line is not installed (binutils)"),
    arguments: StagesBenchmark.Traffic.allCases)
  func stagesAddUp(_ traffic: StagesBenchmark.Traffic) throws {
    var benchmark = StagesBenchmark(traffic)
    (benchmark.flows, benchmark.packetsPerRun, benchmark.runs) = (100, 40_000, 2)
    let results = try benchmark.run()
    let whole = try #require(results.first)
    #expect(whole.value > 0)
    let samples = results.map { Int($0.parameters[2].1) ?? -1 }
    #expect(samples.dropFirst().reduce(0, +) == samples[0])
    let sum = results.dropFirst().map(\.value).reduce(0, +)
    #expect(samples[0] == 0 || abs(sum - whole.value) < whole.value / 1_000)
    #expect(StagesBenchmark.text(of: results).hasPrefix("\(traffic.rawValue): "))
  }
}
