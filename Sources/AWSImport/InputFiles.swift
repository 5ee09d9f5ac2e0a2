import Glibc
import VPCModel

/// Finds and reads the files of an import.
enum InputFiles {
  struct Path {
    var path: String
    /// The index of the file in `Findings.files`.
    var index: Int
    /// Whether the user named it, rather than its folder.
    var isNamed: Bool
  }

  /// The most that is read of one file, in bytes.
  static let largest = 1 << 30

  /// Files and the files of folders, those in order of name.
  static func list(_ paths: [String], _ findings: inout Findings) -> [Path] {
    var result: [Path] = []
    for path in paths {
      guard isFolder(path) else {
        result.append(Path(path: path, index: findings.files.count, isNamed: true))
        findings.files.append(path)
        continue
      }
      let names = names(in: path)
      if names?.isEmpty ?? true {
        findings.files.append(path)
        let place = Place(file: findings.files.count - 1, line: 1, column: 1, path: nil)
        findings.add(
          .unreadable, place, names == nil ? "cannot be listed" : "has no files in it")
      }
      for name in names ?? [] {
        let file = path.hasSuffix("/") ? path + name : "\(path)/\(name)"
        result.append(Path(path: file, index: findings.files.count, isNamed: false))
        findings.files.append(file)
      }
    }
    return result
  }

  /// The bytes of a file; nil, with a finding, when it cannot be read.
  static func read(_ path: String, _ index: Int, _ findings: inout Findings) -> [UInt8]? {
    let place = Place(file: index, line: 1, column: 1, path: nil)
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      findings.add(.unreadable, place, "cannot be read: \(reason())")
      return nil
    }
    defer { close(descriptor) }
    var status = stat()
    var bytes: [UInt8] = []
    if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG {
      bytes.reserveCapacity(min(Int(status.st_size), largest) + 1)
    }
    var piece = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = Glibc.read(descriptor, &piece, piece.count)
      if count == 0 { return bytes }
      guard count > 0, bytes.count + count <= largest else {
        let why = count < 0 ? "cannot be read: \(reason())" : "is larger than 1 GiB"
        findings.add(.unreadable, place, why)
        return nil
      }
      bytes.append(contentsOf: piece[..<count])
    }
  }

  private static func reason() -> String { String(cString: strerror(errno)) }

  private static func isFolder(_ path: String) -> Bool { kind(path) == S_IFDIR }

  /// Nil when there is nothing.
  private static func kind(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  /// Names of the regular files in a folder, without those that are hidden.
  private static func names(in folder: String) -> [String]? {
    guard let directory = opendir(folder) else { return nil }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      // A pipe, which nobody may ever write to, is none; a dead link is an error later.
      let kind = kind("\(folder)/\(name)") ?? S_IFREG
      if !name.hasPrefix("."), kind == S_IFREG { names.append(name) }
    }
    return names.sorted()
  }
}
