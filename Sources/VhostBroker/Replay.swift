/// Why a data plane cannot take a session over.
enum ReplayError: Error, CustomStringConvertible {
  case connection(ChannelError)
  case features(UInt64)
  case protocolFeatures(UInt64)
  case queues(offered: UInt64, used: Int)

  var description: String {
    switch self {
    case .connection(let error): "\(error)"
    case .features(let bits): "it lacks features 0x\(String(bits, radix: 16)) of the session"
    case .protocolFeatures(let bits):
      "it lacks protocol features 0x\(String(bits, radix: 16)) of the session"
    case .queues(let offered, let used):
      "it serves \(offered) pairs of queues, the session uses \(used) rings"
    }
  }
}

/// Makes a fresh back-end the equal of the one before it.
struct Replay {
  let record: SessionRecord
  let backend: Backend

  /// Sends the session in the order that a front-end would, with acknowledgements off; one last
  /// question shows that the back-end has taken everything. Then either side of each ring is told
  /// to look at it, for what was signalled in between reached nobody.
  /// Complexity: one message for each value set, at most five waits for an answer.
  func run() throws(ReplayError) {
    let missing = (record.features ?? 0) & ~(try ask(.getFeatures))
    guard missing == 0 else { throw .features(missing) }
    try negotiateProtocol()
    if let features = record.features { try tell(Message(.setFeatures, value: features)) }
    try checkQueues()
    if let mtu = record.mtu { try tell(Message(.setMTU, value: mtu)) }
    if let memory = record.memory { try tell(memory) }
    if let log = record.log {
      do {
        _ = try backend.exchange(.setLogBase, log, isAcknowledged: false)
      } catch {
        throw .connection(error)
      }
    }
    for (index, ring) in record.rings.sorted(by: { $0.key < $1.key }) { try send(ring, at: index) }
    if let status = record.status { try tell(Message(.setStatus, value: status)) }
    _ = try ask(.getFeatures)
    wake()
  }

  private func negotiateProtocol() throws(ReplayError) {
    if let features = record.protocolFeatures {
      let missing = features & ~(try ask(.getProtocolFeatures))
      guard missing == 0 else { throw .protocolFeatures(missing) }
    }
    if record.isOwned { try tell(Message(.setOwner)) }
    if let features = record.protocolFeatures {
      try tell(Message(.setProtocolFeatures, value: features))
    }
  }

  private func checkQueues() throws(ReplayError) {
    guard record.queueCount != nil else { return }
    let pairs = try ask(.getQueueCount)
    let used = (record.rings.keys.max() ?? -1) + 1
    guard used <= 2 * min(pairs, 128) else {
      throw .queues(offered: pairs, used: used)
    }
  }

  private func send(_ ring: SessionRecord.Ring, at index: Int) throws(ReplayError) {
    let id = UInt32(index)
    if let size = ring.size { try tell(Message(.setRingSize, ring: id, number: size)) }
    if let base = record.base(ofRing: index) {
      try tell(Message(.setRingBase, ring: id, number: base))
    }
    if let address = ring.address { try tell(Message(.setRingAddress, payload: address)) }
    try send(ring.error, .setRingError, index)
    try send(ring.call, .setRingCall, index)
    try send(ring.kick, .setRingKick, index)
    if let isEnabled = ring.isEnabled {
      try tell(Message(.setRingEnable, ring: id, number: isEnabled ? 1 : 0))
    }
  }

  private func send(
    _ notifier: SessionRecord.Notifier?, _ request: Request, _ index: Int
  ) throws(ReplayError) {
    guard let notifier else { return }
    let descriptors = notifier.descriptors
    let flag = descriptors.isEmpty ? MessageRules.noDescriptor : 0
    try tell(Message(request, value: UInt64(index) | flag, descriptors: descriptors))
  }

  /// Spurious notifications are harmless; a lost one would leave a side asleep.
  private func wake() {
    for ring in record.rings.values where ring.isStarted {
      ring.kick?.signal()
      ring.call?.signal()
    }
  }

  private func ask(_ request: Request) throws(ReplayError) -> UInt64 {
    do { return try backend.ask(request) } catch { throw .connection(error) }
  }

  private func tell(_ message: Message) throws(ReplayError) {
    do { try backend.tell(message) } catch { throw .connection(error) }
  }
}
