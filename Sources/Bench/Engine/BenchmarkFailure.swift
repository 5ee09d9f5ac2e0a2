import TableCompiler

/// Why a benchmark has no figure.
public enum BenchmarkFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// The model cannot be compiled, which is a defect.
  case tables(TableCompilerError)
  /// The work that was timed is not the work that was asked for.
  case unproven(String)
  /// What is measured does not fit the memory that the machine has left, in bytes.
  case memory(needed: Int, available: Int)
  /// A file could not be written.
  case file(String)
  /// No program that finds functions by address is installed.
  case tool
  /// This program was built without it.
  case noDebugInformation
  /// The kernel gives no timer, for this reason.
  case sampling(String)

  public var description: String {
    switch self {
    case .tables(let error): "\(error)"
    case .unproven(let text): "the work was not done as it should: \(text)"
    case .memory(let needed, let available):
      "this needs \(Self.megabytes(needed)) MB of memory and \(Self.megabytes(available)) MB are"
        + " available: \(Self.megabytes(needed - available)) MB are missing"
    case .file(let path): "cannot write \(path)"
    case .tool: "stages are named by addr2line, which is not installed: it is in binutils"
    case .noDebugInformation:
      "this program has no debug information to name stages by: build it with 'swift build'"
    case .sampling(let why): "the kernel gives no timer: \(why)"
    }
  }

  private static func megabytes(_ bytes: Int) -> Int { (bytes + 1_048_575) / 1_048_576 }

  /// Throws `unproven` unless something holds.
  static func check(
    _ holds: Bool, _ text: @autoclosure () -> String
  ) throws(BenchmarkFailure) {
    guard holds else { throw .unproven(text()) }
  }
}
