import Glibc

/// Other programs of Apus, which are in the folder of this one.
enum Sibling {
  /// Goes on as another program.
  ///
  /// - Parameter command: what the user called.
  /// - Returns: why it cannot; only then does it return.
  static func replaceProcess(
    _ name: String, command: String, arguments: [String]
  ) -> CommandFailure {
    let program: String
    do { program = try path(name, command) } catch { return error }
    var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
    defer { for word in words { free(word) } }
    words.append(nil)
    execv(program, words)
    return CommandFailure(
      .resource, what: command,
      why: "\(program) cannot be started: \(String(cString: strerror(errno)))",
      advice: "build it with 'swift build -c release --product \(name)' and keep it beside apus")
  }

  /// The path of another executable in the folder of this one.
  private static func path(_ name: String, _ command: String) throws(CommandFailure) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
    guard length > 0 else {
      throw CommandFailure(
        .resource, what: command, why: "/proc/self/exe cannot be read", advice: "mount /proc")
    }
    let path = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard let slash = path.lastIndex(of: "/") else { return name }
    return path[...slash] + name
  }
}
