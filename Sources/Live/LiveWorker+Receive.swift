import Datapath
import LockFree
import Tables
import Wire

// What comes in: from ports, and from other workers.

extension LiveWorker where IO: ~Copyable {
  /// Takes what its quota allows from every port that is there, and settles it.
  ///
  /// - Returns: how many frames came, and 1 more when a port has to wait, which may have some.
  @unsafe @inlinable @inline(__always)
  mutating func pollPorts(_ tables: UnsafePointer<LiveTables>) -> Int {
    var filled = 0
    var total = 0
    var waits = 0
    for place in 0..<(unsafe tables.pointee.polledPorts.count) {
      let port = unsafe Int(tables.pointee.polledPorts[place])
      let quota = unsafe pollQuota(port, tables)
      if quota == 0 {
        waits = 1
        continue
      }
      if filled > Self.burstCapacity &- Self.leastRoom {
        unsafe judge(filled, tables)
        filled = 0
      }
      // SAFETY: `filled` is at most half of the burst's descriptors, which are all initialised.
      let room = unsafe UnsafeMutableBufferPointer(
        start: burst.pointer(filled), count: min(quota, Self.burstCapacity &- filled))
      let count = unsafe io.receive(port: port, into: room)
      if count == 0 { continue }
      noteActive(port, count)
      total &+= count
      filled =
        port == 0
        ? unsafe admitUplink(filled, count, tables)
        : unsafe admitGuest(filled, count, port, tables)
    }
    if total > 0 { self.count(.received, total) }
    if filled > 0 { unsafe judge(filled, tables) }
    return total &+ waits
  }

  /// Prepares a guest's frames for the engine.
  ///
  /// - Returns: the end of the burst's packets.
  @unsafe @inlinable @inline(__always)
  mutating func admitGuest(
    _ start: Int, _ count: Int, _ port: Int, _ tables: UnsafePointer<LiveTables>
  ) -> Int {
    let nic = unsafe tables.pointee.nic(of: port)
    if nic == .none {
      // A port whose NIC the tables do not have.
      for slot in start..<start &+ count {
        ports[slot] = UInt16(truncatingIfNeeded: port)
        dropHere(slot, nic: .none, .eniNone)
      }
      return start
    }
    for slot in start..<start &+ count {
      ports[slot] = UInt16(truncatingIfNeeded: port)
      burst[slot].origin = .guest
      burst[slot].nic = nic
      burst[slot].time = now
      burst[slot].flags = burst[slot].flags.intersection(.partialChecksum).union(.atNIC)
    }
    return start &+ count
  }

  /// Prepares tunnel packets for the engine, and sorts everything else out.
  ///
  /// - Returns: the end of the burst's packets.
  @unsafe @inlinable @inline(__always)
  mutating func admitUplink(
    _ start: Int, _ count: Int, _ tables: UnsafePointer<LiveTables>
  ) -> Int {
    var end = start
    for slot in start..<start &+ count {
      switch unsafe UplinkFrame(burst[slot], tables.pointee.rules.host) {
      case .tunnel:
        if end != slot { moveDescriptor(from: slot, to: end) }
        ports[end] = 0
        burst[end].origin = .underlay
        burst[end].nic = .none
        burst[end].time = now
        burst[end].flags = burst[end].flags.intersection(.partialChecksum)
        end &+= 1
      case .neighbor:
        ports[slot] = 0
        unsafe puntNeighbor(slot, tables)
      case .other:
        self.count(.ignored, 1)
        release(slot)
      }
    }
    return end
  }

  /// Moves a packet to the place of one that is settled; the place that it leaves is ready for
  /// another.
  @inlinable @inline(__always)
  func moveDescriptor(from source: Int, to target: Int) {
    // SAFETY: both are inside the burst, and a descriptor is plain bytes that own nothing.
    let bytes = unsafe UnsafeRawPointer(burst.pointer(source))
    unsafe UnsafeMutableRawPointer(burst.pointer(target)).copyMemory(
      from: bytes, byteCount: MemoryLayout<Packet>.stride)
    resetDescriptor(source)
  }

