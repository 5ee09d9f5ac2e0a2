import Glibc

/// What a path leads to, through links.
struct FileIdentity: Equatable {
  var device: UInt64
  var inode: UInt64
  var isRegular: Bool
  /// A pipe, socket or device, which gives its bytes only once.
  var isStream: Bool
  /// Bytes of a regular file; nil for pipes and devices.
  var size: Double?

  /// Nil when there is nothing at the path, or it is `-`.
  init?(path: String) {
    var status = stat()
    guard path != "-", stat(path, &status) == 0 else { return nil }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    isRegular = status.st_mode & S_IFMT == S_IFREG
    isStream = !isRegular && status.st_mode & S_IFMT != S_IFDIR
    size = isRegular ? Double(status.st_size) : nil
  }
}

/// Refuses outputs that would destroy an input or each other.
enum OutputPaths {
  static func check(_ options: ReplayOptions) throws(ReplayError) {
    var outputs: [(option: String, path: String)] = []
    for (option, path) in [
      ("--verdicts", options.verdicts), ("--out", options.out),
      ("--annotated", options.annotated), ("--flow-log", options.flowLog),
      ("--report", options.report),
    ] {
      if let path { outputs.append((option, path)) }
    }
    for (position, output) in outputs.enumerated() {
      for input in options.captures + options.models + options.against
      where isSame(output.path, input) {
        throw .usage(
          what: "\(output.option) \(output.path)",
          why: "it would overwrite the input \(input) (choose another file)")
      }
      for other in outputs[..<position]
      where isSame(output.path, other.path) || output.path == "-" && other.path == "-" {
        throw .usage(
          what: "\(output.option) \(output.path)",
          why: "\(other.option) writes there too (choose another file)")
      }
    }
    if options.captures.filter({ $0 == "-" }).count > 1 {
      throw .usage(what: "-", why: "standard input can be read only once")
    }
  }

  /// Whether two paths mean one regular file, or one that would be created, or standard output.
  private static func isSame(_ a: String, _ b: String) -> Bool {
    if a == "-" || b == "-" { return false }
    if let first = FileIdentity(path: a), let second = FileIdentity(path: b) {
      return first.isRegular && first == second
    }
    return created(a) != nil && created(a) == created(b)
  }

  /// The absolute path of a file that does not exist yet; nil when it exists.
  private static func created(_ path: String) -> String? {
    guard FileIdentity(path: path) == nil else { return nil }
    var parent = "."
    var name = path[...]
    if let slash = path.lastIndex(of: "/") {
      parent = slash == path.startIndex ? "/" : String(path[..<slash])
      name = path[path.index(after: slash)...]
    }
    guard let real = realpath(parent, nil) else { return path }
    defer { free(real) }
    return String(cString: real) + "/" + name
  }
}
