import Glibc
import Wire

/// Rules and traces in the text that DPDK's `dpdk-test-acl` reads (its ClassBench format), so that
/// `rte_acl` answers the same questions by the same rules.
enum FilterFile {
  /// Writes `PREFIX.rules` and `PREFIX.traces`.
  ///
  /// The remote address is the source; the destination, and the source port, may be any.
  static func write(
    _ rules: [FilterRule], _ trace: [FilterQuestion], to prefix: String
  ) throws(BenchmarkFailure) {
    try write(rules.map(line), to: "\(prefix).rules")
    try write(trace.map(line), to: "\(prefix).traces")
  }

  /// `@SOURCE/LENGTH DESTINATION/LENGTH LOW : HIGH LOW : HIGH PROTOCOL/MASK`
  static func line(_ rule: FilterRule) -> String {
    let ports = rule.ports ?? 0...UInt16.max
    let transport = rule.protocolNumber.map { "\($0)/255" } ?? "0/0"
    return "@\(rule.prefix.address)/\(rule.prefix.length) 0.0.0.0/0 0 : 65535 "
      + "\(ports.lowerBound) : \(ports.upperBound) \(transport)"
  }

  /// `SOURCE DESTINATION PORT PORT PROTOCOL`, all in decimal.
  static func line(_ question: FilterQuestion) -> String {
    let target = BenchmarkModel.source.v4Bits
    return "\(question.address) \(target) 40000 \(question.port) \(question.protocolNumber)"
  }

  private static func write(_ lines: [String], to path: String) throws(BenchmarkFailure) {
    guard let file = fopen(path, "w") else { throw .file(path) }
    var isWritten = true
    for line in lines where fputs(line + "\n", file) < 0 { isWritten = false }
    // What was buffered may fail only now.
    if fclose(file) != 0 || !isWritten { throw .file(path) }
  }
}
