import Tables
import Wire

extension Worker {
  /// Step 10: the path's size. Fragmentation of an IPv4 packet without DF is left to the owner.
  @inline(__always)
  mutating func sizeStep(
    _ packet: inout Packet, _ context: inout PacketContext, _ destination: Destination,
    nic: TableIndex, _ tables: borrowing RuleTables
  ) -> DropReason {
    if !tables.host.isPresent { return .none }
    var limit = tables.host.innerMTU
    // Beyond an internet gateway, paths of 1500 bytes are all that AWS promises.
    if destination.kind == .gateway { limit = min(limit, 1500) }
    if context.headers.datagramLength <= limit { return .none }
    if packet.segmentSize != 0 && context.segmentDatagramLength(packet) <= limit { return .none }
    return refuseSize(&packet, &context, limit: limit, nic: nic)
  }

  @inline(never)
  private mutating func refuseSize(
    _ packet: inout Packet, _ context: inout PacketContext, limit: UInt32, nic: TableIndex
  ) -> DropReason {
    note(.size, UInt64(context.headers.datagramLength), UInt64(limit))
    packet.mtu = limit
    // Segments cannot be fragments too; a sender that segments knows how to learn a path's MTU.
    if !context.headers.dontFragment && packet.segmentSize == 0 {
      packet.flags.insert(.needsFragmentation)
      return .none
    }
    if packet.time >= nics[nic].nextTooBig {
      // A hundred answers a second: enough for path MTU discovery, too few to be a weapon.
      nics[nic].nextTooBig = packet.time &+ 10_000_000
      packet.flags.insert(.answerTooBig)
    }
    return .mtuExceeded
  }

  /// Step 12: the frame gets the outer header of its destination's host.
  @inline(__always)
  mutating func encapsulate(
    _ packet: inout Packet, _ context: inout PacketContext, _ destination: Destination,
    nic: TableIndex, _ tables: borrowing RuleTables
  ) {
    packet.output = .underlay
    trim(&packet, &context)
    let endpoint: TableIndex
    let vni: UInt32
    if destination.kind == .gateway {
      let gateway = tables.gateways[destination.index]
      endpoint = gateway.endpoint
      vni = gateway.vni
      translateSource(&packet, context.headers, nic: nic, tables)
    } else {
      let mapping = tables.mappings[destination.index]
      endpoint = mapping.endpoint
      vni = mapping.vni
      // What the guest sent to its router goes to the receiver itself.
      // SAFETY: the parser saw a whole Ethernet header.
      if unsafe UnsafeRawPointer(packet.base).mac(0) == .router {
        unsafe packet.base.storeMAC(mapping.mac, at: 0)
      }
    }
    packet.endpoint = endpoint
    if endpoint == .none { return }
    let port = entropyPort(&context)
    if packet.flags.contains(.needsFragmentation) {
      packet.vni = vni
      packet.entropyPort = port
      return
    }
    encapsulate(&packet, endpoint: endpoint, vni: vni, entropyPort: port, tables)
  }

  /// Puts the outer header for an endpoint before a frame.
  ///
  /// The UDP checksum is zero over IPv4 (RFC 8926 section 3.3, RFC 7348 section 5) and computed
  /// over IPv6 (RFC 8200 section 8.1).
  ///
  /// - Parameters:
  ///   - packet: the inner frame, with at least the endpoint's header length as headroom.
  ///   - vni: 24 bits.
  ///   - entropyPort: the outer source port, the same for all packets of a flow.
  @inline(__always)
  @_noLocks
  public func encapsulate(
    _ packet: inout Packet, endpoint index: TableIndex, vni: UInt32, entropyPort: UInt16,
    _ tables: borrowing RuleTables
  ) {
    // SAFETY: `pointer` checks the bounds; the template has 80 bytes, of which 50 or 70 are stored.
    let template = unsafe tables.endpoints.pointer(Int(index))
    let size = unsafe template.pointee.headerLength
    precondition(packet.headroom >= size)
    let base = unsafe packet.base - Int(size)
    // Lengths are those of the wire: a capture may hold less.
    let inner = packet.originalLength
    if size == 50 {
      unsafe OuterHeaderWriter.writeIPv4(
        base, template, inner: inner, vni: vni, entropyPort: entropyPort)
    } else {
      unsafe OuterHeaderWriter.writeIPv6(
        base, template, inner: inner, innerCaptured: Int(packet.length), vni: vni,
        entropyPort: entropyPort)
    }
    unsafe packet.base = unsafe base
    packet.length &+= size
    packet.originalLength &+= size
    packet.headroom &-= size
  }

  /// The outer UDP source port: the same both ways of a flow and on every host, in the dynamic
  /// range that RFC 7348 section 5 recommends.
  @inline(__always)
  func entropyPort(_ context: inout PacketContext) -> UInt16 {
    let hasPorts = context.headers.hasPorts && !context.headers.isFragment
    let hash = symmetricHash(context.headers, hasPorts: hasPorts)
    return 0xC000 | UInt16(truncatingIfNeeded: hash >> 24) & 0x3FFF
  }

