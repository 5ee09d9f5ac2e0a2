import Wire

/// Protocol numbers that the model names (IANA, Assigned Internet Protocol Numbers).
enum ProtocolNumber {
  static let icmp: UInt8 = 1
  static let tcp: UInt8 = 6
  static let udp: UInt8 = 17
  static let icmpv6: UInt8 = 58
  static let sctp: UInt8 = 132

  static let names: [String: UInt8] = [
    "icmp": icmp, "tcp": tcp, "udp": udp, "icmpv6": icmpv6, "sctp": sctp,
  ]
}

extension ModelReader {
  /// The fields `protocol`, `ports`, `type` and `code` of a rule.
  mutating func trafficMatch(_ fields: Fields) -> TrafficMatch? {
    guard let number = protocolNumber(fields["protocol"]) else {
      // The protocol is wrong or missing; what can be said without it is said.
      _ = ports(fields["ports"])
      _ = (icmpNumber(fields["type"]), icmpNumber(fields["code"]))
      return nil
    }
    var match = TrafficMatch(protocolNumber: number.value)
    if let field = fields["ports"] {
      if let ports = ports(field) { match.ports = ports }
      if ![ProtocolNumber.tcp, ProtocolNumber.udp, ProtocolNumber.sctp].contains(number.value) {
        fail(field.place, "only tcp, udp and sctp have ports")
      }
    }
    let type = icmpNumber(fields["type"])
    let code = icmpNumber(fields["code"])
    match.icmpType = type?.value
    match.icmpCode = code?.value
    if number.value != ProtocolNumber.icmp && number.value != ProtocolNumber.icmpv6 {
      for name in ["type", "code"] {
        if let field = fields[name] { fail(field.place, "only icmp and icmpv6 have a \(name)") }
      }
    } else if let field = fields["code"], code?.value != nil, type?.value == nil {
      if fields["type"] == nil || type != nil { fail(field.place, "needs a `type` as well") }
    }
    return match
  }

  /// A number, or any.
  private struct NumberOrAny {
    var value: UInt8?
  }

  private mutating func protocolNumber(_ field: Located?) -> NumberOrAny? {
    let expected = "`all`, `tcp`, `udp`, `icmp`, `icmpv6`, `sctp` or a number from 0 to 255"
    guard let field, let text = characters(field, expected) else { return nil }
    if text == "all" { return NumberOrAny(value: nil) }
    if let number = ProtocolNumber.names[text] { return NumberOrAny(value: number) }
    if let number = decimal(text).flatMap({ UInt8(exactly: $0) }) {
      return NumberOrAny(value: number)
    }
    fail(field.place, "must be \(expected), not \(quote(text))")
    return nil
  }

  private mutating func icmpNumber(_ field: Located?) -> NumberOrAny? {
    let expected = "`any` or a number from 0 to 255"
    guard let field, let text = characters(field, expected) else { return nil }
    if text == "any" { return NumberOrAny(value: nil) }
    if let number = decimal(text).flatMap({ UInt8(exactly: $0) }) {
      return NumberOrAny(value: number)
    }
    fail(field.place, "must be \(expected), not \(quote(text))")
    return nil
  }

  /// Port ranges in ascending order, joined where they touch; nil when absent or wrong.
  private mutating func ports(_ field: Located?) -> [ClosedRange<UInt16>]? {
    guard let field else { return nil }
    if field.isEmptyList {
      fail(field.place, "must hold at least one port; leave it out for all ports")
      return nil
    }
    return joined(oneOrMore(field).compactMap { portRange($0) })
  }

  private mutating func portRange(_ field: Located) -> ClosedRange<UInt16>? {
    let expected = "a port such as 443 or a range such as 80-90"
    guard let text = characters(field, expected) else { return nil }
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { decimal($0) }
    guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1] else {
      fail(field.place, "must be \(expected), not \(quote(text))")
      return nil
    }
    guard first <= 65535, last <= 65535 else {
      fail(field.place, "port \(max(first, last)) is above 65535")
      return nil
    }
    guard first <= last else {
      fail(field.place, "the range \(quote(text)) ends before it starts")
      return nil
    }
    return UInt16(first)...UInt16(last)
  }

  private func joined(_ ranges: [ClosedRange<UInt16>]) -> [ClosedRange<UInt16>] {
    var result: [ClosedRange<UInt16>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = result.last, UInt32(range.lowerBound) <= UInt32(last.upperBound) + 1 {
        result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
    }
    return result
  }
}
