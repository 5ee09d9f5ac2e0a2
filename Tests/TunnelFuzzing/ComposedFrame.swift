/// Composes the right frames that targets begin with.
package enum ComposedFrame {
  package struct IPFields {
    package var source: [UInt8]
    package var destination: [UInt8]
    package var protocolNumber: UInt8
    package var identifier: UInt16 = 1
    /// In bytes; with `more` false and 0 it is no fragment.
    package var fragmentOffset = 0
    package var more = false

    package init(
      source: [UInt8], destination: [UInt8], protocolNumber: UInt8, identifier: UInt16 = 1,
      fragmentOffset: Int = 0, more: Bool = false
    ) {
      self.source = source
      self.destination = destination
      self.protocolNumber = protocolNumber
      self.identifier = identifier
      self.fragmentOffset = fragmentOffset
      self.more = more
    }
  }

  package static func big(_ value: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
  }

  package static func big(_ value: UInt32) -> [UInt8] {
    big(Int(value >> 16)) + big(Int(value & 0xFFFF))
  }

  /// fd00:10:0:SUBNET::HOST.
  package static func v6(_ subnet: UInt8, _ host: UInt8) -> [UInt8] {
    [0xFD, 0, 0, 0x10, 0, 0, 0, subnet, 0, 0, 0, 0, 0, 0, 0, host]
  }

  package static func ethernet(
    _ type: Int, _ payload: [UInt8], to destination: UInt8 = 0x0A, from source: UInt8 = 0x14
  ) -> [UInt8] {
    [2, 0, 0, 0, 0, destination, 2, 0, 0, 0, 0, source] + big(type) + payload
  }

  package static func ip(_ fields: IPFields, _ payload: [UInt8]) -> [UInt8] {
    fields.source.count == 4 ? ipv4(fields, payload) : ipv6(fields, payload)
  }

  private static func ipv4(_ fields: IPFields, _ payload: [UInt8]) -> [UInt8] {
    let flags = (fields.more ? 0x2000 : 0) | fields.fragmentOffset / 8
    // The checksum is left to the device: zero.
    return [0x45, 0] + big(20 + payload.count) + big(Int(fields.identifier)) + big(flags)
      + [64, fields.protocolNumber, 0, 0] + fields.source + fields.destination + payload
  }

  private static func ipv6(_ fields: IPFields, _ payload: [UInt8]) -> [UInt8] {
    let isFragment = fields.more || fields.fragmentOffset > 0
    let header =
      isFragment
      ? [fields.protocolNumber, 0] + big(fields.fragmentOffset | (fields.more ? 1 : 0))
        + big(UInt32(fields.identifier)) : []
    return [0x60, 0, 0, 0] + big(header.count + payload.count)
      + [isFragment ? 44 : fields.protocolNumber, 64] + fields.source + fields.destination + header
      + payload
  }

  package static func udp(_ source: Int, _ destination: Int, _ payload: Int) -> [UInt8] {
    big(source) + big(destination) + big(8 + payload) + [0, 0]
      + [UInt8](repeating: 0x61, count: payload)
  }
}
