import Datapath
import Explanation
import Tables
import Wire

/// Writes the verdict of every packet as a line of JSON.
///
/// Names are escaped once, at the start; a line is composed in the buffer of the file without
/// allocation.
final class VerdictWriter {
  private let sink: ByteSink
  private let fileNames: TextPool
  private let nicIDs: TextPool
  private let ruleNames: TextPool
  private let reasons: TextPool
  private let longestLine: Int

  /// - Parameters:
  ///   - sink: where lines go.
  ///   - files: capture paths as given.
  ///   - nicIDs: ids by NIC index.
  ///   - ruleNames: names by rule number; the first is empty.
  init(sink: ByteSink, files: [String], nicIDs: [String], ruleNames: [String]) {
    self.sink = sink
    fileNames = TextPool(files.map { JSONText.quote($0) })
    self.nicIDs = TextPool(nicIDs.map { JSONText.quote($0) } + ["\"\""])
    self.ruleNames = TextPool(ruleNames.map { JSONText.quote($0) })
    var byNumber = [String](repeating: "\"\"", count: 256)
    for reason in DropReason.allCases { byNumber[Int(reason.rawValue)] = "\"\(reason.name)\"" }
    reasons = TextPool(byNumber)
    longestLine =
      512 + fileNames.longest + 2 * self.nicIDs.longest + self.ruleNames.longest + reasons.longest
    precondition(longestLine < ByteSink.capacity)
  }

  var hasFailed: Bool { sink.hasFailed }

  func flush() { sink.flush() }

  func close() throws(ReplayError) { try sink.close() }

  /// Appends the line of one packet.
  ///
  /// - Parameters:
  ///   - number: counted from 1 in its file.
  ///   - time: as recorded, in nanoseconds.
  ///   - bytes: original length of the recorded frame.
  func write(file: Int, number: UInt64, time: UInt64, bytes: UInt32, _ outcome: Outcome) {
    sink.reserve(longestLine)
    var cursor = sink.buffer + sink.count
    put("{\"packet\":", &cursor)
    putNumber(number, &cursor)
    put(",\"file\":", &cursor)
    cursor = fileNames.copy(file, to: cursor)
    put(",\"time\":\"", &cursor)
    putTime(time, &cursor)
    put("\",\"eni\":", &cursor)
    let nic = outcome.nic == .none ? nicIDs.count - 1 : Int(outcome.nic)
    cursor = nicIDs.copy(nic, to: cursor)
    put(",\"direction\":\"", &cursor)
    put(outcome.direction.name, &cursor)
    put("\",\"verdict\":\"", &cursor)
    put(outcome.verdict.name, &cursor)
    put("\",\"reason\":", &cursor)
    cursor = reasons.copy(Int(outcome.reason.rawValue), to: cursor)
    put(",\"rule\":", &cursor)
    cursor = ruleNames.copy(Int(outcome.rule), to: cursor)
    put(",\"state\":\"", &cursor)
    put(outcome.state.name, &cursor)
    put("\",\"output\":", &cursor)
    if let output = outcome.output.nicIndex {
      cursor = nicIDs.copy(Int(output), to: cursor)
    } else {
      put(outcome.output == .underlay ? "\"underlay\"" : "null", &cursor)
    }
    put(",\"bytes\":", &cursor)
    putNumber(UInt64(bytes), &cursor)
    put("}\n", &cursor)
    sink.count = cursor - sink.buffer
  }
}

/// Copies a text that is known at compile time, and steps over it.
@inline(__always)
private func put(_ text: StaticString, _ cursor: inout UnsafeMutablePointer<UInt8>) {
  cursor.update(from: text.utf8Start, count: text.utf8CodeUnitCount)
  cursor += text.utf8CodeUnitCount
}

/// Writes a decimal number.
@inline(__always)
private func putNumber(_ value: UInt64, _ cursor: inout UnsafeMutablePointer<UInt8>) {
  var length = 1
  var rest = value
  while rest >= 10 {
    rest /= 10
    length += 1
  }
  putDigits(value, length, &cursor)
}

/// Writes the last `length` decimal digits of a number.
@inline(__always)
private func putDigits(
  _ value: UInt64, _ length: Int, _ cursor: inout UnsafeMutablePointer<UInt8>
) {
  var rest = value
  var position = length
  while position > 0 {
    position -= 1
    cursor[position] = UInt8(truncatingIfNeeded: 48 + rest % 10)
    rest /= 10
  }
  cursor += length
}

/// Writes seconds and nine decimals.
@inline(__always)
private func putTime(_ time: UInt64, _ cursor: inout UnsafeMutablePointer<UInt8>) {
  putNumber(time / 1_000_000_000, &cursor)
  cursor[0] = UInt8(ascii: ".")
  cursor += 1
  putDigits(time % 1_000_000_000, 9, &cursor)
}
