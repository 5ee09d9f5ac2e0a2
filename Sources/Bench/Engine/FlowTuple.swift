import Wire

/// The addresses and ports of a connection of the benchmarks' interfaces, by its number.
struct FlowTuple {
  var local = BenchmarkModel.source.v4Bits
  var mac = BenchmarkModel.nicMAC
  /// Which of the model's mappings is the other end.
  var mapping: Int
  var localPort: UInt16
  var remotePort: UInt16

  /// The same connection that `BenchmarkFrame` writes.
  init(flow: Int) {
    mapping = flow % BenchmarkModel.mappingCount
    let rest = flow / BenchmarkModel.mappingCount
    localPort = UInt16(truncatingIfNeeded: 1024 + rest % 50_000)
    remotePort = UInt16(truncatingIfNeeded: 2000 + rest / 50_000)
  }

  /// One of 12,800,000,000 connections whose destination ports are spread over those of the rules
  /// of `RuleModel`.
  ///
  /// - Parameter isOutbound: whether the interface of this host begins it.
  init(number: Int, isOutbound: Bool) {
    mapping = number % BenchmarkModel.mappingCount
    let rest = number / BenchmarkModel.mappingCount
    let source = UInt16(truncatingIfNeeded: 1024 + rest % 50_000)
    let target = UInt16(
      truncatingIfNeeded: Int(RuleModel.firstPort) + (rest / 50_000 + rest) % RuleModel.ports)
    (localPort, remotePort) = isOutbound ? (source, target) : (target, source)
  }

  var remote: UInt32 { BenchmarkModel.destination(mapping).v4Bits }
  /// The tunnel endpoint behind which the other end lives.
  var endpoint: UInt32 { BenchmarkModel.endpoint(mapping).v4Bits }

  // MARK: Frames

  /// Writes a UDP frame of 64 bytes, without a UDP checksum.
  func writeUDP(at base: UnsafeMutableRawPointer, isOutbound: Bool, length: Int = 64) {
    writeNetwork(
      at: base, isOutbound: isOutbound, protocolNumber: IPProtocol.udp, length: length - 14)
    base.storeBig32(UInt32(length - 34) << 16, at: 38)
  }

  /// A TCP segment: flags as in the header's byte 13.
  struct Segment {
    var flags: UInt8
    var sequence: UInt32
    var acknowledgement: UInt32
    var payload = 0

    /// Bytes of the frame.
    var length: Int { 54 + payload }
  }

  func writeTCP(at base: UnsafeMutableRawPointer, isOutbound: Bool, _ segment: Segment) {
    writeNetwork(
      at: base, isOutbound: isOutbound, protocolNumber: IPProtocol.tcp,
      length: segment.length - 14)
    base.storeBig32(segment.sequence, at: 38)
    base.storeBig32(segment.acknowledgement, at: 42)
    base.storeBig16(0x5000 | UInt16(segment.flags), at: 46)
    base.storeBig16(0xFFFF, at: 48)
    base.storeBig32(0, at: 50)
    for offset in 0..<segment.payload {
      base.storeBytes(of: 0, toByteOffset: 54 + offset, as: UInt8.self)
    }
  }

  /// Ethernet, IPv4 and ports.
  private func writeNetwork(
    at base: UnsafeMutableRawPointer, isOutbound: Bool, protocolNumber: UInt8, length: Int
  ) {
    base.storeMAC(isOutbound ? .router : mac, at: 0)
    base.storeMAC(isOutbound ? mac : BenchmarkModel.mappingMAC(mapping), at: 6)
    base.storeBig16(0x0800, at: 12)
    base.storeBig32(0x4500_0000 | UInt32(length), at: 14)
    base.storeBig32(0x0000_4000, at: 18)
    base.storeBig32(0x4000_0000 | UInt32(protocolNumber) << 16, at: 22)
    base.storeBig32(isOutbound ? local : remote, at: 26)
    base.storeBig32(isOutbound ? remote : local, at: 30)
    let sum = InternetChecksum.sum(UnsafeRawPointer(base + 14), count: 20)
    base.storeBig16(InternetChecksum.finish(sum), at: 24)
    base.storeBig16(isOutbound ? localPort : remotePort, at: 34)
    base.storeBig16(isOutbound ? remotePort : localPort, at: 36)
  }

  /// Writes the 50 bytes of Ethernet, IPv4, UDP and Geneve that the other host puts before a frame.
  ///
  /// - Parameters:
  ///   - base: of the outer frame.
  ///   - length: of the inner one.
  func writeTunnel(at base: UnsafeMutableRawPointer, length: Int) {
    base.storeMAC(BenchmarkModel.hostMAC, at: 0)
    base.storeMAC(BenchmarkModel.gatewayMAC, at: 6)
    base.storeBig16(0x0800, at: 12)
    base.storeBig32(0x4500_0000 | UInt32(length + 36), at: 14)
    base.storeBig32(0x0000_4000, at: 18)
    base.storeBig32(0x4011_0000, at: 22)
    base.storeBig32(endpoint, at: 26)
    base.storeBig32(BenchmarkModel.hostAddress.v4Bits, at: 30)
    let sum = InternetChecksum.sum(UnsafeRawPointer(base + 14), count: 20)
    base.storeBig16(InternetChecksum.finish(sum), at: 24)
    base.storeBig16(0xC000 | (localPort ^ remotePort) & 0x3FFF, at: 34)
    base.storeBig16(6081, at: 36)
    base.storeBig32(UInt32(length + 16) << 16, at: 38)
    base.storeBig32(0x0000_6558, at: 42)
    base.storeBig32(BenchmarkModel.vni << 8, at: 46)
  }
}
