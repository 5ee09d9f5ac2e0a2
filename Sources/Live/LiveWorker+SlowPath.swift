import Datapath
import LockFree
import Tables
import Wire

// What the service thread does for this worker, and what it answers.

extension LiveWorker where IO: ~Copyable {
  // MARK: Punts

  /// A guest's message to a service.
  @unsafe @inlinable @inline(never)
  mutating func puntService(_ slot: Int, _ tables: UnsafePointer<LiveTables>) {
    var punt = Punt(.service)
    punt.service = burst[slot].service
    completeChecksum(slot)
    unsafe puntOrDrop(slot, punt, tables)
  }

  /// A packet that has to be cut.
  @unsafe @inlinable @inline(never)
  mutating func puntFragment(_ slot: Int, _ tables: UnsafePointer<LiveTables>) {
    var punt = Punt(.fragment)
    punt.mtu = burst[slot].mtu
    punt.endpoint = burst[slot].endpoint
    punt.vni = burst[slot].vni
    punt.entropyPort = burst[slot].entropyPort
    if Int(burst[slot].originalLength) > shared.slowPath(worker: index).frameCapacity {
      return dropHere(slot, nic: burst[slot].nic, .mtuExceeded)
    }
    completeChecksum(slot)
    unsafe puntOrDrop(slot, punt, tables)
  }

  /// A frame about the underlay's neighbours.
  @unsafe @inlinable @inline(never)
  mutating func puntNeighbor(_ slot: Int, _ tables: UnsafePointer<LiveTables>) {
    burst[slot].nic = .none
    unsafe puntOrDrop(slot, Punt(.underlayNeighbor), tables)
  }

  /// A dropped packet whose sender is to learn the path's size: its first bytes, for the quote.
  @unsafe @inlinable @inline(never)
  mutating func puntTooBig(_ slot: Int, _ tables: UnsafePointer<LiveTables>) {
    var punt = Punt(.tooBig)
    punt.mtu = burst[slot].mtu
    // Without room in its share the guest goes without an answer; the drop is counted.
    _ = unsafe send(slot, punt, limit: 1_500, tables)
  }

  /// Has the service thread find out where the next hop is, at most 50 times a second for each.
  @unsafe @inlinable @inline(never)
  mutating func askForNextHop(_ endpoint: TableIndex, _ tables: UnsafePointer<LiveTables>) {
    if endpoint == .none { return }
    let place = Int(endpoint) & (Self.askSlots &- 1)
    if now < askTimes[place] { return }
    askTimes[place] = now &+ 20_000_000
    let channel = shared.slowPath(worker: index)
    let share = channel.shareIndex(.none)
    guard let frame = unsafe channel.reserve(share: share) else { return }
    var punt = Punt(.unresolvedNextHop)
    punt.endpoint = endpoint
    punt.generation = unsafe tables.pointee.generation
    unsafe channel.commit(punt, share: share, frame: frame)
    hasPunted = true
  }

  /// Leaves a packet to the service thread, or drops it when its NIC's share is used up.
  @unsafe @inlinable
  mutating func puntOrDrop(_ slot: Int, _ punt: Punt, _ tables: UnsafePointer<LiveTables>) {
    let limit = shared.slowPath(worker: index).frameCapacity
    guard Int(burst[slot].originalLength) <= limit, unsafe send(slot, punt, limit: limit, tables)
    else { return dropHere(slot, nic: burst[slot].nic, .slowPathFull) }
    count(.punted, 1)
    release(slot)
  }

  /// Copies a packet's first bytes into the ring.
  @unsafe @inlinable
  mutating func send(
    _ slot: Int, _ punt: Punt, limit: Int, _ tables: UnsafePointer<LiveTables>
  ) -> Bool {
    let channel = shared.slowPath(worker: index)
    let share = channel.shareIndex(burst[slot].nic)
    guard let frame = unsafe channel.reserve(share: share) else { return false }
    let length = min(limit, min(channel.frameCapacity, Int(burst[slot].originalLength)))
    unsafe io.copyBytes(of: burst[slot], from: 0, count: length, to: frame)
    var punt = punt
    punt.nic = burst[slot].nic
    punt.length = UInt32(truncatingIfNeeded: length)
    punt.originalLength = burst[slot].originalLength
    punt.generation = unsafe tables.pointee.generation
    unsafe channel.commit(punt, share: share, frame: frame)
    hasPunted = true
    return true
  }

  /// The service thread gets whole packets: it reads and cuts what no device finishes after it.
  @inlinable
  mutating func completeChecksum(_ slot: Int) {
    guard burst[slot].flags.contains(.partialChecksum) else { return }
    let headers = headerOffsets(slot, outer: 0)
    ChecksumCompletion.complete(&burst[slot], headers: headers, io: &io)
  }

