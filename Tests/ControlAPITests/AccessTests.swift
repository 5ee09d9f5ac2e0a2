import ControlAPI
import ControlProtocol
import Controller
import Foundation
import GRPCCore
import Testing

/// Every method of the API, called by every kind of identity.
@Suite struct AccessTests {
  /// A call, and which permissions let it through.
  struct Action: Sendable, CustomTestStringConvertible {
    var name: String
    /// Any of them.
    var permissions: Set<Permission>
    /// And all of these.
    var alsoNeeded: Set<Permission> = []
    var call: @Sendable (TestCalls) async throws -> Void

    var testDescription: String { name }
  }

  static let anything = Set(Permission.allCases)

  static let actions: [Action] = [
    Action(name: "Apply", permissions: [.apply]) { calls in
      _ = try await calls.client.apply(.with { $0.scope = .whole }, documents: [])
    },
    Action(name: "Get", permissions: [.read]) { _ = try await $0.client.objects() },
    Action(name: "Status", permissions: [.read]) { _ = try await $0.client.status() },
    Action(name: "Counters", permissions: [.counters]) {
      _ = try await $0.client.counters(.init())
    },
    Action(name: "Connections", permissions: [.counters]) {
      _ = try await $0.client.connections(.init())
    },
    Action(name: "Watch", permissions: [.read]) { calls in
      try await calls.client.control.watch(.init()) { response in
        _ = try await response.messages.first { _ in true }
      }
    },
    Action(name: "Trace", permissions: [.trace]) { calls in
      try await calls.client.control.trace(.init()) { response in
        for try await _ in response.messages {}
      }
    },
    Action(name: "Capture", permissions: [.capture]) { calls in
      try await calls.client.control.capture(.init()) { response in
        for try await _ in response.messages {}
      }
    },
    Action(name: "Shadow", permissions: [.apply, .ports], alsoNeeded: [.trace]) { calls in
      try await calls.client.control.shadow { writer in
        try await writer.write(.with { $0.header.scope = .patch })
        try await writer.write(.with { $0.begin = .init() })
      } onResponse: { response in
        for try await _ in response.messages {}
      }
    },
    Action(name: "ReadAudit", permissions: [.audit]) { calls in
      try await calls.client.control.readAudit(.init()) { response in
        for try await _ in response.messages {}
      }
    },
    Action(name: "VerifyAudit", permissions: [.audit]) {
      _ = try await $0.client.control.verifyAudit(.init())
    },
    Action(name: "Health.Check", permissions: anything) {
      _ = try await $0.health.check(.init())
    },
    Action(name: "Health.Watch", permissions: anything) { calls in
      try await calls.health.watch(.init()) { response in
        _ = try await response.messages.first { _ in true }
      }
    },
    Action(name: "ServerReflection", permissions: anything) { calls in
      try await calls.reflection.serverReflectionInfo { writer in
        try await writer.write(.with { $0.listServices = "" })
      } onResponse: { response in
        _ = try await response.messages.first { _ in true }
      }
    },
  ]

  /// Each permission alone, none, and all.
  static let identities: [Set<Permission>] =
    Permission.allCases.map { [$0] } + [[], anything]

  @Test(arguments: identities, actions)
  func unixSocket(_ permissions: Set<Permission>, _ action: Action) async throws {
    try await TestServer.with(policy: AccessPolicy(users: [geteuid(): permissions])) { test in
      try await Self.check(action, permissions, test, test.address, nil)
    }
  }

  @Test(arguments: actions)
  func certificates(_ action: Action) async throws {
    let authority = try TestAuthority()
    var policy = AccessPolicy()
    for (number, permissions) in Self.identities.enumerated() {
      policy.certificates["spiffe://example/\(number)"] = permissions
    }
    try await TestServer.with(policy: policy, authority: authority) { test in
      for (number, permissions) in Self.identities.enumerated() {
        let name = "spiffe://example/\(number)"
        let files = try authority.clientFiles(
          [.uniformResourceIdentifier(name)], in: test.folder)
        let address = ControlAddress.tls(host: "localhost", port: try #require(test.port))
        let before = test.plane.calls.count
        try await Self.check(action, permissions, test, address, files)
        for caller in test.plane.state.withLock({ $0.callers[before...] }) {
          #expect(caller.name == name && caller.permissions == permissions)
        }
      }
    }
  }

  @Test("A-01: a user that nobody named may do nothing")
  func userThatNobodyNamedMayNothing() async throws {
    let policy = AccessPolicy(users: [geteuid() + 1: Self.anything])
    try await TestServer.with(policy: policy) { test in
      for action in Self.actions { try await Self.check(action, [], test, test.address, nil) }
    }
  }

  static func check(
    _ action: Action, _ permissions: Set<Permission>, _ test: TestServer,
    _ address: ControlAddress, _ files: ControlClient.Credentials?
  ) async throws {
    let isAllowed =
      !action.permissions.isDisjoint(with: permissions)
      && action.alsoNeeded.isSubset(of: permissions)
    let before = (test.plane.calls.count, test.plane.refused.count)
    do {
      try await TestCalls.with(address, files, test.group) { try await action.call($0) }
      #expect(isAllowed, "\(action.name) went through with \(permissions)")
    } catch let error as RPCError {
      #expect(!isAllowed, "\(action.name) was refused with \(permissions): \(error)")
      #expect(error.code == .permissionDenied)
      #expect(error.message.contains("permissions are granted in the daemon's configuration"))
      // The controller was asked, which records it, or the API has it recorded; not both.
      let asked = test.plane.calls.count - before.0
      if asked == 0 {
        let refused = await test.plane.waitForRefusal { $0.why.contains("may not") }
        #expect(refused != nil)
      } else {
        #expect(asked == 1 && test.plane.refused.count == before.1)
      }
    }
  }
}
