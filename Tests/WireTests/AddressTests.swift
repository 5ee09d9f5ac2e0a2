import Glibc
import TestPackets
import Testing
import Wire

@Suite struct AddressTests {
  @Test(arguments: [
    ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:DB8::1", "2001:db8::1"),
    ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("0:0:0:0:0:0:0:0", "::"), ("::1", "::1"),
    ("1::", "1::"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("::ffff:192.0.2.1", "::ffff:c000:201"),
    ("fe80::0001", "fe80::1"), ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"),
    ("255.255.255.255", "255.255.255.255"),
  ])
  func `text is canonical`(text: String, canonical: String) {
    #expect(IPAddress(text)?.description == canonical)
  }

  @Test(arguments: [
    "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ", "01.2.3.4x", ":::", "1::2::3", "12345::",
    "1:2:3:4:5:6:7", "fe80::1%eth0", "10.0.0.0/8", "localhost",
  ])
  func `what is no address is refused`(text: String) {
    #expect(IPAddress(text) == nil)
  }

  @Test func `every address survives its text`() {
    var random = SplitMix64(seed: 1)
    for _ in 0..<5_000 {
      let v4 = IPAddress(v4: UInt32(truncatingIfNeeded: random.next()))
      #expect(IPAddress(v4.description) == v4)
      // Zero groups in all places, so that every compression comes up.
      var groups = [UInt64]()
      for _ in 0..<8 { groups.append(random.next() & 1 == 0 ? 0 : random.next() & 0xFFFF) }
      let v6 = IPAddress(
        v6: groups[..<4].reduce(0) { $0 << 16 | $1 }, groups[4...].reduce(0) { $0 << 16 | $1 })
      #expect(IPAddress(v6.description) == v6)
      #expect(v6.description == Self.systemText(v6))
    }
  }

  /// The text that the C library writes; it shows some addresses with an IPv4 tail, which RFC 5952
  /// allows only where such a tail is known to be one.
  static func systemText(_ address: IPAddress) -> String {
    var bytes = Compose.bytes(address)
    var text = [CChar](repeating: 0, count: 64)
    inet_ntop(AF_INET6, &bytes, &text, 64)
    let system = String(
      decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return system.contains(".") ? address.description : system
  }

  @Test func `kinds of addresses`() {
    let kinds: [(String, multicast: Bool, linkLocal: Bool)] = [
      ("223.255.255.255", false, false), ("224.0.0.0", true, false),
      ("239.255.255.255", true, false), ("240.0.0.0", false, false), ("ff02::1", true, false),
      ("fe00::1", false, false), ("169.254.0.0", false, true), ("169.255.0.0", false, false),
      ("fe80::", false, true), ("febf:ffff::", false, true), ("fec0::", false, false),
    ]
    for (text, multicast, linkLocal) in kinds {
      let address = Compose.address(text)
      #expect(address.isMulticast == multicast, "\(text)")
      #expect(address.isLinkLocal == linkLocal, "\(text)")
    }
    #expect(Compose.address("255.255.255.255").isLimitedBroadcast)
    #expect(!Compose.address("::ffff:ffff").isLimitedBroadcast)
    #expect(Compose.address("::").isUnspecified && Compose.address("0.0.0.0").isUnspecified)
  }

  @Test func `counting on carries and wraps`() {
    #expect(Compose.address("10.0.0.255").advanced(by: 1) == Compose.address("10.0.1.0"))
    #expect(Compose.address("255.255.255.255").advanced(by: 1) == Compose.address("0.0.0.0"))
    #expect(
      Compose.address("2001:db8::ffff:ffff:ffff:ffff").advanced(by: 1)
        == Compose.address("2001:db8:0:1::"))
  }

  @Test func `IPv4 sorts before IPv6, then by number`() {
    let sorted = ["0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1", "1::", "ff00::"].map(
      Compose.address)
    #expect(sorted.reversed().sorted() == sorted)
  }
}

@Suite struct PrefixTests {
  @Test func `host bits are cleared`() {
    #expect(IPPrefix("10.1.2.3/8")?.description == "10.0.0.0/8")
    #expect(IPPrefix("2001:db8::1/33")?.description == "2001:db8::/33")
    #expect(IPPrefix("1.2.3.4/0")?.description == "0.0.0.0/0")
    #expect(IPPrefix("::1/128")?.description == "::1/128")
  }

  @Test(arguments: [
    "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "/8", "10/8",
    "10.0.0.0/8/8", "10.0.0.0/8 ", "10.0.0.0/99999999999999999999",
  ])
  func `what is no prefix is refused`(text: String) {
    #expect(IPPrefix(text) == nil)
  }

  @Test func `containment agrees with bit-by-bit comparison`() {
    var random = SplitMix64(seed: 2)
    for round in 0..<4_000 {
      let isV4 = round % 2 == 0
      let bits = isV4 ? 32 : 128
      func address() -> IPAddress {
        // Few distinct bits, so that prefixes do contain.
        let (a, b) = (random.next() & random.next(), random.next() & random.next())
        return isV4 ? IPAddress(v4: UInt32(truncatingIfNeeded: b)) : IPAddress(v6: a, b)
      }
      func leading(_ address: IPAddress, _ count: Int) -> [Bool] {
        Compose.bytes(address).flatMap { byte in (0..<8).map { byte >> (7 - $0) & 1 == 1 } }
          .prefix(count).map { $0 }
      }
      let length = Int(random.next() % UInt64(bits + 1))
      let other = Int(random.next() % UInt64(bits + 1))
      let (base, second) = (address(), address())
      let (prefix, second2) = (IPPrefix(base, length: length), IPPrefix(second, length: other))
      #expect(prefix.contains(second) == (leading(base, length) == leading(second, length)))
      #expect(prefix.contains(base))
      let common = min(length, other)
      #expect(prefix.overlaps(second2) == (leading(base, common) == leading(second, common)))
      #expect(prefix.contains(second2) == (other >= length && prefix.contains(second)))
      #expect(leading(prefix.address, bits) == leading(base, length) + zeros(bits - length))
    }
  }

  private func zeros(_ count: Int) -> [Bool] { [Bool](repeating: false, count: count) }

  @Test func `families never contain each other`() {
    #expect(!Compose.prefix("0.0.0.0/0").contains(Compose.address("::1")))
    #expect(!Compose.prefix("::/0").contains(Compose.address("0.0.0.1")))
    #expect(!Compose.prefix("::/0").overlaps(Compose.prefix("0.0.0.0/0")))
    #expect(Compose.prefix("::/0").isEverything && !Compose.prefix("::/1").isEverything)
  }
}

@Suite struct MACAddressTests {
  @Test func `text and number agree`() {
    #expect(MACAddress("02:00:0a:FF:00:01")?.bits == 0x0200_0AFF_0001)
    #expect(MACAddress("02:00:0a:FF:00:01")?.description == "02:00:0a:ff:00:01")
    #expect(MACAddress.broadcast.description == "ff:ff:ff:ff:ff:ff")
    #expect(MACAddress.broadcast.isMulticast && !MACAddress.router.isMulticast)
  }

  @Test(arguments: [
    "", "02:00:00:00:00", "02:00:00:00:00:00:00", "2:0:0:0:0:0", "02-00-00-00-00-00",
    "02:00:00:00:00:0g", "02:00:00:00:00:+1", "020000000000",
  ])
  func `what is no address is refused`(text: String) {
    #expect(MACAddress(text) == nil)
  }
}
