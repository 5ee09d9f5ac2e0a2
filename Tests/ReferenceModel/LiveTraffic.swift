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
    generator.packets.removeAll(keepingCapacity: true)
    generator.step()
    let pause = generator.time > before ? generator.time - before : 0
    let frames = generator.packets.filter { $0.linkType == 1 }.map(\.bytes)
    generator.packets.removeAll(keepingCapacity: true)
    return (pause, frames)
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
    // Behind extension headers the host leaves it as it is.
    if family == .v6 && complete[6] != parsed.protocolNumber { return nil }
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
  public mutating func change() -> VPCModel {
    models.model = generator.model
    models.change()
    generator.model = models.model
    return generator.model
  }
}
