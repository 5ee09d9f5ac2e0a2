import ControlAPI
import Glibc

/// Files that the tool sends.
enum InputFile {
  /// Reads a model file; `-` is standard input.
  static func document(_ path: String) throws(ToolFailure) -> ControlClient.Document {
    let isStandardInput = path == "-"
    let descriptor = isStandardInput ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw unreadable(path, errno) }
    defer { if !isStandardInput { close(descriptor) } }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count == 0 { break }
      if count < 0 {
        if errno == EINTR { continue }
        throw unreadable(path, errno)
      }
      text += buffer[..<count]
    }
    return ControlClient.Document(name: isStandardInput ? "standard input" : path, text: text)
  }

  private static func unreadable(_ path: String, _ code: Int32) -> ToolFailure {
    ToolFailure(
      .input, what: path, why: "cannot be read: \(String(cString: strerror(code)))",
      advice: "check the path")
  }
}
