import ControlAPI
import Controller
import Foundation
import GRPCCore
import NIOCore
import NIOPosix
import NIOSSL
import Testing
import X509

/// Who gets in over TCP, and who does not.
@Suite struct CertificateTests {
  static let name = "spiffe://example/operator"
  static let policy = AccessPolicy(certificates: [
    name: Set(Permission.allCases), "operator.example": [.read],
  ])

  /// What a client tries, and what the record says of it.
  struct Stranger: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var names: [GeneralName] = [.uniformResourceIdentifier(name)]
    var days = 1
    /// Of another authority, with this name.
    var authority: String?
    var why: String
  }

  static let strangers = [
    Stranger(testDescription: "expired", days: -1, why: "is expired"),
    Stranger(
      testDescription: "another authority's", authority: "other", why: "is not trusted here"),
    Stranger(
      testDescription: "of an authority of the same name", authority: "authority",
      why: "is not signed by the authority"),
    Stranger(testDescription: "without names", names: [], why: "no URI and no DNS name"),
    Stranger(
      testDescription: "with two URIs",
      names: [.uniformResourceIdentifier(name), .uniformResourceIdentifier("spiffe://example/b")],
      why: "2 names"),
  ]

  @Test(arguments: strangers)
  func strangerIsRefused(_ stranger: Stranger) async throws {
    let authority = try TestAuthority()
    try await TestServer.with(policy: Self.policy, authority: authority) { test in
      let issuer = try stranger.authority.map { try TestAuthority($0) } ?? authority
      let files = try issuer.clientFiles(
        stranger.names, in: test.folder, days: stranger.days, trusting: authority)
      let address = ControlAddress.tls(host: "localhost", port: try #require(test.port))
      await #expect(throws: RPCError.self) {
        try await TestCalls.with(address, files, test.group) { try await $0.client.status() }
      }
      let refused = await test.plane.waitForRefusal { $0.why.contains(stranger.why) }
      #expect(
        refused?.method == "connect" && refused?.caller == "unknown at 127.0.0.1",
        "\(test.plane.refused)")
      #expect(test.plane.calls.isEmpty)
    }
  }

  @Test func nameThatNobodyAllowedIsRefusedByName() async throws {
    let authority = try TestAuthority()
    try await TestServer.with(policy: Self.policy, authority: authority) { test in
      let files = try authority.clientFiles([.dnsName("guest.example")], in: test.folder)
      let address = ControlAddress.tls(host: "localhost", port: try #require(test.port))
      let error = await #expect(throws: RPCError.self) {
        try await TestCalls.with(address, files, test.group) { try await $0.client.status() }
      }
      #expect(error?.code == .permissionDenied)
      #expect(error?.message.hasPrefix("guest.example lacks the permission 'read'") == true)
    }
  }

  @Test func hostNameIsIdentityWithoutURI() async throws {
    let authority = try TestAuthority()
    try await TestServer.with(policy: Self.policy, authority: authority) { test in
      let files = try authority.clientFiles([.dnsName("operator.example")], in: test.folder)
      let address = ControlAddress.tls(host: "localhost", port: try #require(test.port))
      let status = try await TestCalls.with(address, files, test.group) {
        try await $0.client.status()
      }
      #expect(status.generation == 7)
      let caller = try #require(test.plane.state.withLock { $0.callers.first })
      #expect(caller.name == "operator.example" && caller.permissions == [.read])
      guard case .certificate(let fingerprint) = caller.proof else {
        Issue.record("not a certificate: \(caller.proof)")
        return
      }
      #expect(fingerprint.count == 64 && fingerprint.allSatisfy(\.isHexDigit))
    }
  }

  @Test func serverOfAnotherAuthorityIsNotTrusted() async throws {
    let authority = try TestAuthority()
    try await TestServer.with(policy: Self.policy, authority: authority) { test in
      let files = try authority.clientFiles(
        [.uniformResourceIdentifier(Self.name)], in: test.folder, trusting: try TestAuthority())
      let address = ControlAddress.tls(host: "localhost", port: try #require(test.port))
      await #expect(throws: RPCError.self) {
        try await TestCalls.with(address, files, test.group) { try await $0.client.status() }
      }
      #expect(test.plane.calls.isEmpty)
    }
  }

  @Test func newFilesServeNewConnections() async throws {
    let authority = try TestAuthority()
    let next = try TestAuthority("next")
    try await TestServer.with(policy: Self.policy, authority: authority) { test in
      let address = ControlAddress.tls(host: "localhost", port: try #require(test.port))
      _ = try next.serverFiles(in: test.folder)
      let files = try next.clientFiles([.uniformResourceIdentifier(Self.name)], in: test.folder)
      let status = try await TestCalls.with(address, files, test.group) {
        try await $0.client.status()
      }
      #expect(status.generation == 7)
    }
  }

  // MARK: Below gRPC

  @Test("A-01: a connection without certificate is refused")
  func connectionWithoutCertificateIsRefused() async throws {
    try await Self.refused(why: "no client certificate") { _ in }
  }

  @Test("A-01: an older TLS is refused")
  func olderTLSIsRefused() async throws {
    try await Self.refused(why: "TLS 1.3") { $0.maximumTLSVersion = .tlsv12 }
  }

  static func refused(
    why: String, _ change: @Sendable (inout TLSConfiguration) -> Void
  ) async throws {
    let authority = try TestAuthority()
    try await TestServer.with(policy: policy, authority: authority) { test in
      var configuration = TLSConfiguration.makeClientConfiguration()
      configuration.certificateVerification = .none
      configuration.applicationProtocols = ["h2"]
      change(&configuration)
      let context = try NIOSSLContext(configuration: configuration)
      try await RawConnection.tcp(try #require(test.port), test.group) { channel in
        try channel.pipeline.syncOperations.addHandler(
          NIOSSLClientHandler(context: context, serverHostname: "localhost"))
      } closes: { _ in
      }
      let refused = await test.plane.waitForRefusal { $0.why.contains(why) }
      #expect(refused != nil, "\(test.plane.refused)")
      #expect(test.plane.calls.isEmpty)
    }
  }

  @Test func connectionWithoutHandshakeIsClosed() async throws {
    let authority = try TestAuthority()
    var limits = ServerLimits()
    limits.handshakeTimeout = .milliseconds(300)
    try await TestServer.with(policy: Self.policy, limits: limits, authority: authority) { test in
      try await RawConnection.tcp(
        try #require(test.port), test.group, handlers: { _ in }, closes: { _ in })
      let refused = await test.plane.waitForRefusal { $0.why.contains("no call came within") }
      #expect(refused?.caller == "unknown at 127.0.0.1")
    }
  }

  @Test func strangersLeaveRoomForTheSocket() async throws {
    let authority = try TestAuthority()
    var limits = ServerLimits()
    limits.connections = 2
    limits.handshakeTimeout = .seconds(2)
    let policy = AccessPolicy(users: [geteuid(): [.read]])
    try await TestServer.with(policy: policy, limits: limits, authority: authority) { test in
      let port = try #require(test.port)
      try await withThrowingTaskGroup { group in
        for _ in 0..<4 {
          group.addTask {
            try await RawConnection.tcp(port, test.group, handlers: { _ in }, closes: { _ in })
          }
        }
        let refused = await test.plane.waitForRefusal { $0.why.contains("2 connections") }
        #expect(refused?.caller == "unknown at 127.0.0.1")
        let status = try await test.call { try await $0.status() }
        #expect(status.generation == 7)
        test.server.beginGracefulShutdown()
        try await group.waitForAll()
      }
    }
  }

  @Test("A-01: plain text is refused")
  func plaintextIsRefused() async throws {
    let authority = try TestAuthority()
    try await TestServer.with(policy: Self.policy, authority: authority) { test in
      let answer = try await RawConnection.tcp(try #require(test.port), test.group) { _ in
      } closes: { channel in
        try await channel.writeAndFlush(ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
      }
      #expect(!answer.contains("HTTP"))
      let refused = await test.plane.waitForRefusal { $0.why.hasPrefix("TLS handshake") }
      #expect(refused != nil, "\(test.plane.refused)")
      #expect(test.plane.calls.isEmpty)
    }
  }
}
