import Controller
import ControllerTestSupport
import HostPlan
import Testing

@Suite struct ApplyTests {
  @Test func wholeStateIsPublishedAndListed() async throws {
    try await withDesk { desk in
      #expect(try await desk.status().isForwarding == false)
      let outcome = try await desk.apply(Rules.whole(Rules.base))
      #expect(outcome.generation == 1)
      #expect(outcome.changes.map(\.action) == [.created, .created, .created, .created])
      #expect(outcome.affectedConnections == ["eni-web": 3])
      let published = await desk.dataPlane.published
      #expect(published.map(\.generation) == [1])
      #expect(published[0].model.securityGroups.map(\.id) == ["g"])
      let status = try await desk.status()
      #expect(status.isForwarding && status.generation == 1 && status.version == "1.2.3")
      #expect(
        status.objectCounts == [
          .policy: 1, .vpcs: 1, .subnets: 1, .networkInterfaces: 1, .securityGroups: 1,
        ])
      #expect(
        try await desk.objects().contains(#"vpcs/v {"id":"v","vni":1,"cidrs":["10.0.0.0/8"]}"#))
    }
  }

  @Test func sameStateTwiceIsNoChange() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let again = try await desk.apply(Rules.whole(Rules.base))
      #expect(again.changes.isEmpty && again.generation == 1)
      let patch = try await desk.apply(Rules.patch(Rules.group(port: 443)))
      #expect(patch.changes.isEmpty && patch.generation == 1)
      #expect(await desk.dataPlane.published.count == 1)
    }
  }

  @Test func wholeStateReplacesAndPatchAdds() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let patched = try await desk.apply(
        Rules.patch("prefixLists: [{id: pl, entries: [192.0.2.0/24]}]"))
      #expect(patched.generation == 2)
      #expect(
        patched.changes == [
          ChangeOutcome.Change(ObjectReference(.prefixLists, "pl"), .created)
        ])
      let whole = try await desk.apply(Rules.whole(Rules.base))
      #expect(
        whole.changes == [
          ChangeOutcome.Change(ObjectReference(.prefixLists, "pl"), .deleted)
        ])
      let deleted = try await desk.apply(
        Rules.patch(delete: [ObjectReference(.networkInterfaces, "eni-web")]))
      #expect(deleted.generation == 4)
      #expect(await desk.dataPlane.published.last?.model.networkInterfaces.isEmpty == true)
    }
  }

  @Test("A-02: a change on top of another generation is refused")
  func expectedGenerationIsHeld() async throws {
    try await withDesk { desk in
      var request = Rules.whole(Rules.base)
      request.expectedGeneration = 1
      #expect(await desk.refusal(of: request) == .conflict(expected: 1, actual: 0))
      request.expectedGeneration = 0
      try await desk.apply(request)
      #expect(await desk.refusal(of: request) == .conflict(expected: 0, actual: 1))
    }
  }

  @Test func dryRunChangesNothing() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      var request = Rules.patch(Rules.group(port: 80))
      request.isDryRun = true
      let outcome = try await desk.apply(request)
      #expect(outcome.generation == 1)
      #expect(outcome.changes.map(\.action) == [.changed])
      #expect(outcome.affectedConnections == ["eni-web": 2])
      #expect(await desk.dataPlane.published.count == 1)
      #expect(await desk.dataPlane.previews == 1)
      #expect(try await desk.status().generation == 1)
    }
  }

  @Test("A-02: a change with errors changes nothing")
  func errorsAreAllListedAndNothingChanges() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let before = try await desk.objects()
      let refusal = await desk.refusal(
        of: Rules.patch(
          "vpcs: [{id: w, vni: 1, cidrs: [10.0.0.0/8]}]\nsubnets: [{id: t, vpc: x, cidrs: [7]}]"))
      guard case .invalid(let lines) = refusal else {
        Issue.record("\(String(describing: refusal))")
        return
      }
      #expect(lines.count == 3)
      #expect(lines[0].hasPrefix("test.yaml:1:"))
      #expect(try await desk.objects() == before)
      #expect(await desk.dataPlane.published.count == 1)
    }
  }

  @Test func warningsAreThoseOfCheck() async throws {
    try await withDesk { desk in
      let outcome = try await desk.apply(
        Rules.whole(Rules.base + "\nprefixLists: [{id: pl, entries: [192.0.2.0/24]}]"))
      #expect(outcome.warnings.contains { $0.hasPrefix("pl: ") })
    }
  }

  @Test func deletingWhatIsNotThereIsRefused() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      for reference in [
        ObjectReference(.vpcs, "x"), ObjectReference(.ports, "eni-web"),
        ObjectReference(.mappings, "v/10.0.0.7"), ObjectReference(.host),
      ] {
        #expect(
          await desk.refusal(of: Rules.patch(delete: [reference])) == .notFound(reference))
      }
    }
  }

  @Test func ruleChangePolicyIsPassedOnOrRefused() async throws {
    try await withDesk { desk in
      var request = Rules.whole(Rules.base)
      request.onRuleChange = "cut"
      try await desk.apply(request)
      #expect(await desk.dataPlane.published[0].onRuleChange == .cut)
      request.onRuleChange = "drop"
      #expect(
        await desk.refusal(of: request)
          == .invalid(["onRuleChange must be `keep` or `cut`, not `drop`"]))
    }
  }

  // MARK: Ports

  @Test func portsAreAttachedAndDetached() async throws {
    try await withDesk { desk in
      try await desk.apply(
        Rules.whole(Rules.base + "\nports: [{eni: eni-web, interface: tap0, queues: 2}]"))
      #expect(
        await desk.dataPlane.published[0].ports == [
          GuestPlan(networkInterface: "eni-web", device: .interface("tap0"), queues: 2)
        ])
      #expect(
        try await desk.objects().last
          == #"ports/eni-web {"eni":"eni-web","queues":2,"interface":"tap0"}"#)
      let outcome = try await desk.apply(
        Rules.patch(delete: [ObjectReference(.ports, "eni-web")]))
      #expect(
        outcome.changes == [
          ChangeOutcome.Change(ObjectReference(.ports, "eni-web"), .deleted)
        ])
      #expect(await desk.dataPlane.published.last?.ports == [])
    }
  }

  @Test func wrongPortsAreRefused() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      for (text, reason) in [
        ("ports: [{eni: eni-x, tap: tap0}]", "there is no network interface `eni-x`"),
        ("ports: [{eni: eni-web, tap: tap0, x: 1}]", "is not a known field"),
        ("ports: [{eni: eni-web}]", "needs the guest's port"),
        ("ports: [{eni: eni-web, device: net_tap0}]", "is for `runtime: dpdk`"),
        ("ports: [{eni: eni-web, tap: a}, {eni: eni-web, tap: b}]", "is used twice"),
      ] {
        guard case .invalid(let lines) = await desk.refusal(of: Rules.patch(text)) else {
          Issue.record("\(text) was taken")
          continue
        }
        #expect(lines.contains { $0.contains(reason) }, "\(lines)")
      }
    }
  }

  @Test func portsAndInterfacesStayConsistent() async throws {
    try await withDesk { desk in
      try await desk.apply(
        Rules.whole(Rules.base + "\nports: [{eni: eni-web, interface: tap0}]"))
      let interface = ObjectReference(.networkInterfaces, "eni-web")
      #expect(
        await desk.refusal(of: Rules.patch(delete: [interface]))
          == .invalid([
            "the present state: ports/eni-web: there is no network interface `eni-web`"
          ]))
      #expect(
        await desk.refusal(
          of: Rules.patch(
            """
            networkInterfaces: [{id: eni-b, subnet: s, mac: 02:00:00:00:00:02, addresses: [10.0.0.8]}]
            ports: [{eni: eni-b, tap: tap0}]
            """))
          == .invalid(["ports/eni-b: the interface `tap0` is the port of `eni-web` already"]))
      try await desk.apply(
        Rules.patch(delete: [interface, ObjectReference(.ports, "eni-web")]))
    }
  }
}
