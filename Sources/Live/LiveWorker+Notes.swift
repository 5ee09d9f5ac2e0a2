import Datapath
import LockFree
import Tables
import Wire

// Notes of all packets, for a flow log. Nothing here runs without one.

extension LiveWorker where IO: ~Copyable {
  /// Copies how packets' frames begin, before the engine changes them.
  @unsafe @inlinable @inline(never)
  mutating func noteFrames(_ start: Int, _ end: Int) {
    for slot in start..<end {
      let length = min(Int(burst[slot].length), PacketNotes.frameLimit)
      var note = PacketNote()
      note.length = UInt16(truncatingIfNeeded: length)
      note.isCut = UInt32(truncatingIfNeeded: length) < burst[slot].originalLength
      note.isOuter = burst[slot].origin == .underlay
      note.segmentSize = burst[slot].segmentSize
      // SAFETY: there is a place for every slot of the burst, and the packet's owner vouches for
      // `length` bytes at `base`.
      let place = unsafe UnsafeMutableRawPointer(
        noted.pointer(slot &* PacketNotes.slotLength))
      unsafe place.storeBytes(of: note, as: PacketNote.self)
      unsafe (place + PacketNotes.headerLength).copyMemory(
        from: burst[slot].base, byteCount: length)
    }
  }

  /// Notes what became of packets that a NIC of this host sent or would receive.
  @unsafe @inlinable @inline(never)
  mutating func noteVerdicts(
    _ start: Int, _ end: Int, _ tables: UnsafePointer<LiveTables>
  ) {
    guard let notes else { return }
    let generation = unsafe tables.pointee.rules.generation
    for slot in start..<end {
      let verdict = burst[slot].verdict
      guard verdict == .forward || verdict == .drop, burst[slot].nic != .none else { continue }
      guard let target = unsafe notes.ring.reserve() else {
        notes.words.word(0).add(1)
        continue
      }
      // SAFETY: `noteFrames` wrote the slot's place.
      let place = unsafe UnsafeMutableRawPointer(
        noted.pointer(slot &* PacketNotes.slotLength))
      var note = unsafe place.load(as: PacketNote.self)
      note.time = now
      note.generation = generation
      note.nic = burst[slot].nic
      note.rule = burst[slot].rule
      note.direction = burst[slot].direction
      note.reason = unsafe verdict == .drop ? burst[slot].reason : foreseenLoss(slot, tables)
      note.verdict = note.reason == .none ? verdict : .drop
      if note.verdict == .forward { note.output = burst[slot].output }
      unsafe target.storeBytes(of: note, as: PacketNote.self)
      unsafe (target + PacketNotes.headerLength).copyMemory(
        from: place + PacketNotes.headerLength, byteCount: Int(note.length))
      notes.ring.commit()
    }
  }
}
