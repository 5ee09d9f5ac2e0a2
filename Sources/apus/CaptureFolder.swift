import Glibc

/// The captures of a folder.
enum CaptureFolder {
  private static let endings = [".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".cap.gz"]

  /// The path itself, or of a folder the captures in it, in the order of their names.
  ///
  /// - Throws: when a folder has none, or cannot be read.
  static func files(_ path: String) throws(CommandFailure) -> [String] {
    var status = stat()
    guard path != "-", stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      return [path]
    }
    guard let folder = opendir(path) else {
      throw CommandFailure(
        .input, what: path, why: "cannot be read: \(String(cString: strerror(errno)))",
        advice: "check the path")
    }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix("."), endings.contains(where: { name.hasSuffix($0) }) {
        names.append(name)
      }
    }
    guard !names.isEmpty else {
      throw CommandFailure(
        .input, what: path, why: "no captures in this folder",
        advice: "files that end in \(endings.joined(separator: ", ")) are read")
    }
    let start = path.hasSuffix("/") ? path : path + "/"
    return names.sorted().map { start + $0 }
  }
}
