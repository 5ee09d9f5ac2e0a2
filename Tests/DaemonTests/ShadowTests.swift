import Controller
import Foundation
import Testing
import VPCModel
import Wire

@testable import Daemon

/// A candidate beside the rules of a running host: its threads, without devices.
extension LiveDataPlaneTests {
  private static func closed() -> VPCModel {
    var model = model()
    model.securityGroups[0].egress = [rule("other", port: 8)]
    return model
  }

  private static func plan(
    _ candidate: VPCModel, seconds: Int = 20, oneIn: Int = 1,
    filter change: (inout PacketFilter) -> Void = { _ in }
  ) -> ShadowPlan {
    var filter = PacketFilter()
    change(&filter)
    return ShadowPlan(candidate, filter: filter, oneIn: oneIn, seconds: seconds)
  }

  /// The place of one that has just ended is free as soon as the workers have let go.
  private static func eventually(
    _ host: Running, _ plan: ShadowPlan
  ) async throws -> any ShadowSession {
    for _ in 0..<2_000 {
      do throws(ObservationError) { return try await host.plane.shadow(plan) } catch {
        #expect(error == .busy(limit: 1))
      }
      try await Task.sleep(for: .milliseconds(1))
    }
    return try await host.plane.shadow(plan)
  }

  @Test(arguments: [1, 2])
  func aShadowTellsWhatDiffers(workers: Int) async throws {
    try await Running.with(workers: workers) { host in
      let shadow = try await host.plane.shadow(Self.plan(Self.closed()))
      let first = try #require(await shadow.next())
      #expect(first.counts == ShadowCounts() && first.end == nil)
      try await host.send(5)
      let report = try #require(await shadow.next())
      #expect(report.counts.different == 5 && report.counts.same == 0 && report.end == nil)
      try await host.send(1)
      let last = await shadow.stop()
      #expect(last.counts.different == 6 && last.overrun == 0 && last.unaffordable == 0)
      let difference = try #require(last.differences.first)
      #expect(difference.live.rule == "out" && difference.live.output == "eni-b")
      #expect(difference.candidate.reason == "sg.egress" && difference.packets == 6)
      #expect(difference.examples.count == 3 && difference.bytes == 6 * 46)
      #expect(difference.examples.first?.destination == "10.0.0.11")
      #expect(await shadow.next() == nil)
      // The live rules decide as always.
      #expect(await host.plane.counters().interfaces.first?.dropsByReason["sg.egress"] ?? 0 == 0)
    }
  }

  @Test func theSameRulesDifferInNothing() async throws {
    try await Running.with { host in
      let asked = Self.plan(Self.model(), seconds: 1) { $0.networkInterface = "eni-b" }
      let shadow = try await host.plane.shadow(asked)
      _ = await shadow.next()
      try await host.send(9)
      var last: ShadowReport?
      while let report = await shadow.next() { last = report }
      #expect(last?.end == .duration && last?.counts.same == 9 && last?.counts.areSame == true)
    }
  }

  /// A connection that began before may be allowed by rules that are gone, so it is left out.
  @Test func anOlderConnectionIsToldApart() async throws {
    try await Running.with { host in
      try await host.send(2)
      let shadow = try await host.plane.shadow(Self.plan(Self.closed()))
      _ = await shadow.next()
      try await host.send(3)
      let last = await shadow.stop()
      #expect(last.counts.older == 3 && last.counts.different == 0 && !last.counts.areSame)
    }
  }

  @Test func aSampleMayHaveNone() async throws {
    try await Running.with { host in
      // The guest has one connection, which is one in 65,536 hardly ever.
      let shadow = try await host.plane.shadow(Self.plan(Self.closed(), oneIn: 65_536))
      _ = await shadow.next()
      try await host.send(3)
      #expect(await shadow.stop().counts == ShadowCounts())
    }
  }

  @Test func aShadowEndsWithItsRulesAndItsHost() async throws {
    try await Running.with { host in
      let shadow = try await host.plane.shadow(Self.plan(Self.closed()))
      _ = await shadow.next()
      _ = try await host.publish(Self.closed(), 2)
      #expect(await shadow.next()?.end == .rules)
      #expect(await shadow.next() == nil)
      let other = try await Self.eventually(host, Self.plan(Self.model()))
      _ = await other.next()
      await host.plane.endObservations()
      #expect(await other.next()?.end == .daemon)
      await #expect(throws: ObservationError.ending) {
        _ = try await host.plane.shadow(Self.plan(Self.model()))
      }
    }
  }

  @Test func aShadowTakesTheOnePlace() async throws {
    try await Running.with { host in
      var shadow: (any ShadowSession)? = try await host.plane.shadow(Self.plan(Self.closed()))
      await #expect(throws: ObservationError.busy(limit: 1)) {
        _ = try await host.plane.shadow(Self.plan(Self.closed()))
      }
      let trace = TraceRequest(PacketFilter(), ObservationLimits(packets: 1, seconds: 1))
      await #expect(throws: ObservationError.busy(limit: 1)) {
        _ = try await host.plane.trace(trace)
      }
      #expect(shadow != nil)
      // Dropped without having been read.
      shadow = nil
      _ = try await Self.eventually(host, Self.plan(Self.closed()))
      await #expect(throws: ObservationError.unknownInterface("eni-x")) {
        _ = try await host.plane.shadow(
          Self.plan(Self.closed()) { $0.networkInterface = "eni-x" })
      }
    }
  }

  /// Engines, tables and rings of shadows that are over are given back.
  @Test func shadowsLeaveNothing() async throws {
    try await Running.with { host in
      func run() async throws {
        let shadow = try await Self.eventually(host, Self.plan(Self.closed()))
        _ = await shadow.next()
        try await host.send(3)
        _ = await shadow.stop()
      }
      for _ in 0..<3 { try await run() }
      let before = try Self.virtualKilobytes()
      for _ in 0..<10 { try await run() }
      // An engine alone reserves more.
      #expect(try Self.virtualKilobytes() < before + 16 << 10)
    }
  }

  private static func virtualKilobytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmSize:") } ?? ""
    return Int(line.filter(\.isNumber)) ?? 0
  }
}
