import CapturePort
import Foundation
import Replay
import TestPackets
import VPCModel
import Wire

/// A frame that a replay sent somewhere.
struct Sent {
  var place: String
  var bytes: [UInt8]
  /// Of the Ethernet frame.
  var destination: MACAddress { mac(0) }
  var source: MACAddress { mac(6) }
  /// What follows the Ethernet header.
  var packet: [UInt8] { Array(bytes.dropFirst(14)) }

  private func mac(_ offset: Int) -> MACAddress {
    MACAddress(bytes[offset..<offset + 6].reduce(0) { $0 << 8 | UInt64($1) })
  }
}

enum Run {
  static func temporaryPath() -> String {
    FileManager.default.temporaryDirectory.appending(path: "apus-out-\(UUID().uuidString)").path
  }

  /// Replays Ethernet frames, a millisecond apart, and returns what left.
  ///
  /// - Parameter look: is shown the path of the written file.
  static func frames(
    _ frames: [[UInt8]], _ model: VPCModel, look: (String) throws -> Void = { _ in }
  ) throws -> [Sent] {
    let (input, output) = (temporaryPath(), temporaryPath())
    defer {
      try? FileManager.default.removeItem(atPath: input)
      try? FileManager.default.removeItem(atPath: output)
    }
    var writer = try CaptureWriter(path: input)
    let interface = writer.addInterface(name: "in", linkType: 1)
    for (index, frame) in frames.enumerated() {
      frame.withUnsafeBytes {
        writer.write(
          interface: interface, time: 1_700_000_000_000_000_000 + UInt64(index) * 1_000_000,
          bytes: $0, originalLength: frame.count)
      }
    }
    try writer.close()
    var options = ReplayOptions(captures: [input])
    options.out = output
    let result = try Replay.run(model: model, options: options)
    if let failure = result.failure { throw failure }
    try look(output)
    return try read(output)
  }

  private static func read(_ path: String) throws -> [Sent] {
    var reader = try CaptureReader(path: path)
    var record = CaptureRecord()
    var sent: [Sent] = []
    while reader.next(&record) {
      sent.append(
        Sent(place: reader.interfaces[record.interface].name, bytes: [UInt8](record.buffer)))
    }
    return sent
  }
}

/// An encapsulated frame, taken apart without the code that made it.
struct Outer {
  var family: IPFamily
  var source: [UInt8]
  var destination: [UInt8]
  var sourcePort: Int
  var destinationPort: Int
  var vni: UInt32
  var inner: [UInt8]
  /// What is wrong with the headers; empty when nothing is.
  var faults: [String] = []

  init(_ frame: [UInt8]) {
    func big16(_ offset: Int) -> Int { Int(frame[offset]) << 8 | Int(frame[offset + 1]) }
    family = big16(12) == 0x86DD ? .v6 : .v4
    let packet = Array(frame.dropFirst(14))
    let udp = family == .v4 ? 34 : 54
    source = Array(family == .v4 ? frame[26..<30] : frame[22..<38])
    destination = Array(family == .v4 ? frame[30..<34] : frame[38..<54])
    sourcePort = big16(udp)
    destinationPort = big16(udp + 2)
    vni = UInt32(frame[udp + 12]) << 16 | UInt32(big16(udp + 13))
    inner = Array(frame[(udp + 16)...])
    func check(_ isRight: Bool, _ what: String) { if !isRight { faults.append(what) } }
    check(big16(udp + 4) == frame.count - udp, "UDP length")
    check(frame[udp + 15] == 0, "byte behind the VNI")
    if family == .v4 {
      check(packet[0] == 0x45 && packet[9] == 17, "IPv4 header")
      check(big16(16) == packet.count, "IPv4 total length")
      check(Checksums.isHeaderValid(packet), "IPv4 checksum")
      check(big16(udp + 6) == 0, "UDP checksum is not zero over IPv4")
    } else {
      check(packet[0] >> 4 == 6 && packet[6] == 17, "IPv6 header")
      check(big16(18) == packet.count - 40, "IPv6 payload length")
      check(Checksums.isTransportValid(packet) && big16(udp + 6) != 0, "UDP checksum")
    }
    let tunnel = Array(frame[udp + 8..<udp + 12])
    let isRight: [UInt8] = destinationPort == 6081 ? [0, 0, 0x65, 0x58] : [8, 0, 0, 0]
    check(tunnel == isRight, "tunnel header")
  }
}
