import Controller
import Foundation
import Testing

/// The API used by gRPC for Python, which shares no code with the server.
@Suite struct ControlPeerTests {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  /// `scripts/bootstrap --tests` makes it.
  static let python = root.appendingPathComponent(".build-python/bin/python").path
  static let isThere = FileManager.default.isExecutableFile(atPath: python)

  @Test(.enabled(if: isThere, "no gRPC for Python: scripts/bootstrap --tests, needs PyPI"))
  func pythonClient() async throws {
    let plane = FakePlane()
    plane.state.withLock { state in
      state.objects = [
        .init(ObjectReference(.vpcs, "vpc-blue"), json: "{\"id\":\"vpc-blue\"}"),
        .init(ObjectReference(.policy), json: "{}"),
      ]
    }
    let steps = try await TestServer.with(plane: plane) { test in
      try await ToolRun.of(
        Self.python,
        [
          Self.root.appendingPathComponent("Tests/ControlAPITests/Peer/client.py").path,
          Self.root.appendingPathComponent("proto").path, "unix:\(test.socket)",
        ])
    }
    #expect(steps.status == 0, "\(steps.errors)")
    let lines = steps.output.split(separator: "\n").map(String.init)
    let text = try #require(lines.count == 9 ? lines : nil, "\(steps.output)\(steps.errors)")
    #expect(text[0] == #"{"step": "status", "generation": 7, "forwarding": true}"#)
    #expect(text[1] == #"{"step": "watch", "generation": 7}"#)
    #expect(text[2] == #"{"step": "apply", "generation": 8, "changes": 2}"#)
    #expect(text[3] == #"{"step": "watch", "generation": 8}"#)
    #expect(text[4] == #"{"step": "get", "objects": ["vpcs/vpc-blue", "policy/"]}"#)
    #expect(
      text[5].contains(#""code": "ABORTED""#) && text[5].contains("generation 8, not 1"))
    #expect(
      text[6].contains(#""code": "INVALID_ARGUMENT""#) && text[6].contains("dragons: no such"))
    #expect(text[7] == #"{"step": "health", "status": "SERVING"}"#)
    #expect(text[8].contains(#""apus.v1.Control", "grpc.health.v1.Health""#))
    #expect(text[8].contains(#""files": ["apus/v1/control.proto", "google/protobuf/"#))
    #expect(text[8].contains(#""methods": ["Apply", "Get", "Status""#))
    let documents = plane.state.withLock { state -> [ModelDocument] in
      guard case .whole(let documents)? = state.changes.first?.content else { return [] }
      return documents
    }
    #expect(documents.map(\.name) == ["vpc.yaml"])
    #expect(
      documents.first?.text == String(repeating: "# größer\nversion: 1\n", count: 20_000))
  }
}
