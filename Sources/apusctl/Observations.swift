import ControlProtocol
import Glibc
import SwiftProtobuf

// How packets that were looked at are told.

/// Standard output, as packets come; `print` would keep them back in a pipe.
enum StandardOutput {
  static func write(_ text: String) throws(ToolFailure) {
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      let written = bytes[done...].withUnsafeBytes {
        Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count)
      }
      if written > 0 {
        done += written
      } else if errno != EINTR {
        throw ToolFailure(
          .resource, what: "standard output", why: String(cString: strerror(errno)),
          advice: "check where it goes")
      }
    }
  }
}

extension Apus_V1_PacketSummary {
  /// Such as `tcp 198.51.100.66:40000 > 10.0.1.10:22, 58 bytes`.
  var text: String {
    guard hasProtocol else { return "no IP packet, \(bytes) bytes" }
    let from = Self.end(source, sourcePort, destinationPort)
    let to = Self.end(destination, destinationPort, sourcePort)
    return "\(IPProtocolName.text(`protocol`)) \(from) > \(to), \(bytes) bytes"
  }

  /// An address, and its port unless the packet has none.
  private static func end(_ address: String, _ port: UInt32, _ other: UInt32) -> String {
    if port == 0 && other == 0 { return address }
    return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
  }

  /// In JSON.
  var fields: [(String, JSON)] {
    var fields: [(String, JSON)] = [("bytes", .number(UInt64(bytes)))]
    if hasProtocol {
      fields += [
        ("protocol", .number(UInt64(`protocol`))), ("source", .text(source)),
        ("sourcePort", .number(UInt64(sourcePort))), ("destination", .text(destination)),
        ("destinationPort", .number(UInt64(destinationPort))),
      ]
    }
    if hasVni { fields.append(("vni", .number(UInt64(vni)))) }
    return fields
  }
}

extension Apus_V1_PacketVerdict {
  /// In JSON, without the sentence.
  var fields: [(String, JSON)] {
    [
      ("eni", .text(networkInterface)), ("direction", .text(direction)),
      ("verdict", .text(verdict)), ("reason", .text(reason)), ("rule", .text(rule)),
      ("state", .text(state)), ("output", .text(output)),
    ]
  }
}

extension Apus_V1_ObservationEnd {
  /// The word in JSON.
  var name: String {
    switch self {
    case .count: "count"
    case .duration: "duration"
    case .networkInterface: "networkInterface"
    case .daemon: "daemon"
    case .unspecified, .UNRECOGNIZED: "unknown"
    }
  }

  /// For people.
  var text: String {
    switch self {
    case .count: "as many as asked for"
    case .duration: "the time is over"
    case .networkInterface: "the network interface is there no more"
    case .daemon: "the daemon ends"
    case .unspecified, .UNRECOGNIZED: "no reason given"
    }
  }
}

extension Apus_V1_ObservationLoss {
  /// What was not shown; nil when nothing is missing.
  var text: String? {
    if overrun == 0 && unaffordable == 0 { return nil }
    return "not shown: \(overrun) that were not taken fast enough, \(unaffordable) that would "
      + "have taken more than 5 % of a worker's time"
  }
}

/// What a trace or capture came to.
struct ObservationTotals {
  var packets: UInt64 = 0
  var bytes: UInt64 = 0
  var loss = Apus_V1_ObservationLoss()
  var end = Apus_V1_ObservationEnd.unspecified

  /// Tells people on standard error.
  func report() {
    let count = "\(packets) \(packets == 1 ? "packet" : "packets")"
    Self.tell("\(count): \(end.text)")
    if let missing = loss.text { Self.tell(missing) }
  }

  static func tell(_ text: String) {
    let line = Array("apus: \(text)\n".utf8)
    // Standard error may be gone; then there is nobody to tell.
    _ = write(STDERR_FILENO, line, line.count)
  }
}

extension Google_Protobuf_Timestamp {
  /// Nanoseconds since 1970.
  var nanoseconds: UInt64 {
    UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, nanos))
  }

  /// As verdict lines have it: seconds since 1970, and nine decimals.
  var decimal: String { "\(seconds).\(Self.padded(Int64(nanos), 9))" }

  /// Time of day, UTC.
  var timeOfDay: String {
    let day = seconds % 86_400
    let clock = [day / 3_600, day / 60 % 60, day % 60].map { Self.padded($0, 2) }
    return clock.joined(separator: ":") + "." + Self.padded(Int64(nanos) / 1_000, 6)
  }

  private static func padded(_ number: Int64, _ digits: Int) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}
