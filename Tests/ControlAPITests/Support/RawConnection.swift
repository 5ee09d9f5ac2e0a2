import NIOCore
import NIOPosix
import Synchronization

/// A connection below HTTP/2, which the server is expected to close.
enum RawConnection {
  /// Collects what comes; errors of the pipeline are expected.
  private final class Collector: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    let bytes: Mutex<[UInt8]> = Mutex([])

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let new = Array(unwrapInboundIn(data).readableBytesView)
      bytes.withLock { $0 += new }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
  }

  /// Connects, sends, and waits for the end.
  ///
  /// - Returns: what came, as text.
  @discardableResult
  static func tcp(
    _ port: Int, _ group: MultiThreadedEventLoopGroup,
    handlers: @escaping @Sendable (any Channel) throws -> Void,
    closes send: (any Channel) async throws -> Void
  ) async throws -> String {
    let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
    return try await connect(address, group, handlers, send)
  }

  @discardableResult
  static func unix(
    _ path: String, _ group: MultiThreadedEventLoopGroup,
    send: (any Channel) async throws -> Void
  ) async throws -> String {
    try await connect(SocketAddress(unixDomainSocketPath: path), group, { _ in }, send)
  }

  private static func connect(
    _ address: SocketAddress, _ group: MultiThreadedEventLoopGroup,
    _ handlers: @escaping @Sendable (any Channel) throws -> Void,
    _ send: (any Channel) async throws -> Void
  ) async throws -> String {
    let collector = Collector()
    let channel = try await ClientBootstrap(group: group)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try handlers(channel)
          try channel.pipeline.syncOperations.addHandler(collector)
        }
      }
      .connect(to: address).get()
    try? await send(channel)
    try await channel.closeFuture.get()
    return String(decoding: collector.bytes.withLock { $0 }, as: UTF8.self)
  }
}
