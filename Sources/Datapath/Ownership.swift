import Tables
import Wire

// Which worker owns a packet's connection. Flow tables are worker-private, so all packets of a
// connection, both ways and with the ICMP errors about it, are judged by one worker, which the
// symmetric hash of the five-tuple names.

extension Worker {
  /// Words of a NIC in the table of fragment ways: of each datagram who owns it, and since when, in
  /// sets of four.
  static var fragmentWaysPerNIC: Int { 512 }
  private static var fragmentWaysPerSet: Int { 4 }

  /// Leaves a packet to the worker that owns its connection, as it came: verdict `handOver`.
  ///
  /// A first fragment has the ports that say who owns the connection, later ones have not. So all
  /// fragments of a datagram go by the worker that its addresses and identification name; there the
  /// first one's owner is remembered, and the later ones follow it. Rings keep their order.
  ///
  /// - Complexity: O(1).
  @inline(never)
  mutating func claim(
    _ packet: inout Packet, _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) {
    guard packet.verdict == .pending, context.headers.faults.isEmpty, context.headers.isIP else {
      return
    }
    let owner: Int
    if context.headers.isFragment {
      owner = fragmentOwner(&packet, &context, tables)
    } else if packet.flags.contains(.handedOver) {
      return
    } else if context.headers.isICMPError {
      owner = quotedOwner(&packet, &context, tables)
    } else {
      owner = self.owner(connectionHash(context.headers))
    }
    if owner != index { handOver(&packet, &context, owner) }
  }

  /// The same for all packets of a connection: with the ports if its key has them, which SCTP's has
  /// not.
  private func connectionHash(_ headers: borrowing Headers) -> UInt64 {
    symmetricHash(
      headers, hasPorts: headers.transport == IPProtocol.tcp || headers.transport == IPProtocol.udp)
  }

  private func owner(_ hash: UInt64) -> Int {
    // Mixed once more: ports that follow each other differ in few bits of the hash.
    let mixed = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
    return Int(truncatingIfNeeded: ((mixed >> 40) &* UInt64(count)) >> 24)
  }

  private mutating func handOver(
    _ packet: inout Packet, _ context: inout PacketContext, _ owner: Int
  ) {
    if packet.origin == .underlay {
      let removed = UInt32(context.tunnelLength)
      // SAFETY: these are the bytes that `decapsulate` stepped over.
      unsafe packet.base = unsafe packet.base - Int(removed)
      packet.length &+= removed
      packet.originalLength &+= removed
      packet.headroom &-= removed
      // Whoever hands it over charges it to its receiver.
      packet.nic = context.nic
    }
    packet.verdict = .handOver
    packet.output = .worker(owner)
    context.hasKey = false
  }

  // MARK: Fragments

  private mutating func fragmentOwner(
    _ packet: inout Packet, _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) -> Int {
    if packet.flags.contains(.ownerKnown) || context.nic == .none { return index }
    let name = datagramHash(context.headers)
    let way = owner(name)
    if way != index && !packet.flags.contains(.handedOver) { return way }
    packet.flags.insert(.ownerKnown)
    // The hash in the upper bits tells whose entry it is, and the owner stands below.
    let mark = name & ~0xFF
    let (slot, isKnown) = fragmentWay(of: mark, name, context.nic, now: packet.time)
    if context.headers.isLaterFragment { return isKnown ? Int(fragmentWays[slot] & 0xFF) : index }
    // Another first fragment of the same datagram, with other ports, overlaps the one before, or
    // follows one that was too small to have any: only who knows that one can tell.
    if isKnown { return Int(fragmentWays[slot] & 0xFF) }
    // What is refused begins no datagram anywhere, and so must not here: the way would be older.
    let isRefused =
      packet.origin == .guest
      ? isRefusedFragment(&packet, &context, nic: context.nic, tables)
      : interfaceStep(packet, &context, nic: context.nic, tables) != .none
    if isRefused { return index }
    let owner = context.headers.hasTransport ? self.owner(connectionHash(context.headers)) : index
    fragmentWays[slot] = mark | UInt64(owner)
    fragmentWays[slot &+ 1] = packet.time
    return owner
  }

  /// Where a datagram's way is remembered; when it is not, the place that has been longest without
  /// a new one.
  ///
  /// With its time it is forgotten by its owner too: a piece that came late must not wait there
  /// while a new datagram of the same identification begins here.
  private func fragmentWay(
    of mark: UInt64, _ name: UInt64, _ nic: TableIndex, now: UInt64
  ) -> (slot: Int, isKnown: Bool) {
    let sets = Self.fragmentWaysPerNIC / 2 / Self.fragmentWaysPerSet
    let first =
      Int(nic) &* Self.fragmentWaysPerNIC
      &+ (Int(truncatingIfNeeded: name) & (sets &- 1)) &* 2 &* Self.fragmentWaysPerSet
    var oldest = first
    for way in 0..<Self.fragmentWaysPerSet {
      let slot = first &+ 2 &* way
      let isYoung = now &- fragmentWays[slot &+ 1] < FragmentTable.lifetime
      if isYoung && fragmentWays[slot] & ~0xFF == mark { return (slot, true) }
      if fragmentWays[slot &+ 1] < fragmentWays[oldest &+ 1] { oldest = slot }
    }
    return (oldest, false)
  }

  private func datagramHash(_ headers: borrowing Headers) -> UInt64 {
    var mixed = headers.sourceLow &* 0x9E37_79B9_7F4A_7C15 ^ headers.destinationLow
    mixed ^= (headers.sourceHigh ^ headers.destinationHigh &* 3) &* 0xC2B2_AE3D_27D4_EB4F
    mixed ^= UInt64(headers.fragmentID) << 8 ^ UInt64(headers.fragmentProtocol)
    let product = (mixed ^ flows.seed).multipliedFullWidth(by: 0x1656_67B1_9E37_79F9)
    return product.high ^ product.low
  }

  // MARK: ICMP errors

  private mutating func quotedOwner(
    _ packet: inout Packet, _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) -> Int {
    let end = min(
      Int(packet.length),
      Int(context.headers.networkOffset) &+ Int(context.headers.datagramLength))
    // SAFETY: the owner vouches for `length` bytes at `base`.
    if var quote = unsafe QuotedPacket(packet.base, length: end, context.headers) {
      translateQuote(&quote, context.publicAddress, tables)
      return owner(connectionHash(quote.headers))
    }
    return owner(symmetricHash(context.headers, hasPorts: false))
  }
}
