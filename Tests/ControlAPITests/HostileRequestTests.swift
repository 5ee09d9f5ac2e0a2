import ControlAPI
import ControlProtocol
import Controller
import Foundation
import GRPCCore
import GRPCProtobuf
import NIOCore
import Testing

/// Requests that are wrong, too large, too slow, or not requests at all.
@Suite struct HostileRequestTests {
  /// Bytes that are no message.
  struct Garbage: MessageSerializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: Apus_V1_StatusRequest) throws -> Bytes {
      Bytes(repeating: 0xFF, count: 9)
    }
  }

  private static func refusal(
    of call: @Sendable (TestCalls) async throws -> Void, limits: ServerLimits = ServerLimits()
  ) async throws -> (error: RPCError?, recorded: FakePlane.Refused?) {
    try await TestServer.with(limits: limits) { test in
      let error = await #expect(throws: RPCError.self) {
        try await TestCalls.with(test.address, nil, test.group) { try await call($0) }
      }
      let recorded = await test.plane.waitForRefusal { _ in true }
      #expect(test.plane.calls.isEmpty, "the controller was asked")
      return (error, recorded)
    }
  }

  @Test("A-01: a malformed message is refused")
  func malformedMessage() async throws {
    let (error, recorded) = try await Self.refusal { calls in
      _ = try await calls.client.control.status(
        request: ClientRequest(message: .init()), serializer: Garbage(),
        deserializer: ProtobufDeserializer<Apus_V1_StatusResponse>(), options: .defaults
      ) { try $0.message }
    }
    #expect(error?.code == .invalidArgument)
    #expect(recorded?.method == "/apus.v1.Control/Status")
    #expect(recorded?.caller == "uid:\(geteuid())")
  }

  @Test func unknownMethod() async throws {
    let (error, recorded) = try await Self.refusal { calls in
      _ = try await calls.grpc.unary(
        request: ClientRequest(message: Apus_V1_StatusRequest()),
        descriptor: MethodDescriptor(fullyQualifiedService: "apus.v1.Control", method: "Reboot"),
        serializer: ProtobufSerializer(),
        deserializer: ProtobufDeserializer<Apus_V1_StatusResponse>(), options: .defaults
      ) { try $0.message }
    }
    #expect(error?.code == .unimplemented)
    #expect(error?.message.hasPrefix("/apus.v1.Control/Reboot: no such method") == true)
    #expect(recorded?.method == "/apus.v1.Control/Reboot")
  }

  @Test("A-01: a message that is too long")
  func messageThatIsTooLong() async throws {
    let (error, recorded) = try await Self.refusal { calls in
      _ = try await calls.client.control.apply { writer in
        try await writer.write(.with { $0.header.scope = .whole })
        try await writer.write(
          .with {
            $0.chunk.name = "big"
            $0.chunk.text = Data(count: 2 << 20)
          })
      }
    }
    #expect(error?.code == .resourceExhausted)
    #expect(error?.message.contains("at most 1048576 are taken") == true)
    #expect(recorded?.why == error?.message)
  }

  @Test("A-01: a state that is too long")
  func stateThatIsTooLong() async throws {
    var limits = ServerLimits()
    limits.applyBytes = 3 << 20
    let (error, recorded) = try await Self.refusal(
      of: { calls in
        _ = try await calls.client.apply(
          .with { $0.scope = .whole },
          documents: [.init(name: "big", text: Array(repeating: 0x20, count: 4 << 20))])
      }, limits: limits)
    #expect(error?.code == .resourceExhausted)
    #expect(error?.message.contains("it is over 3145728") == true)
    #expect(recorded != nil)
  }

  @Test func uploadsGiveTheirBytesBack() async throws {
    var limits = ServerLimits()
    limits.applyBytes = 1 << 20
    try await TestServer.with(limits: limits) { test in
      for _ in 0..<5 {
        _ = try await test.call { client in
          try await client.apply(
            .with { $0.scope = .whole },
            documents: [.init(name: "a", text: Array(repeating: 0x20, count: 900_000))])
        }
      }
    }
  }

  /// Requests of parts in a wrong order, and what is said of each.
  static let wrongParts: [(parts: [Apus_V1_ApplyRequest], text: String)] = [
    ([], "the request is empty"),
    ([.with { $0.chunk.name = "a" }], "the first message is no header"),
    ([.init()], "a message without header"),
    ([.with { $0.header.dryRun = true }], "header.scope: not given"),
    ([.with { $0.header.scope = .whole }, .with { $0.header.scope = .whole }], "a second one"),
    ([.with { $0.header.scope = .whole }, .with { $0.chunk.text = Data([0x20]) }], "chunk.name"),
    (
      [.with { $0.header.scope = .whole }, .with { $0.deletions = .init() }],
      "deletions: a whole state has none"
    ),
    (
      [
        .with { $0.header.scope = .patch },
        .with { $0.deletions.objects = [.with { $0.kind = "dragons" }] },
      ], "dragons: no such kind"
    ),
    (
      [
        .with { $0.header.scope = .whole },
        .with {
          $0.chunk.name = "latin.yaml"
          $0.chunk.text = Data([0x61, 0xE4, 0x62])
        },
      ], "latin.yaml: not UTF-8"
    ),
  ]

  @Test(arguments: wrongParts.indices)
  func partsInWrongOrder(_ index: Int) async throws {
    let (parts, text) = Self.wrongParts[index]
    let (error, recorded) = try await Self.refusal { calls in
      _ = try await calls.client.control.apply { writer in
        for part in parts { try await writer.write(part) }
      }
    }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    #expect(recorded?.why.contains(text.prefix(12)) == true)
  }

  @Test("A-01: a request that stops half way")
  func requestThatStops() async throws {
    var limits = ServerLimits()
    limits.requestTimeout = .milliseconds(300)
    let (error, recorded) = try await Self.refusal(
      of: { calls in
        _ = try await calls.client.control.apply { writer in
          try await writer.write(.with { $0.header.scope = .whole })
          try await Task.sleep(for: .seconds(60))
        }
      }, limits: limits)
    #expect(error?.code == .deadlineExceeded)
    #expect(error?.message.contains("nothing of the request came") == true)
    #expect(recorded?.method == "/apus.v1.Control/Apply")
  }

  @Test("A-01: a connection that says nothing")
  func connectionThatSaysNothing() async throws {
    var limits = ServerLimits()
    limits.handshakeTimeout = .milliseconds(200)
    try await TestServer.with(limits: limits) { test in
      try await RawConnection.unix(test.socket, test.group) { _ in }
      let recorded = await test.plane.waitForRefusal { $0.why.contains("no call came within") }
      #expect(recorded?.caller == "uid:\(geteuid())" && recorded?.method == "connect")
    }
  }

  @Test("A-01: bytes that are not HTTP/2")
  func bytesThatAreNotHTTP2() async throws {
    var limits = ServerLimits()
    limits.handshakeTimeout = .milliseconds(500)
    try await TestServer.with(limits: limits) { test in
      try await RawConnection.unix(test.socket, test.group) { channel in
        try await channel.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"))
      }
      // The server goes on.
      let status = try await test.call { try await $0.status() }
      #expect(status.generation == 7)
    }
  }

  @Test("A-01: connections of a caller are limited")
  func connectionsOfACallerAreLimited() async throws {
    var limits = ServerLimits()
    limits.connectionsPerCaller = 2
    try await TestServer.with(limits: limits) { test in
      try await test.call { first in
        _ = try await first.status()
        try await test.call { second in
          _ = try await second.status()
          await #expect(throws: RPCError.self) { try await test.call { try await $0.status() } }
        }
      }
      let recorded = await test.plane.waitForRefusal { $0.why.contains("which is the limit") }
      #expect(recorded?.why.hasPrefix("2 connections of uid:") == true)
      // Both are gone, so that there is room again; the server may learn of it a little later.
      for _ in 0..<200 {
        if (try? await test.call { try await $0.status() }) != nil { return }
        try await Task.sleep(for: .milliseconds(10))
      }
      Issue.record("connections that are gone still count")
    }
  }

  @Test func callerCannotClaimAnothersConnection() async throws {
    let authority = try TestAuthority()
    let policy = AccessPolicy(certificates: ["operator": Set(Permission.allCases)])
    try await TestServer.with(policy: policy, authority: authority) { test in
      let address = ControlAddress.tls(host: "localhost", port: try #require(test.port))
      let good = try authority.clientFiles([.dnsName("operator")], in: test.folder)
      let bad = try authority.clientFiles([.dnsName("guest")], in: test.folder)
      try await TestCalls.with(address, good, test.group) { calls in
        _ = try await calls.client.status()
        for number in 0..<5 {
          let error = await #expect(throws: RPCError.self) {
            try await TestCalls.with(address, bad, test.group) { calls in
              try await calls.client.control.status(
                request: ClientRequest(
                  message: .init(), metadata: ["apus-connection": "\(number)"]))
            }
          }
          #expect(error?.code == .permissionDenied)
        }
      }
      let names = test.plane.state.withLock { Set($0.callers.map(\.name)) }
      #expect(names == ["operator", "guest"])
    }
  }
}
