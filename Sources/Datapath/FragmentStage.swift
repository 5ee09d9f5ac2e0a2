import Tables
import Wire

/// What the fragment step says of a packet.
enum FragmentOutcome {
  /// A first fragment: go on, and tell `recordFirstFragment` what became of it.
  case first(UInt32)
  /// A later fragment, or an exact copy: what its first fragment got is its verdict.
  case follows(UInt32)
  case drop(DropReason)
}

extension Worker {
  /// Compares a fragment with what is known of its datagram.
  mutating func fragmentStep(
    _ packet: inout Packet, _ headers: borrowing Headers, _ direction: Direction, nic: TableIndex
  ) -> FragmentOutcome {
    note(.fragment, UInt64(headers.fragmentOffset), headers.moreFragments ? 1 : 0)
    // The view by itself: while `fragments` is changed, nothing else of the worker is looked at.
    let nics = nics
    let key = FragmentKey(headers, nic: nic, direction: direction)
    let offset = UInt32(headers.fragmentOffset)
    let length = headers.fragmentLength
    // SAFETY: the owner vouches for `length` bytes at `base`.
    let digest = unsafe payloadDigest(packet, headers, length: length)
    if let known = fragments.lookup(key, now: packet.time, share: &nics[nic].fragments) {
      // Of a refused datagram nothing passes, whatever its pieces look like.
      if fragments.datagrams[known].reason != .none { return .follows(known) }
      if fragments.datagrams[known].isPoisoned { return .drop(.fragmentOverlap) }
      let relation = fragments.relate(
        known, offset: offset, length: length, digest: digest, share: &nics[nic].fragments)
      switch relation {
      case .fresh, .duplicate: return .follows(known)
      case .overlapping:
        fragments.datagrams[known].isPoisoned = true
        return .drop(.fragmentOverlap)
      case .tooMany: return .drop(.fragmentLimit)
      }
    }
    if headers.isLaterFragment { return .drop(.fragmentOrphan) }
    guard let fresh = rememberDatagram(key, now: packet.time, nic: nic) else {
      return .drop(.fragmentLimit)
    }
    let relation = fragments.relate(
      fresh, offset: offset, length: length, digest: digest, share: &nics[nic].fragments)
    if relation != .fresh {
      // Without a note of its bytes, a later piece could write over its ports.
      fragments.datagrams[fresh].reason = .fragmentLimit
      return .drop(.fragmentLimit)
    }
    if headers.isTiny {
      fragments.datagrams[fresh].reason = .fragmentTiny
      return .drop(.fragmentTiny)
    }
    return .first(fresh)
  }

  /// Makes room for a datagram, if there is none, by clearing away what is old of other NICs: a NIC
  /// that sends no more fragments does not come to do it itself.
  private mutating func rememberDatagram(
    _ key: FragmentKey, now: UInt64, nic: TableIndex
  ) -> UInt32? {
    let nics = nics
    if let fresh = fragments.insert(key, now: now, share: &nics[nic].fragments) { return fresh }
    if nics[nic].fragments.count >= FragmentTable.datagramsPerNIC { return nil }
    for _ in 0..<min(Self.fragmentOwnersPerStep, nics.count) {
      nextFragmentOwner = nextFragmentOwner &+ 1 < nics.count ? nextFragmentOwner &+ 1 : 0
      fragments.expire(&nics[nextFragmentOwner].fragments, now: now)
    }
    return fragments.insert(key, now: now, share: &nics[nic].fragments)
  }

  /// NICs that are looked at when there is no room.
  private static var fragmentOwnersPerStep: Int { 8 }

  /// Remembers what became of a first fragment, for those that follow.
  mutating func recordFirstFragment(_ datagram: UInt32, _ packet: borrowing Packet) {
    fragments.datagrams[datagram].reason = packet.verdict == .drop ? packet.reason : .none
    fragments.datagrams[datagram].rule = packet.rule
    fragments.datagrams[datagram].state = packet.state.rawValue
  }

  /// A digest of the captured bytes of a fragment, to tell a copy from an overlap.
  @unsafe
  private mutating func payloadDigest(
    _ packet: borrowing Packet, _ headers: borrowing Headers, length: UInt32
  ) -> UInt64 {
    let start = Int(headers.fragmentPayloadOffset)
    let end = min(Int(packet.length), start &+ Int(length))
    var value: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ flows.seed
    var position = start
    while position &+ 8 <= end {
      // SAFETY: `end` is at most the frame's captured length.
      let word = unsafe packet.base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
      value = mixDigest(value ^ word)
      position &+= 8
    }
    while position < end {
      let byte = unsafe packet.base.load(fromByteOffset: position, as: UInt8.self)
      value = mixDigest(value ^ UInt64(byte))
      position &+= 1
    }
    return value
  }

  /// The product alone would leave 0 and its complement as they are, and payloads of nothing but
  /// ones and zeros alike.
  private func mixDigest(_ word: UInt64) -> UInt64 {
    let product = word.multipliedFullWidth(by: 0xC2B2_AE3D_27D4_EB4F)
    return (product.high ^ product.low) &+ 0x1656_67B1_9E37_79F9
  }
}
