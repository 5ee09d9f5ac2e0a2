import Glibc

/// Finds the functions and lines of addresses in this program by its debug information, with
/// binutils' `addr2line` or LLVM's.
enum Symbolizer {
  /// Whether one of the programs is installed.
  static var isThere: Bool { tool() != nil }

  /// The functions of each address, the innermost first, as they were inlined into each other.
  ///
  /// - Throws: `tool` when neither program is there; `noDebugInformation`.
  static func frames(
    of addresses: [UInt64]
  ) throws(BenchmarkFailure) -> [UInt64: [SourceFrame]] {
    if addresses.isEmpty { return [:] }
    let file = try ask(addresses)
    defer { pclose(file) }
    var found: [UInt64: [SourceFrame]] = [:]
    var address: UInt64?
    var function: String?
    var line = [CChar](repeating: 0, count: 16_384)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 && $0 != 10 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      if let name = function {
        if let address { found[address, default: []].append(.init(function: name, place: text)) }
        function = nil
      } else if text.hasPrefix("0x") {
        address = UInt64(text.dropFirst(2), radix: 16)
      } else {
        function = text
      }
    }
    guard found.values.contains(where: { $0.contains { $0.stage != nil } }) else {
      throw .noDebugInformation
    }
    return found
  }

  /// Starts the program; its standard input is a file with the addresses, which has no name.
  private static func ask(
    _ addresses: [UInt64]
  ) throws(BenchmarkFailure) -> UnsafeMutablePointer<FILE> {
    guard let tool = tool() else { throw .tool }
    guard let input = tmpfile() else { throw .file("a temporary file") }
    defer { fclose(input) }
    for address in addresses { fputs("0x" + String(address, radix: 16) + "\n", input) }
    fflush(input)
    rewind(input)
    let (process, descriptor) = (getpid(), fileno(input))
    let command =
      "\(tool) -a -f -i -e /proc/\(process)/exe </proc/\(process)/fd/\(descriptor) 2>/dev/null"
    guard let output = popen(command, "r") else { throw .tool }
    // The program reads what it was given before the file is closed here: the first byte of its
    // answer says that it has it open.
    let first = getc(output)
    if first != EOF { ungetc(first, output) }
    return output
  }

  private static func tool() -> String? {
    let folders = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":")
    for name in ["addr2line", "llvm-addr2line"] {
      if folders.contains(where: { access("\($0)/\(name)", X_OK) == 0 }) { return name }
    }
    return nil
  }
}
