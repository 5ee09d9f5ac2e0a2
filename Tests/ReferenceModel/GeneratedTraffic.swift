import VPCModel
import Wire

extension Generator {
  /// A TCP conversation as its two ends see it.
  struct Conversation {
    /// Who began first.
    var ends: [IPAddress]
    var ports: [Int]
    var sequence: [UInt32]
    /// What each end was sent by the other.
    var received: [UInt32]
    /// What each end sent and the other acknowledged.
    var acknowledged: [UInt32]
    var step = 0
    var window = 4_000
    var scale: UInt8?
    /// Of IPv6, the headers before TCP.
    var extensions: [(number: UInt8, bytes: [UInt8])] = []
    /// What is left to send of its end.
    var farewells: [Farewell] = []
  }

  mutating func port() -> Int { random.pick([443, 80, 85, 53, 1500, 22, 68, 8080, 40_000]) }

  // MARK: TCP

  mutating func continueConversation() {
    if conversations.count < 4 || random.one(in: 12) { beginConversation() }
    let index = random.number(0...conversations.count - 1)
    if conversations[index].step > 30 || random.one(in: 200) {
      conversations.remove(at: index)
      return
    }
    var conversation = conversations[index]
    if lastsLong && conversation.farewells.isEmpty && conversation.step > 3 && random.one(in: 8) {
      end(&conversation)
    }
    if !conversation.farewells.isEmpty {
      if sayFarewell(&conversation) {
        conversations[index] = conversation
      } else {
        conversations.remove(at: index)
      }
      return
    }
    let anomaly = random.number(0...(isFriendly ? 90 : 24))
    // Of handshakes in which mistakes are as many as elsewhere, few would be whole.
    isPlain = lastsLong && conversation.step < 3 && random.one(in: 2)
    defer { isPlain = false }
    switch conversation.step {
    case 0: tcp(&conversation, from: 0, flags: 2, payload: 0, isBeginning: true)
    case 1: tcp(&conversation, from: 1, flags: 18, payload: 0, isBeginning: true)
    case 2: tcp(&conversation, from: 0, flags: 16, payload: 0)
    default: exchange(&conversation, anomaly)
    }
    // Now and then a step is repeated or left out.
    conversation.step += random.one(in: 15) ? random.number(0...2) : 1
    conversations[index] = conversation
  }

  private mutating func beginConversation() {
    let (source, destination) = pair()
    var conversation = Conversation(
      ends: [source, destination], ports: [40_000 + random.number(0...6), port()],
      sequence: [UInt32(truncatingIfNeeded: random.next()), 7_000], received: [0, 0],
      acknowledged: [0, 0])
    if random.one(in: 3) { conversation.sequence[0] = .max - 50 }
    conversation.acknowledged = conversation.sequence
    conversation.received = conversation.sequence.reversed()
    if random.one(in: 2) { conversation.scale = UInt8(random.number(0...9)) }
    conversation.window = random.pick([0, 500, 4_000, 65_535, 65_535, 65_535])
    if lastsLong && source.family == .v6 && random.one(in: 6) {
      let empty: [UInt8] = [0, 0, 1, 4, 0, 0, 0, 0]
      conversation.extensions = [(number: 60, bytes: empty)]
      if random.one(in: 2) { conversation.extensions.insert((number: 0, bytes: empty), at: 0) }
    }
    // Picked up in the middle.
    if random.one(in: 6) { conversation.step = 3 }
    conversations.append(conversation)
  }

