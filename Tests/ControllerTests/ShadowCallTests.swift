import Controller
import ControllerTestSupport
import Testing

/// Shadows as the controller lets them through, promotes them, and keeps account of them.
@Suite struct ShadowCallTests {
  static func request(_ port: Int = 80, expecting generation: UInt64? = nil) -> ShadowRequest {
    var change = Rules.patch(Rules.group(port: port))
    change.expectedGeneration = generation
    var filter = PacketFilter()
    filter.protocolNumber = 6
    return ShadowRequest(change, filter: filter, oneIn: 16, seconds: 30)
  }

  static let caller = Rules.caller([.apply, .trace])

  private static func refusal(
    _ desk: Desk, _ request: ShadowRequest, by caller: Caller = caller
  ) async -> ControlError? {
    do throws(ControlError) {
      _ = try await desk.controller.shadow(request, by: caller)
      return nil
    } catch {
      return error
    }
  }

  @Test func theCandidateIsWhatItsPatchMakes() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let shadow = try await desk.controller.shadow(Self.request(), by: Self.caller)
      #expect(shadow.generation == 1 && shadow.preview.generation == 1)
      #expect(shadow.preview.changes.map(\.reference) == [ObjectReference(.securityGroups, "g")])
      #expect(shadow.preview.affectedConnections == ["eni-web": 2])
      let plan = try #require(await desk.dataPlane.shadows.first)
      #expect(plan.candidate.networkInterfaces.map(\.id) == ["eni-web"])
      #expect(plan.candidate.securityGroups[0].ingress[0].match.ports == [80...80])
      #expect(plan.filter.protocolNumber == 6 && plan.oneIn == 16 && plan.seconds == 30)
      // Nothing has changed.
      #expect(await desk.dataPlane.published.count == 1)
      #expect(await shadow.drop().end == .caller)
      #expect(try await desk.status().generation == 1)
    }
  }

  @Test func aPromotionIsAChange() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let shadow = try await desk.controller.shadow(Self.request(), by: Self.caller)
      let last = try await shadow.promote(ifSame: false)
      #expect(last.end == .promoted && last.outcome?.generation == 2)
      #expect(last.outcome?.affectedConnections == ["eni-web": 3])
      #expect(await desk.dataPlane.published.last?.model.securityGroups[0].ingress.count == 1)
      let audit = try desk.audit().suffix(3)
      #expect(audit.first?.contains(#""method":"shadow""#) == true)
      #expect(audit.first?.contains("one connection in 16, protocol 6, at most 30 s") == true)
      #expect(audit.dropFirst().first?.contains(#""phase":"begin""#) == true)
      for record in audit.dropFirst() {
        #expect(record.contains(#""method":"shadow promote""#), "\(record)")
        #expect(record.contains("securityGroups/g"), "\(record)")
      }
      #expect(try await desk.status().generation == 2)
    }
  }

  @Test func anotherWriterRefusesThePromotion() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let shadow = try await desk.controller.shadow(Self.request(), by: Self.caller)
      try await desk.apply(Rules.patch(Rules.group("other", port: 22)))
      await #expect(throws: ControlError.conflict(expected: 1, actual: 2)) {
        _ = try await shadow.promote(ifSame: false)
      }
      let last = try #require(desk.audit().last)
      #expect(last.contains(#""method":"shadow promote""#))
      #expect(last.contains(#""outcome":"refused""#))
      #expect(try await desk.status().generation == 2)
    }
  }

  @Test func ifSameLooksAtWhatWasCompared() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      for (different, why) in [(UInt64(0), "no packet was compared"), (3, "3 packets differ")] {
        await desk.dataPlane.count { $0.different = different }
        let shadow = try await desk.controller.shadow(Self.request(), by: Self.caller)
        let last = try await shadow.promote(ifSame: true)
        #expect(last.end == .notSame && last.outcome == nil)
        #expect(try desk.audit().last?.contains(why) == true)
      }
      #expect(try await desk.status().generation == 1)
      await desk.dataPlane.count { ($0.same, $0.different) = (1, 0) }
      let shadow = try await desk.controller.shadow(Self.request(), by: Self.caller)
      #expect(try await shadow.promote(ifSame: true).end == .promoted)
      #expect(try await desk.status().generation == 2)
    }
  }

  @Test func itNeedsToChangeAndToTrace() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      for (permissions, missing) in [
        (Set([Permission.apply]), Permission.trace), ([.trace], .apply), ([], .trace),
        // A right to change, but not this.
        ([.trace, .ports], .apply),
      ] {
        #expect(
          await Self.refusal(desk, Self.request(), by: Rules.caller(permissions))
            == .denied(permission: missing, caller: "uid:7"))
        #expect(try desk.audit().last?.contains(#""outcome":"denied""#) == true)
      }
      #expect(await desk.dataPlane.shadows.isEmpty)
    }
  }

  @Test func candidatesAreCheckedAsChangesAre() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let wrong = Rules.patch("securityGroups: [{id: g, vpc: nowhere}]")
      let expected = await desk.refusal(of: wrong)
      #expect(await Self.refusal(desk, ShadowRequest(wrong, seconds: 1)) == expected)
      #expect(
        await Self.refusal(desk, Self.request(expecting: 9)) == .conflict(expected: 9, actual: 1))
      await desk.dataPlane.refuse(.full(what: "rules", limit: 1, asked: 2))
      #expect(
        await Self.refusal(desk, Self.request()) == .full(what: "rules", limit: 1, asked: 2))
      // Half of a connection would be judged.
      var half = Self.request()
      half.filter.direction = .egress
      guard case .invalid(let lines) = await Self.refusal(desk, half) else {
        Issue.record("a direction is taken")
        return
      }
      #expect(lines.first?.hasPrefix("filter.direction: ") == true)
      await desk.dataPlane.refuse(observation: .busy(limit: 1))
      guard case .unavailable(let why, _) = await Self.refusal(desk, Self.request()) else {
        Issue.record("there is no place")
        return
      }
      #expect(why.contains("no more than 1 at once"))
      #expect(await desk.dataPlane.shadows.isEmpty)
    }
  }
}
