import CapturePort
import Datapath
import Tables
import Wire

/// The memory that holds the frames of one burst, and the rules by which a recorded frame becomes
/// the Ethernet frame that the engine judges.
///
/// Frames stand one behind the other, so that a burst of small frames stays in the first-level
/// cache; each has `headroom` writable bytes before it.
package struct FrameNormaliser: ~Copyable {
  package static let burstCapacity = 32
  static let headroom = 128
  /// Bytes of a frame that are kept; longer ones are judged by their beginning.
  static let frameCapacity = 256 * 1024

  private static let arenaSize = burstCapacity * (headroom + frameCapacity + 64)

  private let arena: UnsafeMutableRawPointer
  private var used = 0
  private let atNIC: Bool
  private let hostMAC: MACAddress
  /// Frames that were longer than `frameCapacity`.
  private(set) var cutFrames: UInt64 = 0

  package init(atNIC: Bool, hostMAC: MACAddress?) {
    arena = .allocate(byteCount: Self.arenaSize, alignment: 64)
    self.atNIC = atNIC
    self.hostMAC = hostMAC ?? .router
  }

  deinit { arena.deallocate() }

  /// Forgets the frames of the last burst.
  @inline(__always)
  package mutating func startBurst() { used = 0 }

  /// Copies a record into the burst as an Ethernet frame.
  ///
  /// Tags of a plain capture are left out. A record without an Ethernet header gets one that is
  /// made up from the attribution.
  ///
  /// - Parameters:
  ///   - link: the record's link layer.
  ///   - bytes: the first of `captured` bytes of the record.
  ///   - original: bytes the record had on the wire.
  ///   - mac: the attributed NIC's address.
  @inline(__always)
  package mutating func place(
    _ link: LinkLayer, bytes: UnsafeRawPointer, captured: Int, original: Int,
    attribution: Attribution, mac: MACAddress
  ) -> Packet {
    let frame = arena + used + Self.headroom
    var length = captured
    var wire = max(original, captured)
    var flags: PacketFlags = atNIC ? [.offloaded, .atNIC] : .offloaded
    if !link.isEthernet {
      length = copyCooked(link, bytes, captured, to: frame, attribution, mac)
      wire = max(wire - link.network + 14, length)
      if atNIC { wire += link.tagBytes }
      flags.insert(.rawIP)
    } else if link.tagBytes == 0 && !link.isCutInTag || atNIC {
      length = cut(captured)
      frame.copyMemory(from: bytes, byteCount: length)
    } else {
      length = copyWithoutTags(link, bytes, captured, to: frame)
      wire -= link.tagBytes
    }
    used += (Self.headroom + length + 63) & ~63
    var packet = Packet(
      base: frame, length: UInt32(truncatingIfNeeded: length), headroom: UInt32(Self.headroom))
    packet.originalLength = UInt32(clamping: wire)
    packet.flags = flags
    switch attribution {
    case .guest(let nic):
      packet.origin = .guest
      packet.nic = nic
    case .captured(let nic):
      packet.origin = .captured
      packet.nic = nic
    case .underlay, .ignore:
      packet.origin = .underlay
    }
    return packet
  }

  /// The same for a record that was attributed; its time is left to the caller.
  @inline(__always)
  mutating func place(
    _ record: borrowing CaptureRecord, _ link: LinkLayer, _ attribution: Attribution,
    _ attributor: borrowing Attributor
  ) -> Packet {
    let mac: MACAddress
    switch attribution {
    case .guest(let nic), .captured(let nic): mac = attributor.mac(nic)
    case .ignore, .underlay: mac = .router
    }
    return place(
      link, bytes: record.bytes, captured: record.capturedLength,
      original: record.originalLength, attribution: attribution, mac: mac)
  }

  private mutating func cut(_ length: Int) -> Int {
    if length <= Self.frameCapacity { return length }
    cutFrames += 1
    return Self.frameCapacity
  }

  private mutating func copyWithoutTags(
    _ link: LinkLayer, _ bytes: UnsafeRawPointer, _ captured: Int,
    to frame: UnsafeMutableRawPointer
  ) -> Int {
    frame.copyMemory(from: bytes, byteCount: 12)
    // A tag that the capture cut off hides the EtherType: the frame ends before it.
    if link.isCutInTag { return 12 }
    let length = cut(captured - link.tagBytes)
    let rest = 12 + link.tagBytes
    (frame + 12).copyMemory(from: bytes + rest, byteCount: length - 12)
    return length
  }

  /// Makes up the Ethernet header of a raw or cooked record, and copies what follows it.
  private mutating func copyCooked(
    _ link: LinkLayer, _ bytes: UnsafeRawPointer, _ captured: Int,
    to frame: UnsafeMutableRawPointer, _ attribution: Attribution, _ mac: MACAddress
  ) -> Int {
    let network = bytes + link.network
    let present = captured - link.network
    switch attribution {
    case .guest:
      frame.storeMAC(Self.destination(link.etherType, network, present), at: 0)
      frame.storeMAC(mac, at: 6)
    case .captured:
      frame.storeMAC(mac, at: 0)
      frame.storeMAC(.router, at: 6)
    case .underlay, .ignore:
      frame.storeMAC(hostMAC, at: 0)
      frame.storeMAC(.router, at: 6)
    }
    // Taken at the NIC, a tag is the guest's own and stays, also one that the capture cut.
    if link.isCutInTag && !atNIC { return 12 }
    let tags = atNIC ? link.tagBytes : 0
    if tags > 0 {
      frame.storeBig16(EtherType.vlan, at: 12)
      (frame + 14).copyMemory(from: network - tags, byteCount: tags)
    } else {
      frame.storeBig16(link.etherType, at: 12)
    }
    let rest = min(present, Self.frameCapacity - 14 - tags)
    if rest < present { cutFrames += 1 }
    (frame + 14 + tags).copyMemory(from: network, byteCount: rest)
    return 14 + tags + rest
  }

  /// The address that a guest's stack would send a packet to: the router, unless the network
  /// address or an ARP request asks for a group (RFC 1112 section 6.4, RFC 2464 section 7).
  private static func destination(
    _ etherType: UInt16, _ network: UnsafeRawPointer, _ present: Int
  ) -> MACAddress {
    switch etherType {
    case EtherType.ipv4 where present >= 20:
      let address = network.big32(16)
      if address == .max { return .broadcast }
      if address >> 28 == 0xE { return MACAddress(0x0100_5E00_0000 | UInt64(address & 0x7F_FFFF)) }
    case EtherType.ipv6 where present >= 40:
      if network.byte(24) == 0xFF {
        return MACAddress(0x3333_0000_0000 | UInt64(network.big32(36)))
      }
    case EtherType.arp where present >= 8:
      if network.big16(6) == 1 { return .broadcast }
    default: break
    }
    return .router
  }
}