  private mutating func exchange(_ conversation: inout Conversation, _ anomaly: Int) {
    let sender = random.number(0...1)
    var odd = conversation
    switch anomaly {
    case 0:
      odd.sequence[sender] &+= UInt32(random.pick([1, 5_000, 70_000, 1 << 30]))
      tcp(&odd, from: sender, flags: random.pick([16, 24, 4, 20], else: 16), payload: 10)
    case 1:
      odd.sequence[sender] &-= UInt32(random.pick([1, 300, 70_000, 1 << 30]))
      tcp(&odd, from: sender, flags: random.pick([16, 24, 4, 20], else: 16), payload: 10)
    case 2:
      odd.received[sender] &+= UInt32(random.pick([1, 3_000, 100_000]))
      tcp(&odd, from: sender, flags: random.pick([16, 17, 20], else: 16), payload: 0)
    case 3: tcp(&conversation, from: sender, flags: UInt8(random.number(0...255)), payload: 0)
    case 4:
      tcp(&conversation, from: sender, flags: random.pick([4, 20], else: 4), payload: 0)
      if random.one(in: 2) { conversation.step = 100 }
    case 5: tcp(&conversation, from: 0, flags: 2, payload: 0, isBeginning: true)
    case 6: tcp(&conversation, from: sender, flags: 18, payload: 0, isBeginning: true)
    case 7:
      odd.sequence[0] = UInt32(truncatingIfNeeded: random.next())
      tcp(&odd, from: 0, flags: 2, payload: 0, isBeginning: true)
      conversation.sequence = odd.sequence
    case 8...10: tcp(&conversation, from: sender, flags: 17, payload: 0)
    default:
      var payload = random.pick([0, 0, 1, 100, 1_000, 1_400])
      // More than fits a packet: the device shall cut it.
      if lastsLong && random.one(in: 8) { payload = random.pick([2_900, 5_000, 9_000], else: 0) }
      let outstanding = conversation.sequence[sender] &- conversation.acknowledged[sender]
      if Int(outstanding) + payload > conversation.window && !random.one(in: 20) { payload = 0 }
      tcp(&conversation, from: sender, flags: payload == 0 ? 16 : 24, payload: payload)
      // A copy, as a lost acknowledgement makes it.
      if random.one(in: 10) {
        tcp(&odd, from: sender, flags: payload == 0 ? 16 : 24, payload: payload)
      }
    }
  }

  mutating func tcp(
    _ conversation: inout Conversation, from sender: Int, flags: UInt8, payload: Int,
    isBeginning: Bool = false
  ) {
    let receiver = 1 - sender
    var options: [UInt8] = []
    if isBeginning {
      options = [2, 4, 5, 0xB4, 4, 2]
      if let scale = conversation.scale { options += [1, 3, 3, scale] }
    } else if random.one(in: 10) {
      let edge = conversation.received[sender]
      options =
        [1, 1, 5, 10] + PacketComposer.big32(edge &+ 100)
        + PacketComposer.big32(edge &+ UInt32(random.pick([200, 5_000, 0])))
    } else if random.one(in: 20) {
      options = random.octets(random.number(1...20))
    }
    let segment = PacketComposer.tcp(
      (conversation.ports[sender], conversation.ports[receiver]),
      sequence: conversation.sequence[sender],
      acknowledgement: flags & 16 != 0 ? conversation.received[sender] : 0, flags: flags,
      window: random.one(in: 60) ? 0 : conversation.window, options: options, payload: payload)
    var fields = PacketComposer.IPFields(
      source: conversation.ends[sender], destination: conversation.ends[receiver],
      protocolNumber: 6)
    fields.dontFragment = random.one(in: 2)
    fields.extensions = conversation.extensions
    conversation.sequence[sender] &+= UInt32(payload) &+ (flags & 3 != 0 ? 1 : 0)
    conversation.received[receiver] = conversation.sequence[sender]
    if flags & 16 != 0 { conversation.acknowledged[receiver] = conversation.received[sender] }
    send(fields.source, fields.destination, PacketComposer.ip(fields, segment))
  }

  // MARK: UDP, ICMP and others

  mutating func sendUDP() {
    let (source, destination) = pair()
    var ports = (40_000 + random.number(0...2), port())
    if random.one(in: 2) { ports = (ports.1, ports.0) }
    var fields = PacketComposer.IPFields(
      source: source, destination: destination, protocolNumber: 17)
    fields.dontFragment = random.one(in: 2)
    let length = random.pick([0, 20, 100, 1_322, 1_323, 1_422, 1_423, 1_472, 8_000])
    addHeaders(&fields)
    let bytes = PacketComposer.ip(
      fields, PacketComposer.udp(ports, [UInt8](repeating: 0x75, count: length)))
    send(source, destination, bytes)
    if random.one(in: 2) {
      let answer = PacketComposer.IPFields(
        source: destination, destination: source, protocolNumber: 17)
      send(
        destination, source,
        PacketComposer.ip(answer, PacketComposer.udp((ports.1, ports.0), [1, 2])))
    }
  }

