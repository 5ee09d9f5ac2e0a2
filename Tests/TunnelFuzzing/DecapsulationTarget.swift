import Datapath
import FuzzSupport
import TableCompiler
import Tables
import VPCModel
import Wire

extension FuzzTarget {
  /// Tunnel packets from the underlay, Geneve and VXLAN over IPv4 and IPv6: the outer headers are
  /// right and the rest is the input, or all of the frame is.
  public static let decapsulation = FuzzTarget(
    "decapsulation", maximumLength: 512, seeds: DecapsulationTarget.seeds
  ) {
    let hosts = [DecapsulationTarget("192.0.2.1"), DecapsulationTarget("2001:db8:ffff::1")]
    return { input in
      var reader = ByteReader(input)
      let control = reader.byte()
      return hosts[Int(control & 1)].judge(control, reader.rest())
    }
  }
}

/// A host that receives tunnel packets and nothing else.
final class DecapsulationTarget {
  private static let headroom = 64
  /// Longer than any connection lives without packets: an input meets nothing of the one before.
  private static let pause: UInt64 = 700_000_000_000

  private let compiled: CompiledTables
  private var worker: Worker
  private var time: UInt64 = pause
  private let outer: [[UInt8]]
  private let isIPv6: Bool

  init(_ underlay: String) {
    let model = FuzzedModel.tracked(underlay: underlay)
    isIPv6 = underlay.contains(":")
    do { compiled = try TableCompiler.compile(model) } catch { fatalError("\(error)") }
    worker = Self.worker(compiled)
    let isIPv6 = isIPv6
    outer = [false, true].flatMap { isEdge in
      [6081, 4789].map { port in
        Self.outerHeader(port, isIPv6: isIPv6, from: isEdge ? 0xFE : 2)
      }
    }
  }

  private static func worker(_ compiled: CompiledTables) -> Worker {
    Worker(
      configuration: WorkerConfiguration(flowCapacity: 256, fragmentCapacity: 64),
      nicCapacity: compiled.tables.nics.count, ruleCapacity: compiled.tables.ruleCount)
  }

  /// Ethernet, IP and UDP, lengths and checksum still missing.
  private static func outerHeader(_ port: UInt16, isIPv6: Bool, from host: UInt8) -> [UInt8] {
    var bytes: [UInt8] = [2, 0xAA, 0, 0, 0, 1, 2, 0xAA, 0, 0, 0, 0xFE]
    if isIPv6 {
      let prefix: [UInt8] = [0x20, 1, 0x0D, 0xB8, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0]
      bytes += [0x86, 0xDD, 0x60, 0, 0, 0, 0, 0, 17, 64] + prefix + [host] + prefix + [1]
    } else {
      bytes += [8, 0, 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, host, 192, 0, 2, 1]
    }
    return bytes + [0xC0, 0, UInt8(port >> 8), UInt8(port & 255), 0, 0, 0, 0]
  }

  private func frame(_ control: UInt8, _ input: UnsafeRawBufferPointer) -> [UInt8] {
    if control & 4 != 0 { return [UInt8](input) }
    var frame = outer[Int(control >> 1 & 1) + (control & 8 == 0 ? 0 : 2)]
    let header = frame.count
    frame += input
    let udp = frame.count - header + 8
    let (ipLength, udpStart) = isIPv6 ? (18, 54) : (16, 34)
    let declared = isIPv6 ? udp : udp + 20
    frame[ipLength] = UInt8(truncatingIfNeeded: declared >> 8)
    frame[ipLength + 1] = UInt8(truncatingIfNeeded: declared)
    frame[udpStart + 4] = UInt8(truncatingIfNeeded: udp >> 8)
    frame[udpStart + 5] = UInt8(truncatingIfNeeded: udp)
    // The IPv4 checksum stays zero, which `offloaded` takes for one that the device adds.
    return frame
  }

