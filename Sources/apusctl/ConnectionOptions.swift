import ArgumentParser
import ControlAPI
import GRPCCore
import Glibc
import NIOPosix

/// Where the daemon is, and with what to prove who calls.
struct ConnectionOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The daemon's API.", valueName: "unix:path | host:port"))
  var address = "unix:/run/apus/control.sock"

  @Option(help: ArgumentHelp("Authorities of the server's certificate.", valueName: "pem"))
  var ca: String?

  @Option(help: ArgumentHelp("The certificate to call with.", valueName: "pem"))
  var cert: String?

  @Option(help: ArgumentHelp("The certificate's key.", valueName: "pem"))
  var key: String?

  @Flag(help: "Print JSON.")
  var json = false

  /// Connects, and turns what the daemon refuses into the tool's failures.
  ///
  /// - Parameter sendsModel: the request has a model.
  func call<Answer: Sendable>(
    sendsModel: Bool = false, _ body: @Sendable (ControlClient) async throws -> Answer
  ) async throws -> Answer {
    guard let place = ControlAddress(address) else {
      throw ToolFailure(
        .usage, what: "--address \(address)", why: "not an address",
        advice: "such as unix:/run/apus/control.sock or host.example:7443")
    }
    let credentials = try credentials(for: place)
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    do {
      let answer = try await ControlClient.with(
        place, credentials: credentials, group: group, body: body)
      try? await group.shutdownGracefully()
      return answer
    } catch let error as RPCError {
      throw ToolFailure(error, from: address, sentModel: sendsModel)
    } catch let error as RuntimeError {
      throw ToolFailure(
        .input, what: address, why: error.message, advice: "check --ca, --cert and --key")
    }
  }

  private func credentials(for place: ControlAddress) throws -> ControlClient.Credentials? {
    guard case .tls = place else {
      if case .unix(let path) = place { try Self.checkSocket(path) }
      return nil
    }
    guard let ca, let cert, let key else {
      throw ToolFailure(
        .usage, what: "--address \(address)", why: "TLS needs --ca, --cert and --key",
        advice: "or use the Unix socket on the host itself")
    }
    for path in [ca, cert, key] where access(path, R_OK) != 0 {
      throw ToolFailure(
        .input, what: path, why: "cannot be read: \(String(cString: strerror(errno)))",
        advice: "check the path")
    }
    return ControlClient.Credentials(authorities: ca, certificate: cert, key: key)
  }

  /// Tells a daemon that is not there from a socket that this user may not use.
  private static func checkSocket(_ path: String) throws {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw ToolFailure(
        .usage, what: path, why: "over 107 bytes, the limit of Unix sockets",
        advice: "use a shorter path")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    if result == 0 { return }
    switch errno {
    case ENOENT, ECONNREFUSED:
      throw ToolFailure(
        .resource, what: "unix:\(path)", why: "no daemon listens there",
        advice: "start it: apus run --config host.yaml")
    case EACCES:
      throw ToolFailure(
        .resource, what: "unix:\(path)", why: "this user may not use it",
        advice: "become root, or the daemon's user: sudo apus ...")
    default:
      throw ToolFailure(
        .resource, what: "unix:\(path)", why: String(cString: strerror(errno)),
        advice: "check the path")
    }
  }
}
