import ArgumentParser
import Glibc

/// `apus run`: starts the daemon, a program of its own beside this one.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Serve the network interfaces of this host's guests.",
    discussion: """
      Starts 'apusd' with the same arguments; 'apus run --help' lists them.

      Example:

        apus run --config host.yaml --rules vpc.yaml
      """)

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []

  func run() throws {
    let daemon = try Self.sibling("apusd")
    var words: [UnsafeMutablePointer<CChar>?] = ([daemon] + arguments).map { strdup($0) }
    defer { for word in words { free(word) } }
    words.append(nil)
    execv(daemon, words)
    // Only a failure comes back.
    let reason = errno
    throw CommandFailure(
      .resource, what: "run",
      why: "\(daemon) cannot be started: \(String(cString: strerror(reason)))",
      advice: "build it with 'swift build -c release --product apusd' and keep it beside apus")
  }

  /// The path of another executable in the folder of this one.
  static func sibling(_ name: String) throws(CommandFailure) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
    guard length > 0 else {
      throw CommandFailure(
        .resource, what: "run", why: "/proc/self/exe cannot be read", advice: "mount /proc")
    }
    let path = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard let slash = path.lastIndex(of: "/") else { return name }
    return path[...slash] + name
  }
}
