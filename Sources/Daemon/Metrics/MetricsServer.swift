import NIOCore
import NIOHTTP1
import NIOPosix

/// Serves the metrics by HTTP on loopback.
///
/// A scraper that is slow or hostile costs little: few connections, one request and a deadline for
/// each. Nothing here waits for a worker.
final class MetricsServer: Sendable {
  /// Connections at one time; more are closed at once.
  static let connections = 16
  /// How long a connection may last.
  static let patience = TimeAmount.seconds(10)

  private let group: MultiThreadedEventLoopGroup
  private let channel: any Channel

  /// Listens.
  ///
  /// - Parameters:
  ///   - address: where; port 0 lets the system choose.
  ///   - render: the text of the metrics; called on the server's own thread.
  /// - Throws: when the address is taken.
  init(
    _ address: LoopbackAddress, render: @escaping @Sendable () -> String
  ) throws(DaemonFailure) {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let counter = ConnectionCounter(loop: group.next())
    do {
      channel = try ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: 16)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelInitializer { child in
          child.eventLoop.makeCompletedFuture {
            guard counter.admit(child) else { throw ChannelError.ioOnClosedChannel }
            let end = child.eventLoop.scheduleTask(in: Self.patience) { child.close(promise: nil) }
            child.closeFuture.whenComplete { _ in end.cancel() }
            let pipeline = child.pipeline.syncOperations
            try pipeline.configureHTTPServerPipeline(
              withPipeliningAssistance: false, withErrorHandling: true)
            try pipeline.addHandler(MetricsHandler(render: render))
          }
        }
        .bind(host: "\(address.address)", port: address.port).wait()
      self.group = group
    } catch {
      try? group.syncShutdownGracefully()
      throw DaemonFailure(
        .resource, what: "metrics \(address)", why: "cannot listen: \(error)",
        advice: "see who has the port with 'ss -ltnp', or choose another")
    }
  }

  /// The port that the server listens on.
  var port: Int { channel.localAddress?.port ?? 0 }

  /// Closes everything.
  func stop() {
    try? channel.close().wait()
    try? group.syncShutdownGracefully()
  }
}

/// How many connections there are; used on one event loop only.
private final class ConnectionCounter: Sendable {
  private let count: NIOLoopBoundBox<Int>

  init(loop: any EventLoop) {
    count = NIOLoopBoundBox.makeBoxSendingValue(0, eventLoop: loop)
  }

  func admit(_ channel: any Channel) -> Bool {
    guard count.value < MetricsServer.connections else { return false }
    count.value += 1
    channel.closeFuture.whenComplete { [count] _ in count.value -= 1 }
    return true
  }
}

/// Answers GET and HEAD of /metrics.
private final class MetricsHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let render: @Sendable () -> String
  private var head: HTTPRequestHead?
  private var isAnswered = false

  init(render: @escaping @Sendable () -> String) { self.render = render }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): self.head = head
    case .body: context.close(promise: nil)  // No request here has one.
    case .end:
      guard let head, !isAnswered else { return }
      isAnswered = true
      answer(head, context)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func answer(_ request: HTTPRequestHead, _ context: ChannelHandlerContext) {
    let path = request.uri.prefix { $0 != "?" }
    switch (path, request.method) {
    case ("/metrics", .GET), ("/metrics", .HEAD):
      send(.ok, render(), OpenMetricsText.contentType, request, context)
    case ("/metrics", _):
      send(.methodNotAllowed, "only GET and HEAD\n", "text/plain", request, context)
    default:
      send(.notFound, "see /metrics\n", "text/plain", request, context)
    }
  }

  private func send(
    _ status: HTTPResponseStatus, _ text: String, _ type: String, _ request: HTTPRequestHead,
    _ context: ChannelHandlerContext
  ) {
    let body = context.channel.allocator.buffer(string: text)
    var headers = HTTPHeaders([
      ("Content-Type", type), ("Content-Length", "\(body.readableBytes)"),
      ("Connection", "close"),
    ])
    if status == .methodNotAllowed { headers.add(name: "Allow", value: "GET, HEAD") }
    let head = HTTPResponseHead(version: request.version, status: status, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    if request.method != .HEAD {
      context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    }
    context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
      context.close(promise: nil)
    }
  }
}