  /// A hash of the five-tuple that is the same for both directions of a flow.
  ///
  /// - Parameter hasPorts: the ports are known and count.
  @_transparent
  func symmetricHash(_ headers: borrowing Headers, hasPorts: Bool) -> UInt64 {
    // Sums and exclusive-ors of both ends do not change when the ends are swapped.
    var mixed =
      (headers.sourceLow ^ headers.destinationLow)
      &+ (headers.sourceHigh ^ headers.destinationHigh) &* 0x9E37_79B9_7F4A_7C15
      &+ UInt64(headers.transport)
    if hasPorts {
      let difference = headers.sourcePort ^ headers.destinationPort
      let sum = UInt32(headers.sourcePort) &+ UInt32(headers.destinationPort)
      mixed &+= UInt64(difference) << 48 &+ UInt64(sum) << 32
    }
    let product = mixed.multipliedFullWidth(by: 0x1656_67B1_9E37_79F9)
    return product.high ^ product.low
  }

  /// Cuts what is behind the IP packet: Ethernet padding must not leave (CVE-2020-35498's lesson).
  @inline(__always)
  func trim(_ packet: inout Packet, _ context: inout PacketContext) {
    let end = UInt32(context.headers.networkOffset) &+ context.headers.datagramLength
    packet.originalLength = end
    packet.length = min(packet.length, end)
  }
}

/// Stores an outer header from its template and fills in what differs from packet to packet.
enum OuterHeaderWriter {
  /// Ethernet 14, IPv4 20, UDP 8, Geneve or VXLAN 8.
  @unsafe @inline(__always)
  static func writeIPv4(
    _ base: UnsafeMutableRawPointer, _ template: UnsafePointer<EndpointRecord>, inner: UInt32,
    vni: UInt32, entropyPort: UInt16
  ) {
    // SAFETY: the caller has 50 bytes at `base`.
    let words = unsafe template.pointee.template.words
    unsafe base.storeBytes(of: words.0, as: UInt64.self)
    unsafe base.storeBytes(of: words.1, toByteOffset: 8, as: UInt64.self)
    unsafe base.storeBytes(of: words.2, toByteOffset: 16, as: UInt64.self)
    unsafe base.storeBytes(of: words.3, toByteOffset: 24, as: UInt64.self)
    unsafe base.storeBytes(of: words.4, toByteOffset: 32, as: UInt64.self)
    unsafe base.storeBytes(
      of: UInt16(truncatingIfNeeded: words.5), toByteOffset: 40, as: UInt16.self)
    unsafe base.storeBytes(
      of: UInt32(truncatingIfNeeded: words.5 >> 16), toByteOffset: 42, as: UInt32.self)
    let total = UInt16(truncatingIfNeeded: inner &+ 36)
    unsafe base.storeBig16(total, at: 16)
    let sum = unsafe UInt64(template.pointee.partialSum) &+ UInt64(total)
    unsafe base.storeBig16(InternetChecksum.finishHeader(sum), at: 24)
    unsafe base.storeBig16(entropyPort, at: 34)
    unsafe base.storeBig16(UInt16(truncatingIfNeeded: inner &+ 16), at: 38)
    unsafe base.storeBig32(vni << 8, at: 46)
  }

  /// Ethernet 14, IPv6 40, UDP 8, Geneve or VXLAN 8; the UDP checksum covers the inner frame.
  @unsafe @inline(never)
  static func writeIPv6(
    _ base: UnsafeMutableRawPointer, _ template: UnsafePointer<EndpointRecord>, inner: UInt32,
    innerCaptured: Int, vni: UInt32, entropyPort: UInt16
  ) {
    // SAFETY: the caller has 70 bytes at `base`, and the inner frame behind them.
    unsafe withUnsafeBytes(of: template.pointee.template) { bytes in
      unsafe base.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped, byteCount: 70)
    }
    let udpLength = inner &+ 16
    unsafe base.storeBig16(UInt16(truncatingIfNeeded: udpLength), at: 18)
    unsafe base.storeBig16(entropyPort, at: 54)
    unsafe base.storeBig16(UInt16(truncatingIfNeeded: udpLength), at: 58)
    unsafe base.storeBig32(vni << 8, at: 66)
    unsafe base.storeBig16(0, at: 60)
    let header = unsafe UInt64(template.pointee.partialSum) &+ UInt64(udpLength)
    let sum = unsafe InternetChecksum.sum(
      UnsafeRawPointer(base + 54), count: 16 &+ innerCaptured, initial: header)
    let checksum = InternetChecksum.finish(sum)
    unsafe base.storeBig16(checksum == 0 ? 0xFFFF : checksum, at: 60)
  }
}
