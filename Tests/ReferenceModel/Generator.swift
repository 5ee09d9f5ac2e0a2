import VPCModel
import Wire

/// A model with traffic for it, reproducible from its seed.
public struct Scenario: Sendable {
  public var seed: UInt64
  public var model: VPCModel
  public var options: ReferenceOptions
  public var packets: [ReferencePacket]

  /// A scenario that somebody made up; `seed` then only names it.
  public init(
    seed: UInt64 = 0, model: VPCModel, options: ReferenceOptions, packets: [ReferencePacket]
  ) {
    self.seed = seed
    self.model = model
    self.options = options
    self.packets = packets
  }
}

/// Composes scenarios that visit as much of the contract as random traffic can.
public struct Generator {
  private let seed: UInt64
  var random: SeededRandom
  var model = VPCModel()
  var options = ReferenceOptions()
  /// Whether most traffic is as it should be.
  var isFriendly = false
  /// Nanoseconds.
  var time: UInt64 = 1_700_000_000_000_000_000
  var packets: [ReferencePacket] = []
  var conversations: [Conversation] = []
  /// IP packets that were sent lately, to quote in ICMP errors and to repeat.
  var recent: [Traffic] = []
  /// Fragments that wait to be sent.
  var pending: [Traffic] = []
  /// Who spoke to whom lately.
  private var pairs: [(IPAddress, IPAddress)] = []
  var identifier: UInt32 = 1
  /// Most packets get the checksums that their senders owe; otherwise transport has none.
  var completesChecksums = false
  /// As on a host that runs for long: now and then more time passes than any timeout but that of
  /// established TCP, and who spoke once speaks again.
  var lastsLong = false
  /// Frames are sent without mistakes.
  var isPlain = false

  /// An IP packet on its way between two addresses.
  struct Traffic {
    var source: IPAddress
    var destination: IPAddress
    var bytes: [UInt8]
  }

  public init(seed: UInt64) {
    self.seed = seed
    random = SeededRandom(seed: seed)
  }

  /// The scenario of a seed: a model and about `count` packets.
  ///
  /// - Complexity: O(`count`).
  public static func scenario(seed: UInt64, packets count: Int) -> Scenario {
    var generator = Generator(seed: seed)
    return generator.generate(count)
  }

  private mutating func generate(_ count: Int) -> Scenario {
    var models = ModelGenerator(seed: random.next())
    model = models.generate()
    isFriendly = models.isFriendly
    options.atNIC = random.one(in: 4)
    if random.one(in: 4) { options.eni = random.pick(model.networkInterfaces.map(\.id), else: "") }
    while packets.count < count { step() }
    return Scenario(seed: seed, model: model, options: options, packets: packets)
  }

  mutating func step() {
    passTime()
    switch random.number(0...99) {
    case 0..<45: continueConversation()
    case 45..<55: sendUDP()
    case 55..<62: sendEcho()
    case 62..<67: sendError()
    case 67..<70: sendOther()
    case 70..<82: sendFragment()
    case 82..<88: sendMalformed()
    case 88..<92: sendService()
    case 92..<95: sendStrange()
    case 95..<97: repeatRecent()
    default: sendNoise()
    }
  }

  private mutating func passTime() {
    if lastsLong && random.one(in: 300) {
      let seconds = random.pick([15, 30, 31, 45, 60, 61, 90, 180, 181, 600, 601, 500_000])
      time += UInt64(seconds) * 1_000_000_000
      return
    }
    switch random.number(0...399) {
    case 0: time += 15_000_000_000
    case 1: time += 30_000_000_000
    case 2: time += UInt64(random.number(1...100)) * 1_000_000_000
    case 3: time += random.one(in: 5) ? 601_000_000_000 : 10_000_000_000
    case 4: time -= 5_000_000
    case 5..<20: time += UInt64(random.number(1...900)) * 1_000_000
    default: time += UInt64(random.number(0...3_000)) * 1_000
    }
  }

  // MARK: Endpoints

  /// Addresses that mean something, of a family.
  mutating func address(_ family: IPFamily) -> IPAddress {
    var choices = model.networkInterfaces.flatMap(\.addresses)
    choices += choices + choices + model.mappings.map(\.address) + ModelGenerator.internetHosts
    choices += ModelGenerator.internetHosts
    choices += [
      "10.0.1.1", "10.0.1.200", "172.16.0.9", "192.168.1.1", "10.10.1.1", "10.0.3.3",
      "169.254.169.254", "203.0.113.77", "fe80::1", "fd00:10:0:1::200", "2001:db8:77::1",
    ].map(ModelGenerator.address)
    return random.pick(choices.filter { $0.family == family }, else: IPAddress(v4: 0x0A00_010A))
  }

