import VPCModel
import Wire

/// Traffic and changes of the model for a running host, reproducible from a seed.
public struct LiveTraffic {
  private var generator: Generator
  private var models: ModelGenerator
  /// As the last change left it.
  public var model: VPCModel { generator.model }

  public init(seed: UInt64) {
    generator = Generator(seed: seed)
    models = ModelGenerator(seed: generator.random.next())
    generator.model = models.generate()
    generator.isFriendly = models.isFriendly
    addBandwidth()
    generator.options.atNIC = true
    generator.completesChecksums = true
    generator.lastsLong = true
  }

  /// Limits that the traffic comes up against.
  private mutating func addBandwidth() {
    for index in generator.model.networkInterfaces.indices where models.random.one(in: 3) {
      generator.model.networkInterfaces[index].limits.bandwidthOut =
        UInt64(models.random.number(4_000...200_000))
      generator.model.networkInterfaces[index].limits.bandwidthIn =
        UInt64(models.random.number(4_000...200_000))
      generator.model.networkInterfaces[index].limits.burst =
        UInt64(models.random.number(1_500...6_000))
    }
  }

  /// Some frames that belong together, and the nanoseconds that pass before them.
  public mutating func next() -> (pause: UInt64, frames: [[UInt8]]) {
    let before = generator.time
    let frames = frames { $0.step() }
    return (generator.time > before ? generator.time - before : 0, frames)
  }

  /// One of the packets sent lately once more.
  public mutating func again() -> [[UInt8]] { frames { $0.repeatRecent() } }

  /// A guest asks a service for something.
  public mutating func request() -> [[UInt8]] { frames { $0.sendService() } }

  private mutating func frames(_ compose: (inout Generator) -> Void) -> [[UInt8]] {
    generator.packets.removeAll(keepingCapacity: true)
    compose(&generator)
    defer { generator.packets.removeAll(keepingCapacity: true) }
    return generator.packets.filter { $0.linkType == 1 }.map(\.bytes)
  }

  /// A guest's frame as a driver leaves it to its device (virtio 1.2 section 5.1.6.2): the checksum
  /// field holds the sum of the pseudo-header. And the frame as it should be; nil for what no
  /// driver leaves so.
  public static func leftToDevice(_ frame: [UInt8]) -> (partial: [UInt8], complete: [UInt8])? {
    let type = frame.count > 34 ? Int(frame[12]) << 8 | Int(frame[13]) : 0
    guard type == 0x0800 || type == 0x86DD else { return nil }
    var complete = Array(frame.dropFirst(14))
    let family: IPFamily = type == 0x0800 ? .v4 : .v6
    let parsed = parseIP(
      family, Octets(bytes: complete, originalLength: complete.count), isLive: true)
    guard parsed.fault == nil, parsed.fragment == nil, parsed.length == complete.count,
      parsed.tcp != nil || parsed.protocolNumber == ProtocolNumber.udp
    else { return nil }
    if family == .v6 && !allowsChange(complete, until: parsed.transportOffset) { return nil }
    let udp = parsed.transport(from: 0)
    if parsed.tcp == nil && Int(udp.u16(4)) != parsed.transportLength { return nil }
    PacketComposer.setTransportChecksum(&complete)
    var partial = complete
    let place = parsed.transportOffset + (parsed.tcp == nil ? 6 : 16)
    var words = PacketComposer.bytes(parsed.source) + PacketComposer.bytes(parsed.destination)
    words += PacketComposer.big32(UInt32(parsed.transportLength))
    words += [0, 0, 0, parsed.protocolNumber]
    var sum = 0
    for index in stride(from: 0, to: words.count, by: 2) {
      sum += Int(words[index]) << 8 | Int(words[index + 1])
    }
    while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
    partial.replaceSubrange(place..<place + 2, with: PacketComposer.big16(sum))
    return (Array(frame[..<14]) + partial, Array(frame[..<14]) + complete)
  }

  /// Bytes of TCP payload of a frame that a driver may leave to its device to cut; nil of others.
  public static func segmentedPayload(_ frame: [UInt8]) -> Int? {
    guard let whole = leftToDevice(frame)?.complete else { return nil }
    let bytes = Array(whole.dropFirst(14))
    let octets = Octets(bytes: bytes, originalLength: bytes.count)
    let parsed = parseIP(whole[14] >> 4 == 4 ? .v4 : .v6, octets, isLive: true)
    return parsed.segmentHeaders.map { parsed.length - $0 }
  }

  /// What tells the pieces of a datagram from those of others (RFC 791, RFC 8200 section 4.5),
  /// without the destination, which a gateway may have translated.
  public struct DatagramName: Hashable, Sendable {
    let source: IPAddress
    let protocolNumber: UInt8
    let identifier: UInt32
  }

  /// The datagram of which a frame carries a piece, in a tunnel packet or not; nil of all others.
  public static func fragmentedDatagram(_ frame: [UInt8], isTunnelled: Bool) -> DatagramName? {
    let octets = Octets(bytes: frame, originalLength: frame.count)
    guard
      case .ip(let outer) = Frame(linkType: 1, octets: octets, tags: 0, isLive: true).content
    else { return nil }
    if !isTunnelled { return datagram(outer) }
    guard
      outer.protocolNumber == ProtocolNumber.udp, let ports = outer.ports,
      case .header(let header) = parseTunnel(port: ports.destination, outer.transport(from: 8)),
      case .ip(let inner) = Frame(
        linkType: 1, octets: header.inner, tags: 0, isLive: true
      ).content
    else { return nil }
    return datagram(inner)
  }

  private static func datagram(_ packet: ParsedPacket) -> DatagramName? {
    packet.fragment.map {
      DatagramName(
        source: packet.source, protocolNumber: $0.protocolNumber, identifier: $0.identifier)
    }
  }

  /// Whether all headers before the transport header let its checksum be completed later: an
  /// authentication header covers it, and a fragment header says that it was cut.
  private static func allowsChange(_ packet: [UInt8], until end: Int) -> Bool {
    var next = packet[6]
    var position = 40
    while position < end {
      guard next == 0 || next == 43 || next == 60 else { return false }
      next = packet[position]
      position += (Int(packet[position + 1]) + 1) * 8
    }
    return true
  }

  /// Takes limits away that several workers keep only approximately.
  public mutating func removeSharedLimits() {
    for index in generator.model.networkInterfaces.indices {
      generator.model.networkInterfaces[index].limits.bandwidthIn = nil
      generator.model.networkInterfaces[index].limits.bandwidthOut = nil
      generator.model.networkInterfaces[index].limits.burst = nil
      generator.model.networkInterfaces[index].limits.connections = nil
    }
  }

  /// Changes the model in one place.
  ///
  /// - Parameter movesInterface: a network interface comes or goes.
  public mutating func change(movesInterface: Bool = false) -> VPCModel {
    models.model = generator.model
    if movesInterface { models.changeInterfaces() } else { models.change() }
    generator.model = models.model
    return generator.model
  }
}