  /// Now and then options, or extension headers.
  private mutating func addHeaders(_ fields: inout PacketComposer.IPFields) {
    guard random.one(in: 8) else { return }
    fields.options = random.pick(
      [[148, 4, 0, 0], [7, 7, 4, 0, 0, 0, 0, 0], [131, 3, 4, 0], [1, 1, 1, 9]], else: [])
    let empty: [UInt8] = [0, 0, 1, 4, 0, 0, 0, 0]
    let choices: [[(number: UInt8, bytes: [UInt8])]] = [
      [(0, empty)], [(60, empty)], [(60, empty), (0, empty)], [(51, [0, 1] + random.octets(10))],
      [(43, [0, 0, 2, 0, 0, 0, 0, 0])], [(43, [0, 0, 0, 0, 0, 0, 0, 0])],
      [(44, [0, 0, 0, 0, 0, 0, 0, 9])], Array(repeating: (60, empty), count: random.number(7...9)),
      [(0, [0, 0, 0xC2, 4, 0, 1, 0, 0])], [(60, [0, 0, 1, 9, 0, 0, 0, 0])],
    ]
    fields.extensions = random.pick(choices, else: [])
  }

  mutating func sendEcho() {
    let (source, destination) = pair()
    let isV4 = source.family == .v4
    let identifier = PacketComposer.big16(random.number(1...3))
    let request = PacketComposer.icmp(
      type: isV4 ? 8 : 128, code: 0, identifier + [0, 1] + [UInt8](repeating: 1, count: 40))
    let answer = PacketComposer.icmp(
      type: isV4 ? 0 : 129, code: 0, identifier + [0, 1] + [UInt8](repeating: 1, count: 40))
    let number: UInt8 = isV4 ? 1 : 58
    if !random.one(in: 6) {
      let fields = PacketComposer.IPFields(
        source: source, destination: destination, protocolNumber: number)
      send(source, destination, PacketComposer.ip(fields, request))
    }
    if !random.one(in: 3) {
      let fields = PacketComposer.IPFields(
        source: destination, destination: source, protocolNumber: number)
      send(destination, source, PacketComposer.ip(fields, answer))
    }
  }

  mutating func sendError() {
    guard !recent.isEmpty else { return }
    let quoted = recent[random.number(0...recent.count - 1)]
    let isV4 = quoted.source.family == .v4
    var source = quoted.destination
    var destination = quoted.source
    if random.one(in: 4) { source = address(source.family) }
    if random.one(in: 10) { destination = address(source.family) }
    // To another address of who sent the packet that is quoted, who has no part in it.
    if lastsLong, random.one(in: 8), let owner = nic(quoted.source) {
      destination = random.pick(
        owner.addresses.filter { $0.family == source.family }, else: destination)
    }
    let type: UInt8 =
      isV4 ? random.pick([3, 11, 12, 5, 13], else: 3) : random.pick([1, 2, 3, 4, 150], else: 1)
    let length = random.pick([20, 27, 28, 48, 60, 100])
    let message = PacketComposer.icmp(
      type: type, code: UInt8(random.number(0...4)),
      [0, 0, 0, 0] + Array(quoted.bytes.prefix(length)))
    let fields = PacketComposer.IPFields(
      source: source, destination: destination, protocolNumber: isV4 ? 1 : 58)
    send(source, destination, PacketComposer.ip(fields, message), quotable: random.one(in: 4))
  }

  mutating func sendOther() {
    let (source, destination) = pair()
    let number: UInt8 = random.pick([132, 132, 47, 50, 51, 4, 1, 58], else: 47)
    let fields = PacketComposer.IPFields(
      source: source, destination: destination, protocolNumber: number)
    let payload =
      number == 132
      ? PacketComposer.sctp((40_000, port()), payload: 20) : random.octets(random.number(8...60))
    send(source, destination, PacketComposer.ip(fields, payload))
  }

  mutating func repeatRecent() {
    guard !recent.isEmpty else { return }
    send(recent[random.number(0...recent.count - 1)])
  }
}
