import ControlAPI
import ControlProtocol
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOPosix

/// All services of a server over one connection, below the product's own client.
struct TestCalls: Sendable {
  let grpc: GRPCClient<HTTP2ClientTransport.Posix>
  let client: ControlClient
  let health: Grpc_Health_V1_Health.Client<HTTP2ClientTransport.Posix>
  let reflection: Grpc_Reflection_V1_ServerReflection.Client<HTTP2ClientTransport.Posix>

  static func with<Result: Sendable>(
    _ address: ControlAddress, _ files: ControlClient.Credentials?,
    _ group: MultiThreadedEventLoopGroup,
    body: @Sendable (TestCalls) async throws -> Result
  ) async throws -> Result {
    let transport = try ControlClient.transport(address, files, group)
    return try await withGRPCClient(transport: transport) { grpc in
      try await body(
        TestCalls(
          grpc: grpc, client: ControlClient(wrapping: grpc),
          health: Grpc_Health_V1_Health.Client(wrapping: grpc),
          reflection: Grpc_Reflection_V1_ServerReflection.Client(wrapping: grpc)))
    }
  }
}
