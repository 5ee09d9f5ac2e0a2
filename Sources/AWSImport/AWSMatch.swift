import VPCModel

/// Protocol and ports as AWS writes them.
enum AWSMatch {
  private static let names: [String: UInt8] = [
    "icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58,
  ]

  /// `IpProtocol`, `FromPort` and `ToPort` of a security group rule.
  ///
  /// Of protocols other than TCP, UDP, ICMP and ICMPv6 AWS lets all ports pass, whatever the rule
  /// says (API reference, `IpPermission`).
  static func ofGroupRule(_ fields: Fields) throws(Malformed) -> TrafficMatch {
    let number = try protocolNumber(fields.required("IpProtocol"))
    return try match(number, from: fields["FromPort"], to: fields["ToPort"], fields.place)
  }

  /// `Protocol`, `PortRange` and `IcmpTypeCode` of a network ACL's rule.
  static func ofACLEntry(_ fields: Fields) throws(Malformed) -> TrafficMatch {
    let number = try protocolNumber(fields.required("Protocol"))
    switch number {
    case 1, 58:
      let numbers = try fields.required("IcmpTypeCode").fields()
      return try match(number, from: numbers["Type"], to: numbers["Code"], fields.place)
    case 6, 17:
      let range = try fields.required("PortRange").fields()
      return try match(number, from: range["From"], to: range["To"], fields.place)
    default: return TrafficMatch(protocolNumber: number)
    }
  }

  /// A protocol by name or number; nil for `-1`, all.
  static func protocolNumber(_ value: Value) throws(Malformed) -> UInt8? {
    if let number = try? value.number(-1...255) { return number < 0 ? nil : UInt8(number) }
    let text = try value.text().lowercased()
    // Terraform takes the word too.
    if text == "all" { return nil }
    guard let number = names[text] else {
      throw Malformed(
        place: value.place,
        reason: "\(quote(text)) is no protocol: a number from -1 to 255 or "
          + names.keys.sorted().joined(separator: ", "))
    }
    return number
  }

  /// - Parameters:
  ///   - first: the lowest port, or the ICMP type; -1 is all.
  ///   - last: the highest port, or the ICMP code; -1 is all.
  static func match(
    _ number: UInt8?, from first: Value?, to last: Value?, _ place: Place
  ) throws(Malformed) -> TrafficMatch {
    var match = TrafficMatch(protocolNumber: number)
    switch number {
    case 1, 58:
      let type = try first?.number(-1...255) ?? -1
      let code = try last?.number(-1...255) ?? -1
      match.icmpType = UInt8(exactly: type)
      match.icmpCode = UInt8(exactly: code)
      if type < 0 && code >= 0 {
        throw Malformed(place: place, reason: "has an ICMP code (\(code)) for all types")
      }
    case 6, 17:
      guard let first, let last else {
        throw Malformed(place: place, reason: "has TCP or UDP without ports")
      }
      let low = try first.number(-1...65535)
      let high = try last.number(-1...65535)
      if low < 0 && high < 0 { break }
      guard low >= 0, high >= low else {
        throw Malformed(place: place, reason: "the ports \(low) to \(high) are no range")
      }
      if (low, high) != (0, 65535) { match.ports = [UInt16(low)...UInt16(high)] }
    default: break
    }
    return match
  }
}
