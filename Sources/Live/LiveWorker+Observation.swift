import Datapath
import LockFree
import Tables
import Wire

// Packets that somebody looks at. Nothing here runs when nobody does.

extension LiveWorker where IO: ~Copyable {
  /// Begins a round with an observation, or lets go of one that shall end.
  @unsafe @inlinable @inline(never)
  mutating func beginObservedRound() {
    // SAFETY: it stays until this worker has let go.
    guard let observation = unsafe observation else { return }
    if unsafe observation.pointee.isEnding {
      unsafe self.observation = nil
      // Who made it may free it from here on.
      return shared.endObservation(index)
    }
    unsafe observation.pointee.allowance.accrue(now: now)
  }

  /// Judges and settles the burst's first packets in order, those that match alone.
  @unsafe @inlinable @inline(never)
  mutating func judgeObserved(
    _ count: Int, _ observation: UnsafeMutablePointer<Observation>,
    _ tables: UnsafePointer<LiveTables>
  ) {
    var start = 0
    for slot in 0..<count {
      var found = ObservedPacket.none
      guard unsafe select(slot, observation, tables, &found) else { continue }
      unsafe judgeRun(start, slot, tables)
      unsafe judgeSelected(slot, found, observation, tables)
      start = slot &+ 1
    }
    unsafe judgeRun(start, count, tables)
    judgedFrom = 0
  }

  /// Judges packets that nobody looks at.
  @unsafe @inlinable
  mutating func judgeRun(_ start: Int, _ end: Int, _ tables: UnsafePointer<LiveTables>) {
    if start >= end { return }
    judgedFrom = start
    if notes != nil { unsafe noteFrames(start, end) }
    // SAFETY: `end` is at most the burst's capacity.
    unsafe engine.process(
      UnsafeMutableBufferPointer(start: burst.pointer(start), count: end &- start),
      tables.pointee.rules)
    if notes != nil { unsafe noteVerdicts(start, end, tables) }
    for slot in start..<end { unsafe settle(slot, tables) }
  }

  /// Whether a packet's headers match, and there is time for it.
  @unsafe @inlinable
  mutating func select(
    _ slot: Int, _ observation: UnsafeMutablePointer<Observation>,
    _ tables: UnsafePointer<LiveTables>, _ found: inout ObservedPacket
  ) -> Bool {
    guard
      unsafe observation.pointee.describes(
        burst[slot], &engine, tables.pointee.rules, time: now, &found)
    else { return false }
    if unsafe observation.pointee.affords(found) { return true }
    unsafe observation.pointee.countUnaffordable()
    return false
  }

  /// Judges one packet alone and copies what is asked for.
  @unsafe @inlinable
  mutating func judgeSelected(
    _ slot: Int, _ described: ObservedPacket, _ observation: UnsafeMutablePointer<Observation>,
    _ tables: UnsafePointer<LiveTables>
  ) {
    var found = described
    let content = unsafe observation.pointee.content
    let place = unsafe observation.pointee.reserve()
    // The engine changes the frame, so it is copied before.
    if content == .frameBefore, let place = unsafe place {
      unsafe io.copyBytes(
        of: burst[slot], from: 0, count: Int(found.length), to: place + Observation.headerLength)
    }
    if content == .steps { burst[slot].flags.insert(.traced) }
    judgedFrom = slot
    if notes != nil { unsafe noteFrames(slot, slot &+ 1) }
    // SAFETY: the slot is inside the burst.
    unsafe engine.process(
      UnsafeMutableBufferPointer(start: burst.pointer(slot), count: 1), tables.pointee.rules)
    if notes != nil { unsafe noteVerdicts(slot, slot &+ 1, tables) }
    burst[slot].flags.remove(.traced)
    if burst[slot].verdict != .handOver {
      found.setVerdict(burst[slot])
      unsafe foresee(slot, &found, tables)
      if unsafe observation.pointee.wanted.matches(found.verdict, found.reason) {
        unsafe show(slot, &found, place, observation, tables)
      }
    }
    unsafe settle(slot, tables)
  }