  // MARK: Answers

  /// Does what the service thread says, a limited number of times.
  @unsafe @inlinable @inline(__always)
  mutating func takeAnswers(_ tables: UnsafePointer<LiveTables>) -> Int {
    let channel = shared.slowPath(worker: index)
    var taken = 0
    while taken < Self.leastRoom {
      guard let next = unsafe channel.nextAnswer() else { break }
      unsafe take(next.answer, next.frame, tables)
      channel.releaseAnswer()
      taken &+= 1
    }
    return taken
  }

  @unsafe @inlinable @inline(never)
  mutating func take(
    _ answer: Answer, _ frame: UnsafeRawPointer, _ tables: UnsafePointer<LiveTables>
  ) {
    if answer.kind == .underlay {
      return unsafe sendComposed(answer, frame, port: 0, poolPort: 0, tables)
    }
    guard unsafe isCurrent(answer, tables) else { return count(.answersLost, 1) }
    let nic = answer.nic
    switch answer.kind {
    case .drop: refuse(nic, answer.reason)
    case .reply, .consume:
      if unsafe !engine.chargeLinkLocal(nic: nic, time: now, tables.pointee.rules) {
        return refuse(nic, .limitLinkLocal)
      }
      count(.served, 1)
      if answer.kind == .reply { unsafe sendToGuest(answer, frame, tables) }
    case .frame: unsafe sendToGuest(answer, frame, tables)
    case .encapsulate:
      guard let port = unsafe tables.pointee.port(of: nic) else { return count(.answersLost, 1) }
      unsafe sendComposed(answer, frame, port: 0, poolPort: port, tables)
    case .underlay: return
    }
  }

  /// Whether an answer's numbers still mean what they meant: an endpoint's are of one generation,
  /// and a NIC keeps its number.
  @unsafe @inlinable
  func isCurrent(_ answer: Answer, _ tables: UnsafePointer<LiveTables>) -> Bool {
    guard unsafe Int(answer.nic) < tables.pointee.rules.nics.count,
      unsafe tables.pointee.rules.nics[answer.nic].isPresent
    else { return false }
    if unsafe answer.generation == tables.pointee.generation { return true }
    let since = unsafe UInt64(tables.pointee.rules.nics[answer.nic].since)
    return answer.kind != .encapsulate && answer.generation >= since
  }

  /// Counts a punted packet that is dropped in the end.
  @inlinable
  mutating func refuse(_ nic: TableIndex, _ reason: DropReason) {
    count(.refused, 1)
    engine.countDrop(nic: nic, reason)
  }

  @unsafe @inlinable
  mutating func sendToGuest(
    _ answer: Answer, _ frame: UnsafeRawPointer, _ tables: UnsafePointer<LiveTables>
  ) {
    guard let port = unsafe tables.pointee.port(of: answer.nic) else {
      return count(.answersLost, 1)
    }
    unsafe sendComposed(answer, frame, port: port, poolPort: port, tables)
  }

  /// Puts a composed frame into a buffer of its own and sends it.
  @unsafe @inlinable
  mutating func sendComposed(
    _ answer: Answer, _ frame: UnsafeRawPointer, port: Int, poolPort: Int,
    _ tables: UnsafePointer<LiveTables>
  ) {
    let slot = Self.scratch
    let length = Int(answer.length)
    guard io.allocate(port: poolPort, capacity: length, &burst[slot]) else {
      return count(.answersLost, 1)
    }
    // SAFETY: the buffer has room for `length` bytes, and the message has as many.
    unsafe burst[slot].base.copyMemory(from: frame, byteCount: length)
    burst[slot].length = answer.length
    burst[slot].originalLength = answer.length
    resetDescriptor(slot)
    var outer: UInt32 = 0
    if answer.kind == .encapsulate {
      guard let nextHop = unsafe tables.pointee.nextHops[answer.endpoint] else {
        unsafe askForNextHop(answer.endpoint, tables)
        return loseComposed(slot)
      }
      outer = unsafe tables.pointee.rules.endpoints[answer.endpoint].headerLength
      unsafe engine.encapsulate(
        &burst[slot], endpoint: answer.endpoint, vni: answer.vni,
        entropyPort: answer.entropyPort, tables.pointee.rules)
      unsafe writeMACs(&burst[slot], nextHop, tables.pointee.uplinkMAC)
    }
    count(.generated, 1)
    if unsafe observation != nil { unsafe showComposed(answer) }
    io.send(
      &burst[slot], port: port,
      headers: HeaderOffsets(outer: UInt16(truncatingIfNeeded: outer)))
    resetDescriptor(slot)
  }

  @inlinable
  mutating func loseComposed(_ slot: Int) {
    count(.answersLost, 1)
    release(slot)
  }
}
