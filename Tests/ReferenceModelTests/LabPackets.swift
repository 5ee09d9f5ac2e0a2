import Wire

func big16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }

func big32(_ value: UInt32) -> [UInt8] { big16(Int(value >> 16)) + big16(Int(value & 0xFFFF)) }

func octets(_ text: String) -> [UInt8] {
  let address = address(text)
  if address.family == .v4 { return big32(address.v4Bits) }
  return [address.high, address.low].flatMap {
    big32(UInt32($0 >> 32)) + big32(UInt32($0 & 0xFFFF_FFFF))
  }
}

func macOctets(_ mac: UInt64) -> [UInt8] {
  big16(Int(mac >> 32)) + big32(UInt32(mac & 0xFFFF_FFFF))
}

/// An Ethernet frame; without a type, IPv4 or IPv6 by the payload's first byte.
func frame(
  _ source: UInt64, to destination: UInt64 = Lab.router, type: Int? = nil, _ payload: [UInt8]
) -> [UInt8] {
  let guess = (payload.first ?? 0) >> 4 == 6 ? 0x86DD : 0x0800
  return macOctets(destination) + macOctets(source) + big16(type ?? guess) + payload
}

/// A frame of eni-a.
func frame(to destination: UInt64 = Lab.router, type: Int? = nil, _ payload: [UInt8]) -> [UInt8] {
  frame(Lab.macA, to: destination, type: type, payload)
}

struct Piece {
  var identifier = 1
  var offset: Int
  var more: Bool
}

func ip4(
  _ source: String, _ destination: String, _ number: UInt8, _ payload: [UInt8],
  piece: Piece? = nil, dontFragment: Bool = false, options: [UInt8] = [], total: Int? = nil,
  checksum: Int? = nil, first: UInt8? = nil
) -> [UInt8] {
  let length = 20 + options.count
  var flags = dontFragment ? 0x4000 : 0
  if let piece { flags |= piece.offset / 8 + (piece.more ? 0x2000 : 0) }
  var header = [first ?? 0x40 | UInt8(length / 4), 0] + big16(total ?? length + payload.count)
  header += big16(piece?.identifier ?? 1) + big16(flags) + [64, number, 0, 0]
  header += octets(source) + octets(destination) + options
  var sum = 0
  for index in stride(from: 0, to: length, by: 2) {
    sum += Int(header[index]) * 256 + Int(header[index + 1])
  }
  sum = (sum & 0xFFFF) + (sum >> 16)
  sum = (sum & 0xFFFF) + (sum >> 16)
  header.replaceSubrange(10..<12, with: big16(checksum ?? 0xFFFF - sum))
  return header + payload
}

func ip6(
  _ source: String, _ destination: String, next: UInt8, _ payload: [UInt8], hopLimit: UInt8 = 64,
  length: Int? = nil
) -> [UInt8] {
  [0x60, 0, 0, 0] + big16(length ?? payload.count) + [next, hopLimit] + octets(source)
    + octets(destination) + payload
}

/// Flags by letter: F, S, R, P, A, U.
func tcp(
  _ from: Int, _ to: Int, _ flags: String, seq: UInt32 = 1_000, ack: UInt32 = 0,
  window: Int = 1_000, options: [UInt8] = [], length: Int = 0, offset: UInt8? = nil
) -> [UInt8] {
  let letters: [Character: UInt8] = ["F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32]
  let bits = flags.reduce(0) { $0 | (letters[$1] ?? 0) }
  let words: UInt8 = offset ?? UInt8(5 + options.count / 4)
  var header: [UInt8] = big16(from) + big16(to)
  header += big32(seq)
  header += big32(ack)
  header += [words << 4, bits]
  header += big16(window)
  header += [0, 0, 0, 0]
  return header + options + [UInt8](repeating: 7, count: length)
}

func udp(_ from: Int, _ to: Int, _ payload: [UInt8] = [], length: Int? = nil) -> [UInt8] {
  big16(from) + big16(to) + big16(length ?? 8 + payload.count) + [0, 0] + payload
}

func icmp(_ type: UInt8, _ code: UInt8 = 0, id: Int = 1, _ payload: [UInt8] = []) -> [UInt8] {
  [type, code, 0, 0] + big16(id) + [0, 1] + payload
}

func arp(_ operation: Int, _ sender: String, _ target: String, mac: UInt64 = Lab.macA) -> [UInt8] {
  let body =
    big16(1) + big16(0x0800) + [6, 4] + big16(operation) + macOctets(mac) + octets(sender)
    + [0, 0, 0, 0, 0, 0] + octets(target)
  return frame(mac, to: Lab.broadcast, type: 0x0806, body)
}

func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }

// Traffic of eni-a with eni-b's neighbour on another host.

/// eni-a's TCP to 10.0.2.20 port 443.
func sent(
  _ flags: String, seq: UInt32, ack: UInt32 = 0, length: Int = 0, options: [UInt8] = [],
  window: Int = 1_000
) -> [UInt8] {
  frame(
    ip4(
      "10.0.1.10", "10.0.2.20", 6,
      tcp(4_000, 443, flags, seq: seq, ack: ack, window: window, options: options, length: length)))
}

/// The answer of 10.0.2.20.
func received(
  _ flags: String, seq: UInt32, ack: UInt32 = 0, length: Int = 0, options: [UInt8] = [],
  window: Int = 1_000
) -> [UInt8] {
  frame(
    Lab.elsewhere, to: Lab.macA,
    ip4(
      "10.0.2.20", "10.0.1.10", 6,
      tcp(443, 4_000, flags, seq: seq, ack: ack, window: window, options: options, length: length)))
}