  mutating func ownAddress(_ family: IPFamily) -> IPAddress {
    let own = model.networkInterfaces.flatMap(\.addresses).filter { $0.family == family }
    return random.pick(own, else: IPAddress(v4: 0x0A00_010A))
  }

  mutating func family() -> IPFamily { random.one(in: 3) ? .v6 : .v4 }

  /// Two addresses, one of which is a network interface's as a rule.
  mutating func pair() -> (IPAddress, IPAddress) {
    if !lastsLong { return freshPair() }
    if !pairs.isEmpty && random.one(in: 2) {
      let known = pairs[random.number(0...pairs.count - 1)]
      return random.one(in: 4) ? (known.1, known.0) : known
    }
    let fresh = freshPair()
    pairs.append(fresh)
    if pairs.count > 6 { pairs.removeFirst() }
    return fresh
  }

  private mutating func freshPair() -> (IPAddress, IPAddress) {
    let family = family()
    let own = ownAddress(family)
    var other = address(family)
    for _ in 0..<3 where nic(other)?.id == nic(own)?.id { other = address(family) }
    return random.one(in: 3) ? (other, own) : (own, other)
  }

  func nic(_ address: IPAddress) -> NetworkInterface? {
    model.networkInterfaces.first { $0.addresses.contains(address) }
  }

  // MARK: Frames

  mutating func send(
    _ source: IPAddress, _ destination: IPAddress, _ bytes: [UInt8], quotable: Bool = true
  ) {
    var traffic = Traffic(source: source, destination: destination, bytes: bytes)
    if completesChecksums && !random.one(in: 8) {
      PacketComposer.setTransportChecksum(&traffic.bytes)
    }
    if quotable {
      recent.append(traffic)
      if recent.count > 50 { recent.removeFirst(25) }
    }
    send(traffic)
  }

  mutating func send(_ traffic: Traffic) {
    let type = traffic.source.family == .v4 ? 0x0800 : 0x86DD
    if nic(traffic.source) == nil, nic(traffic.destination) != nil, !odd(in: 4),
      sendTunnelled(traffic, type)
    {
      return
    }
    switch isPlain ? 29 : random.number(0...29) {
    case 0: record(linkType: 101, traffic.bytes)
    case 1: record(linkType: type == 0x0800 ? 228 : 229, traffic.bytes)
    case 2:
      let mac = nic(traffic.source)?.mac ?? MACAddress(0x02EE_0000_0099)
      let header: [UInt8] = [0, 0, 0, 1, 0, 6] + PacketComposer.bytes(mac) + [0, 0]
      record(linkType: 113, header + PacketComposer.big16(type) + traffic.bytes)
    case 3:
      let mac = nic(traffic.source)?.mac ?? MACAddress(0x02EE_0000_0099)
      let header = PacketComposer.big16(type) + [0, 0, 0, 0, 0, 1, 0, 1, 0, 6]
      record(linkType: 276, header + PacketComposer.bytes(mac) + [0, 0] + traffic.bytes)
    default:
      var frame = ethernetHeader(traffic)
      if odd(in: 30) { frame += [0x81, 0x00, 0x00, 0x05] }
      if odd(in: 90) { frame += [0x88, 0xA8, 0x00, 0x07] }
      var bytes = frame + PacketComposer.big16(type) + traffic.bytes
      while bytes.count < 60 && random.one(in: 2) { bytes.append(0) }
      record(linkType: 1, bytes)
    }
  }

  private mutating func ethernetHeader(_ traffic: Traffic) -> [UInt8] {
    var source = nic(traffic.source)?.mac ?? MACAddress(0x02EE_0000_0099)
    var destination = nic(traffic.destination)?.mac ?? .router
    if random.one(in: 3) && nic(traffic.source) != nil { destination = .router }
    if odd(in: 40) { source = random.pick(model.networkInterfaces.map(\.mac), else: source) }
    if odd(in: 60) { source = MACAddress(0x02EE_0000_0098) }
    if odd(in: 60) { destination = .broadcast }
    if odd(in: 60) {
      destination = random.pick(model.networkInterfaces.map(\.mac), else: destination)
    }
    return PacketComposer.bytes(destination) + PacketComposer.bytes(source)
  }

  /// Records a frame, now and then cut short as a capture may.
  mutating func record(linkType: UInt16, _ bytes: [UInt8]) {
    var captured = bytes
    if odd(in: 60) { captured = Array(bytes.prefix(random.number(20...bytes.count + 20))) }
    packets.append(
      ReferencePacket(
        file: "generated", number: packets.count + 1, time: time, linkType: linkType,
        bytes: captured, originalLength: bytes.count))
  }

  /// True once in `count` times on average, as long as mistakes are made at all.
  mutating func odd(in count: Int) -> Bool { !isPlain && random.one(in: count) }

  mutating func nextIdentifier() -> UInt32 {
    identifier = identifier % 60_000 + 1
    return identifier
  }
}
