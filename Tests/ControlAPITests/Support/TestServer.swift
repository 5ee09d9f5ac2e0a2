import ControlAPI
import Controller
import Foundation
import NIOPosix

/// A server in this process, on a socket in a folder of its own.
struct TestServer: Sendable {
  let plane: FakePlane
  let server: ControlServer
  let folder: String
  /// Of TLS.
  let port: Int?
  let group: MultiThreadedEventLoopGroup

  var socket: String { folder + "/run/control.sock" }
  var address: ControlAddress { .unix(path: socket) }

  /// Serves while `body` runs.
  static func with<Result: Sendable>(
    policy: AccessPolicy = .ownersOnly(), limits: ServerLimits = ServerLimits(),
    plane: FakePlane = FakePlane(), authority: TestAuthority? = nil,
    body: @Sendable (TestServer) async throws -> Result
  ) async throws -> Result {
    await TestTurns.shared.take()
    do {
      let result = try await serve(policy, limits, plane, authority, body)
      await TestTurns.shared.give()
      return result
    } catch {
      await TestTurns.shared.give()
      throw error
    }
  }

  private static func serve<Result: Sendable>(
    _ policy: AccessPolicy, _ limits: ServerLimits, _ plane: FakePlane,
    _ authority: TestAuthority?, _ body: @Sendable (TestServer) async throws -> Result
  ) async throws -> Result {
    let folder = "/tmp/apus-api-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var configuration = ControlServer.Configuration(socket: folder + "/run/control.sock")
    configuration.policy = policy
    configuration.limits = limits
    if let authority {
      configuration.tls = .init(
        host: "127.0.0.1", port: 0, files: try authority.serverFiles(in: folder))
    }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let server = try ControlServer(configuration, plane: plane, audit: plane)
    do {
      let result = try await withThrowingTaskGroup { tasks in
        let (listening, listens) = AsyncStream.makeStream(of: Int?.self)
        tasks.addTask {
          defer { listens.finish() }
          try await server.run { listens.yield($0) }
        }
        defer { tasks.cancelAll() }
        guard let port = await listening.first(where: { _ in true }) else {
          try await tasks.waitForAll()
          throw CancellationError()
        }
        return try await body(
          TestServer(plane: plane, server: server, folder: folder, port: port, group: group))
      }
      try await group.shutdownGracefully()
      return result
    } catch {
      try? await group.shutdownGracefully()
      throw error
    }
  }

  func call<Answer: Sendable>(
    _ body: @Sendable (ControlClient) async throws -> Answer
  ) async throws -> Answer {
    try await ControlClient.with(address, group: group, body: body)
  }
}