  /// Has the engine judge the first packets of the burst, and settles them in order.
  @unsafe @inlinable @inline(__always)
  mutating func judge(_ count: Int, _ tables: UnsafePointer<LiveTables>) {
    if let observation = unsafe observation {
      unsafe judgeObserved(count, observation, tables)
    } else if notes != nil {
      unsafe judgeRun(0, count, tables)
    } else {
      // SAFETY: `count` is at most the burst's capacity.
      unsafe engine.process(
        UnsafeMutableBufferPointer(start: burst.pointer(0), count: count), tables.pointee.rules)
      for slot in 0..<count { unsafe settle(slot, tables) }
    }
    if sent > 0 { self.count(.sent, sent) }
    sent = 0
  }

  // MARK: Other workers

  /// Takes what other workers handed over, a burst from each.
  @unsafe @inlinable @inline(__always)
  mutating func takeCrossings(_ tables: UnsafePointer<LiveTables>) -> Int {
    if shared.workers == 1 { return 0 }
    var total = 0
    for other in 0..<shared.workers where other != index {
      // SAFETY: the burst is settled; its descriptors own nothing, so they are overwritten.
      let room = unsafe UnsafeMutableBufferPointer(
        start: burst.pointer(0), count: Self.burstCapacity)
      let count = unsafe shared.crossing(from: other, to: index).pop(into: room)
      if count == 0 { continue }
      total &+= count
      let end = unsafe admitCrossed(count, from: other, tables)
      if end > 0 { unsafe judge(end, tables) }
    }
    if total > 0 { self.count(.takenOver, total) }
    return total
  }

  /// Prepares packets that another worker handed over. Its tables may have been others, so a
  /// guest's packet came with its port in `nic`, and is dropped when that was another NIC's then.
  @unsafe @inlinable @inline(__always)
  mutating func admitCrossed(
    _ count: Int, from other: Int, _ tables: UnsafePointer<LiveTables>
  ) -> Int {
    let crossing = shared.crossing(from: other, to: index)
    // The other worker's processor has the headers in its cache: all of them are fetched at once.
    for slot in 0..<count { unsafe prefetch(burst[slot].base) }
    var end = 0
    for slot in 0..<count {
      crossing.finish(share: burst[slot].rule)
      let isGuest = burst[slot].origin == .guest
      let port = isGuest ? Int(burst[slot].nic) : 0
      let generation = burst[slot].vni
      var nic = isGuest ? unsafe tables.pointee.nic(of: port) : .none
      if isGuest, unsafe !tables.pointee.isNIC(of: port, since: generation) { nic = .none }
      if end != slot { moveDescriptor(from: slot, to: end) }
      ports[end] = UInt16(truncatingIfNeeded: port)
      burst[end].nic = nic
      burst[end].time = now
      burst[end].flags.insert(.handedOver)
      if isGuest && nic == .none {
        dropHere(end, nic: .none, .eniNone)
      } else {
        end &+= 1
      }
    }
    return end
  }

  /// Hands a packet to the worker that owns its connection. With it go the share that it has of the
  /// way, in `rule`, and the generation of the tables here, in `vni`: neither has a meaning yet.
  @unsafe @inlinable @inline(__always)
  mutating func handOver(_ slot: Int, _ tables: UnsafePointer<LiveTables>) {
    let nic = burst[slot].nic
    guard let target = burst[slot].output.workerIndex, target < shared.workers, target != index
    else { return dropHere(slot, nic: nic, .workerFull) }
    let crossing = shared.crossing(from: index, to: target)
    let share = crossing.shareIndex(nic)
    if burst[slot].origin == .guest { burst[slot].nic = TableIndex(ports[slot]) }
    burst[slot].rule = UInt32(truncatingIfNeeded: share)
    unsafe burst[slot].vni = UInt32(truncatingIfNeeded: tables.pointee.generation)
    // SAFETY: the slot is inside the burst, and its bytes stay a descriptor when they were moved.
    guard unsafe crossing.stage(burst.pointer(slot), share: share) else {
      return dropHere(slot, nic: nic, .workerFull)
    }
    noteHandOver(crossing, share: share, port: Int(ports[slot]), to: target)
    staged |= 1 << UInt64(truncatingIfNeeded: target)
    count(.handedOver, 1)
    resetDescriptor(slot)
  }

  /// Shows other workers and the service thread what this round left them, and wakes them.
  @inlinable @inline(__always)
  mutating func wakeOthers() {
    while staged != 0 {
      let target = staged.trailingZeroBitCount
      staged &= staged &- 1
      shared.crossing(from: index, to: target).publish()
      shared.wake(target)
    }
    if hasPunted {
      hasPunted = false
      shared.wake(shared.workers)
    }
  }
}