  /// What the loop will find when it sends what the engine forwarded.
  @unsafe @inlinable
  func foresee(_ slot: Int, _ found: inout ObservedPacket, _ tables: UnsafePointer<LiveTables>) {
    guard found.verdict == .forward else { return }
    let reason = unsafe foreseenLoss(slot, tables)
    if reason != .none { found.setDropped(reason) }
  }

  /// Why the loop will not send a packet that the engine forwarded; `none` when it will.
  @unsafe @inlinable
  func foreseenLoss(_ slot: Int, _ tables: UnsafePointer<LiveTables>) -> DropReason {
    if burst[slot].flags.contains(.needsFragmentation) { return .none }
    if let nic = burst[slot].output.nicIndex {
      return unsafe tables.pointee.port(of: nic) == nil ? .portDown : .none
    }
    return unsafe tables.pointee.nextHops[burst[slot].endpoint] == nil ? .underlayNeighbor : .none
  }

  /// Copies a judged packet into the ring.
  @unsafe @inlinable
  mutating func show(
    _ slot: Int, _ found: inout ObservedPacket, _ place: UnsafeMutableRawPointer?,
    _ observation: UnsafeMutablePointer<Observation>, _ tables: UnsafePointer<LiveTables>
  ) {
    let content = unsafe observation.pointee.content
    if content == .frameAfter {
      // A frame that has to be cut leaves in pieces, which the service thread makes.
      guard found.verdict == .forward, !burst[slot].flags.contains(.needsFragmentation) else {
        return
      }
    }
    let isToUnderlay = found.output == .underlay
    if unsafe observation.pointee.wanted.isOfUnderlay && !isToUnderlay && found.place != .underlay {
      return
    }
    guard let place = unsafe place else { return unsafe observation.pointee.countOverrun() }
    let rest = unsafe place + Observation.headerLength
    switch content {
    case .steps:
      let steps = unsafe engine.copyTrace(to: rest.assumingMemoryBound(to: TraceEvent.self))
      found.steps = UInt32(truncatingIfNeeded: steps)
      found.length = 0
    case .frameBefore: break
    case .frameAfter:
      if isToUnderlay, let nextHop = unsafe tables.pointee.nextHops[burst[slot].endpoint] {
        unsafe writeMACs(&burst[slot], nextHop, tables.pointee.uplinkMAC)
      }
      found.place = found.output
      unsafe copyFrame(slot, isOuter: isToUnderlay, &found, rest, observation)
    }
    unsafe place.storeBytes(of: found, as: ObservedPacket.self)
    unsafe observation.pointee.commit()
  }

  /// Copies the frame of a slot as it is now.
  @unsafe @inlinable
  mutating func copyFrame(
    _ slot: Int, isOuter: Bool, _ found: inout ObservedPacket, _ target: UnsafeMutableRawPointer,
    _ observation: UnsafeMutablePointer<Observation>
  ) {
    let length = unsafe observation.pointee.captureLength(of: burst[slot], isOuter: isOuter)
    unsafe io.copyBytes(of: burst[slot], from: 0, count: length, to: target)
    found.length = UInt32(truncatingIfNeeded: length)
    found.originalLength = burst[slot].originalLength
  }

  /// Shows a frame that the service thread composed for a guest, or of its packet, as it leaves.
  @unsafe @inlinable @inline(never)
  mutating func showComposed(_ answer: Answer) {
    guard let observation = unsafe observation, answer.kind != .underlay else { return }
    let slot = Self.scratch
    let isToUnderlay = answer.kind == .encapsulate
    var found = ObservedPacket.none
    guard
      unsafe observation.pointee.describesComposed(
        burst[slot], of: answer.nic, isToUnderlay: isToUnderlay, time: now, &found)
    else { return }
    guard unsafe observation.pointee.affords(found) else {
      return unsafe observation.pointee.countUnaffordable()
    }
    guard let place = unsafe observation.pointee.reserve() else {
      return unsafe observation.pointee.countOverrun()
    }
    unsafe copyFrame(
      slot, isOuter: isToUnderlay, &found, place + Observation.headerLength, observation)
    unsafe place.storeBytes(of: found, as: ObservedPacket.self)
    unsafe observation.pointee.commit()
  }
}
