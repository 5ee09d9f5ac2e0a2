import ArgumentParser
import Glibc
import VhostBroker

/// `apus-vhostd`: the vhost-user broker.
@main
struct ApusVhostd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus-vhostd",
    abstract: "Stand between hypervisors and the data plane, so that guests outlive its restarts.",
    discussion: """
      The data plane connects to RUN-DIR/ENI.sock as a vhost-user back-end; `ready` on standard \
      output says that it can. SIGTERM and SIGINT end the broker, SIGHUP does not. One broker \
      serves a directory: broker.lock in it is locked, and holds the process's id.

      Example: a guest of QEMU, which listens (-chardev socket,path=/run/web.sock,server=on)

        apus-vhostd --run-dir /run/apus --guest eni=eni-web,socket=/run/web.sock
      """)

  @Option(help: "Where the data plane's sockets are; mode 0700, made when it is not there.")
  var runDir = "/run/apus"

  @Option(
    name: .customLong("guest"),
    help: "eni=ENI,socket=PATH[,listens]: the hypervisor's socket; with 'listens' the broker's.")
  var guests: [String] = []

  @Flag(help: "Begin without guests: the data plane has them added.")
  var withoutGuests = false

  @Flag(help: "Log each request.")
  var verbose = false

  func validate() throws {
    guard guests.isEmpty == withoutGuests else {
      throw ValidationError("name guests with --guest, or say --without-guests")
    }
  }

  func run() throws {
    let guests = try guests.map { text throws(BrokerError) in
      try GuestConfiguration(parsing: text)
    }
    // Before the threads, which inherit it: the signals are for sigwait below.
    var ends = sigset_t()
    sigemptyset(&ends)
    sigaddset(&ends, SIGTERM)
    sigaddset(&ends, SIGINT)
    pthread_sigmask(SIG_BLOCK, &ends, nil)
    signal(SIGHUP, SIG_IGN)
    let broker = try Broker(runDirectory: runDir, guests: guests, isVerbose: verbose)
    Self.write("ready\n", to: STDOUT_FILENO)
    var caught: Int32 = 0
    sigwait(&ends, &caught)
    broker.stop()
  }

  /// Exit codes: 0 done, 2 wrong usage, 5 a resource of the machine is missing or taken.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as BrokerError {
      write("apus-vhostd: \(error)\n", to: STDERR_FILENO)
      if case .guest = error { Glibc.exit(2) }
      Glibc.exit(5)
    } catch {
      let text = fullMessage(for: error)
      let isHelp = exitCode(for: error) == .success
      write(text.hasSuffix("\n") ? text : text + "\n", to: isHelp ? STDOUT_FILENO : STDERR_FILENO)
      Glibc.exit(isHelp ? 0 : 2)
    }
  }

  private static func write(_ text: String, to descriptor: Int32) {
    let bytes = Array(text.utf8)
    _ = Glibc.write(descriptor, bytes, bytes.count)
  }
}
