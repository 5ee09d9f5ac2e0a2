import CFileDescriptors

/// What a front-end has set so far: enough to make a fresh back-end its equal, and to answer for an
/// absent one. It owns the descriptors that it would send along.
///
/// It is a value: a copy taken before a request undoes the request when the back-end refuses it.
package struct SessionRecord {
  /// How a side is told that there is something in a ring.
  enum Notifier {
    /// It polls.
    case polled
    case event(Descriptor)

    var descriptors: [Descriptor] {
      if case .event(let descriptor) = self { return [descriptor] }
      return []
    }

    /// Tells the side that waits for it.
    func signal() { for descriptor in descriptors { _ = apus_event_signal(descriptor.raw) } }
  }

  struct Ring {
    /// Entries.
    var size: UInt32?
    /// Where the next reader begins; of a packed ring with both wrap counters.
    var base: UInt32?
    /// The payload of SET_VRING_ADDR.
    var address: [UInt8]?
    var error: Notifier?
    var call: Notifier?
    var kick: Notifier?
    var isEnabled: Bool?

    /// A ring runs from its kick descriptor to GET_VRING_BASE.
    var isStarted: Bool { kick != nil }

    /// The used ring's address in the front-end (the second of four: descriptors, used, available,
    /// log).
    var usedAddress: UInt64? {
      guard let address else { return nil }
      return UInt64(Message.word(address, 16)) | UInt64(Message.word(address, 20)) << 32
    }

    /// As a back-end does: it forgets the addresses and closes the descriptors.
    mutating func stop(base: UInt32) {
      self.base = base
      address = nil
      call = nil
      kick = nil
    }
  }

  /// As offered to the front-end, without what is not relayed.
  var offeredFeatures: UInt64?
  var offeredProtocolFeatures: UInt64?
  var queueCount: UInt64?

  var isOwned = false
  var features: UInt64?
  var protocolFeatures: UInt64?
  var mtu: UInt64?
  var memory: Message?
  var log: Message?
  var status: UInt64?
  /// By ring index.
  var rings: [Int: Ring] = [:]

  /// The parsed form of `memory`.
  private(set) var table: MemoryTable?

  /// Of a front-end that has set nothing yet.
  package init() {}

  /// Acknowledgements are agreed on.
  var hasAcknowledgements: Bool {
    (protocolFeatures ?? 0) & ProtocolFeature.replyAcknowledgement != 0
  }

  /// Packed rings run. Where they stand is in the back-end's memory only: they do not outlive it.
  var hasRunningPackedRing: Bool {
    (features ?? 0) & Feature.packedRing != 0 && rings.values.contains(where: \.isStarted)
  }

  /// Where a fresh back-end goes on: at the used index, for what was taken and not yet returned is
  /// done again; of a stopped ring where it stopped.
  ///
  /// A used index that cannot be read gives what the front-end set: the back-end will not find the
  /// ring either.
  package func base(ofRing index: Int) -> UInt32? {
    guard let ring = rings[index] else { return nil }
    guard ring.isStarted, (features ?? 0) & Feature.packedRing == 0, let table,
      let address = ring.usedAddress, let used = table.usedIndex(userAddress: address)
    else { return ring.base }
    return UInt32(used)
  }

  /// Takes over a checked request.
  /// - Throws: features that were never offered.
  package mutating func apply(_ request: Request, _ message: Message) throws(MessageError) {
    switch request {
    case .setFeatures:
      let surplus = message.value & ~(offeredFeatures ?? Feature.relayed)
      guard surplus == 0 else { throw .features(surplus) }
      features = message.value
    case .setProtocolFeatures:
      let surplus = message.value & ~(offeredProtocolFeatures ?? ProtocolFeature.relayed)
      guard surplus == 0 else { throw .features(surplus) }
      protocolFeatures = message.value
    case .setOwner: isOwned = true
    case .resetOwner:
      // The back-end forgets the session, and keeps what it offers.
      var empty = SessionRecord()
      empty.offeredFeatures = offeredFeatures
      empty.offeredProtocolFeatures = offeredProtocolFeatures
      empty.queueCount = queueCount
      self = empty
    case .setMemoryTable:
      table = try MemoryTable(message)
      memory = message
    case .setLogBase: log = message
    case .setMTU: mtu = message.value
    case .setStatus: status = message.value
    default: applyToRing(request, message)
    }
  }

  private mutating func applyToRing(_ request: Request, _ message: Message) {
    let index: Int
    switch request {
    case .setRingKick, .setRingCall, .setRingError:
      index = Int(message.value & ~MessageRules.noDescriptor)
    case .setRingSize, .setRingBase, .setRingAddress, .setRingEnable: index = message.ring
    default: return
    }
    let notifier = message.descriptors.first.map(Notifier.event) ?? .polled
    switch request {
    case .setRingKick: rings[index, default: Ring()].kick = notifier
    case .setRingCall: rings[index, default: Ring()].call = notifier
    case .setRingError: rings[index, default: Ring()].error = notifier
    case .setRingSize: rings[index, default: Ring()].size = message.number
    case .setRingBase: rings[index, default: Ring()].base = message.number
    case .setRingAddress: rings[index, default: Ring()].address = message.payload
    default: rings[index, default: Ring()].isEnabled = message.number == 1
    }
  }

  /// Takes over what the back-end answered, without what is not relayed.
  /// - Returns: the answer for the front-end.
  package mutating func apply(reply: Message, to request: Request) -> Message {
    switch request {
    case .getFeatures:
      let features = reply.value & Feature.relayed
      offeredFeatures = features
      return .reply(to: reply.request, value: features)
    case .getProtocolFeatures:
      let features = reply.value & ProtocolFeature.relayed
      offeredProtocolFeatures = features
      return .reply(to: reply.request, value: features)
    case .getQueueCount: queueCount = reply.value
    case .getRingBase: rings[reply.ring, default: Ring()].stop(base: reply.number)
    case .getStatus: status = reply.value
    default: break
    }
    var reply = reply
    reply.flags = Message.version | Message.replyFlag
    return reply
  }

  /// An answer in place of a back-end that is away; nil when only a back-end knows. The next one
  /// hears of the request by the replay.
  package mutating func answer(_ request: Request, _ message: Message) -> Message? {
    switch request {
    case .getFeatures: return offeredFeatures.map { .reply(to: message.request, value: $0) }
    case .getProtocolFeatures:
      return offeredProtocolFeatures.map { .reply(to: message.request, value: $0) }
    case .getQueueCount: return queueCount.map { .reply(to: message.request, value: $0) }
    case .getStatus: return .reply(to: message.request, value: status ?? 0)
    case .getRingBase:
      let base = base(ofRing: message.ring) ?? 0
      rings[message.ring, default: Ring()].stop(base: base)
      var reply = Message(.getRingBase, ring: UInt32(message.ring), number: base)
      reply.flags |= Message.replyFlag
      return reply
    case .setLogBase:
      var reply = Message(.setLogBase)
      reply.flags |= Message.replyFlag
      return reply
    default: return .reply(to: message.request, value: 0)
    }
  }
}
