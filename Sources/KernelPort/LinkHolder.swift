import Glibc

/// The process that holds a BPF link, to be named in an error.
struct LinkHolder {
  let process: Int
  let name: String

  /// Looks through the open files of all processes (proc(5), fdinfo); nil when none has the link,
  /// or it is in another PID namespace.
  init?(link: UInt32) {
    let line = "link_id:\t\(link)\n"
    for process in Self.entries("/proc").compactMap({ Int($0) }) {
      for descriptor in Self.entries("/proc/\(process)/fdinfo")
      where Self.text("/proc/\(process)/fdinfo/\(descriptor)").contains(line) {
        self.process = process
        name = String(Self.text("/proc/\(process)/comm").prefix { $0 != "\n" })
        return
      }
    }
    return nil
  }

  private static func entries(_ folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }

  /// The first 4 KB of a file, which is more than these have.
  private static func text(_ path: String) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(file, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }
}