  func judge(_ control: UInt8, _ input: UnsafeRawBufferPointer) -> String? {
    let whole = frame(control, input)
    let memory = whole.withUnsafeBytes { ExactBytes($0, headroom: Self.headroom) }
    var packet = Packet(
      base: memory.base, length: UInt32(memory.count), headroom: UInt32(Self.headroom))
    packet.origin = .underlay
    packet.flags = control & 16 == 0 ? [.offloaded] : [.offloaded, .traced]
    packet.originalLength += control & 32 == 0 ? 0 : 100
    if time > .max / 4 {
      worker = Self.worker(compiled)
      time = 0
    }
    time += Self.pause
    packet.time = time
    withUnsafeMutablePointer(to: &packet) {
      worker.process(UnsafeMutableBufferPointer(start: $0, count: 1), compiled.tables)
    }
    return fault(packet, memory, whole)
  }

  private func fault(
    _ packet: borrowing Packet, _ memory: ExactBytes, _ whole: [UInt8]
  ) -> String? {
    let start = packet.base - memory.base
    if packet.verdict != .forward && packet.verdict != .drop {
      return "verdict \(packet.verdict) of a tunnel packet"
    }
    if (packet.verdict == .drop) == (packet.reason == .none) { return "a drop has a reason" }
    if start < 0 || start + Int(packet.length) > memory.count {
      return "frame at \(start), \(packet.length) bytes, of \(memory.count)"
    }
    if Int(packet.headroom) - start != Self.headroom { return "headroom \(packet.headroom)" }
    guard packet.verdict == .forward else { return nil }
    if packet.nic == .none || packet.output != .nic(packet.nic) { return "forwarded to nobody" }
    // Behind addresses and checksums nothing of what the guest gets is rewritten, but in what an
    // ICMP error quotes.
    let length = Int(packet.length)
    let isIPv4 = length > 34 && packet.base.load(fromByteOffset: 12, as: UInt8.self) == 8
    let isICMP = isIPv4 && packet.base.load(fromByteOffset: 23, as: UInt8.self) == 1
    if isICMP { return nil }
    let tail = 14 + 60 + 20
    for index in tail..<max(tail, length) {
      let byte = packet.base.load(fromByteOffset: index, as: UInt8.self)
      if byte != whole[start + index] { return "payload byte \(index) changed" }
    }
    return nil
  }

  static func seeds() -> [[UInt8]] {
    let inner4 = ComposedFrame.ethernet(
      0x0800,
      ComposedFrame.ip(
        .init(source: [10, 0, 2, 20], destination: [10, 0, 1, 10], protocolNumber: 17),
        ComposedFrame.udp(5_000, 53, 12)))
    let inner6 = ComposedFrame.ethernet(
      0x86DD,
      ComposedFrame.ip(
        .init(
          source: ComposedFrame.v6(2, 0x14), destination: ComposedFrame.v6(1, 0x0A),
          protocolNumber: 17), ComposedFrame.udp(5_000, 53, 12)))
    let internet = ComposedFrame.ethernet(
      0x0800,
      ComposedFrame.ip(
        .init(source: [198, 51, 100, 7], destination: [203, 0, 113, 10], protocolNumber: 17),
        ComposedFrame.udp(5_000, 53, 12)))
    let geneve: [UInt8] = [0, 0, 0x65, 0x58, 0, 0, 100, 0]
    let option: [UInt8] = [2, 0, 0x65, 0x58, 0, 0, 100, 0, 1, 2, 3, 1, 9, 9, 9, 9]
    let vxlan: [UInt8] = [8, 0, 0, 0, 0, 0, 100, 0]
    let edge: [UInt8] = [0, 0, 0x65, 0x58, 0, 0, 1, 0]
    var seeds: [[UInt8]] = []
    for family in [0, 1] as [UInt8] {
      for inner in [inner4, inner6] {
        seeds.append([family] + geneve + inner)
        seeds.append([family] + option + inner)
        seeds.append([family | 2] + vxlan + inner)
      }
      seeds.append([family | 8] + edge + internet)
    }
    return seeds
  }
}
