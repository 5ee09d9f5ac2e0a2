import Controller
import ControllerTestSupport
import Testing

/// Every permission against every call.
@Suite struct PermissionTests {
  /// A call with what it needs; each is tried with every single permission, with all and with none.
  struct Call: Sendable, CustomTestStringConvertible {
    var name: String
    /// Any one of these is enough to be let in.
    var needs: Set<Permission>
    var make: @Sendable (Controller, Caller) async throws(ControlError) -> Void

    var testDescription: String { name }
  }

  static let calls: [Call] = [
    Call(name: "status", needs: [.read]) { controller, caller throws(ControlError) in
      _ = try await controller.status(by: caller)
    },
    Call(name: "objects", needs: [.read]) { controller, caller throws(ControlError) in
      _ = try await controller.objects(.vpcs, ids: [], by: caller)
    },
    Call(name: "watch", needs: [.read]) { controller, caller throws(ControlError) in
      _ = try await controller.watch(by: caller)
    },
    Call(name: "counters", needs: [.counters]) { controller, caller throws(ControlError) in
      _ = try await controller.counters(by: caller)
    },
    Call(name: "connections", needs: [.counters]) { controller, caller throws(ControlError) in
      _ = try await controller.connections(ConnectionFilter(), limit: 1, by: caller)
    },
    Call(name: "audit", needs: [.audit]) { controller, caller throws(ControlError) in
      _ = try await controller.readAudit(after: 0, limit: 1, by: caller)
    },
    Call(name: "audit verify", needs: [.audit]) { controller, caller throws(ControlError) in
      _ = try await controller.verifyAudit(by: caller)
    },
    Call(name: "trace", needs: [.trace]) { controller, caller throws(ControlError) in
      _ = try await controller.trace(ObservationCallTests.trace, by: caller)
    },
    Call(name: "capture", needs: [.capture]) { controller, caller throws(ControlError) in
      _ = try await controller.capture(ObservationCallTests.capture(), by: caller)
    },
    Call(name: "apply rules", needs: [.apply]) { controller, caller throws(ControlError) in
      _ = try await controller.apply(Rules.patch(Rules.group(port: 80)), by: caller)
    },
    Call(name: "apply the same rules", needs: [.apply]) { controller, caller throws(ControlError) in
      _ = try await controller.apply(Rules.patch(Rules.group(port: 443)), by: caller)
    },
    Call(name: "dry run", needs: [.apply]) { controller, caller throws(ControlError) in
      var request = Rules.patch(Rules.group(port: 81))
      request.isDryRun = true
      _ = try await controller.apply(request, by: caller)
    },
    Call(name: "delete rules", needs: [.apply]) { controller, caller throws(ControlError) in
      _ = try await controller.apply(
        Rules.patch(delete: [ObjectReference(.prefixLists, "pl")]), by: caller)
    },
    Call(name: "attach", needs: [.ports]) { controller, caller throws(ControlError) in
      _ = try await controller.apply(
        Rules.patch("ports: [{eni: eni-web, tap: tap9}]"), by: caller)
    },
    Call(name: "detach", needs: [.ports]) { controller, caller throws(ControlError) in
      _ = try await controller.apply(
        Rules.patch(delete: [ObjectReference(.ports, "eni-web")]), by: caller)
    },
    Call(name: "whole state that alters rules", needs: [.apply]) {
      controller, caller throws(ControlError) in
      _ = try await controller.apply(
        Rules.whole(base + "\nnetworkACLs: [{id: a, vpc: v}]"), by: caller)
    },
    Call(name: "whole state that drops a port", needs: [.ports]) {
      controller, caller throws(ControlError) in
      _ = try await controller.apply(Rules.whole(withoutPorts + "\nports: []"), by: caller)
    },
  ]

  static let withoutPorts = Rules.base + "\nprefixLists: [{id: pl, entries: []}]"
  static let base = withoutPorts + "\nports: [{eni: eni-web, tap: tap0}]"

  @Test(arguments: calls) func permissionDecides(_ call: Call) async throws {
    var sets = Permission.allCases.map { Set([$0]) }
    sets.append([])
    sets.append(Set(Permission.allCases))
    sets.append(Set(Permission.allCases).subtracting(call.needs))
    for permissions in sets {
      try await withDesk { desk in
        try await desk.apply(Rules.whole(Self.base))
        let before = try await desk.objects()
        let isAllowed = !permissions.isDisjoint(with: call.needs)
        var refusal: ControlError?
        do throws(ControlError) {
          try await call.make(desk.controller, Rules.caller(permissions))
        } catch {
          refusal = error
        }
        if isAllowed {
          #expect(refusal == nil, "\(permissions)")
        } else {
          guard case .denied(let permission, let name) = refusal else {
            Issue.record("\(permissions): \(String(describing: refusal))")
            return
          }
          #expect(name == "uid:7" && !permissions.contains(permission))
          #expect(try await desk.objects() == before)
          #expect(await desk.dataPlane.published.count == 1)
          #expect(try desk.audit().contains { $0.contains(#""outcome":"denied""#) })
        }
      }
    }
  }

  @Test func rulesAndPortsTogetherNeedBoth() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Self.base))
      let request = Rules.patch(
        Rules.group(port: 80) + "\nports: [{eni: eni-web, tap: tap1}]")
      for (permissions, missing) in [
        (Set([Permission.apply]), Permission.ports), ([.ports], .apply),
      ] {
        #expect(
          await desk.refusal(of: request, by: Rules.caller(permissions))
            == .denied(permission: missing, caller: "uid:7"))
      }
      try await desk.apply(request, by: Rules.caller([.apply, .ports]))
    }
  }
}
