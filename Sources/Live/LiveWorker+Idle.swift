import CDataplane
import Datapath
import LockFree
import Tables
import Wire

// When nothing comes, and when nothing more will.

extension LiveWorker where IO: ~Copyable {
  /// Empty rounds before the worker sleeps.
  @inlinable static var patience: Int { 64 }

  /// After an empty round: another one, or sleep until something comes.
  @inlinable
  mutating func idle() {
    emptyRounds &+= 1
    if shared.isBusyPolling || emptyRounds < Self.patience { return spinPause() }
    sleep()
    // What woke the worker may be one packet of several: it looks around again for a while.
    emptyRounds = Self.patience / 2
  }

  /// Sleeps for 10 ms at most; a runtime that cannot be woken is asked again after 1 ms.
  @inlinable
  mutating func sleep() {
    publishAllCounters()
    shared.sleepers.announceSleep(index)
    if !isWorkWaiting {
      count(.sleeps, 1)
      io.wait(microseconds: io.wakeDescriptor >= 0 ? 10_000 : 1_000)
    }
    shared.sleepers.announceAwake(index)
  }

  /// Whether a ring has something for this worker, or it shall stop. Ports are `wait`'s.
  @inlinable
  var isWorkWaiting: Bool {
    if shared.stopFlag.isSet || shared.slowPath(worker: index).hasAnswers { return true }
    // SAFETY: only whether there is a question is asked.
    if unsafe shared.inspection(index).load() != nil { return true }
    for other in 0..<shared.workers where other != index {
      if shared.crossing(from: other, to: index).count > 0 { return true }
    }
    return false
  }

  /// Shows others the counters of all NICs, if anything came since they were shown last.
  @inlinable
  mutating func publishAllCounters() {
    let busy = shared.counters.count(worker: index, .busyRounds)
    if busy == publishedRounds { return }
    publishedRounds = busy
    // SAFETY: the tables stay until this worker announces a later generation.
    guard let tables = unsafe shared.tables.load() else { return }
    let count = unsafe min(tables.pointee.rules.nics.count, shared.nicCapacity)
    for nic in 0..<count { publishCounters(of: TableIndex(nic)) }
  }

  /// What comes after the last round: nothing is handed to others any more, and what they handed to
  /// this worker is given back.
  public mutating func end() {
    wakeOthers()
    shared.announceEnd(index)
    // A second at most, for a worker that never began.
    for _ in 0..<2_000 where !shared.haveAllEnded { apus_sleep(500) }
    for other in 0..<shared.workers where other != index { drain(from: other) }
    io.flush()
    publishedRounds = .max
    publishAllCounters()
    shared.quiescent.goOffline(index)
  }

  /// Drops what another worker handed over and is not judged any more.
  private mutating func drain(from other: Int) {
    let ring = shared.crossing(from: other, to: index)
    while true {
      // SAFETY: the burst is settled; its descriptors own nothing, so they are overwritten.
      let room = unsafe UnsafeMutableBufferPointer(
        start: burst.pointer(0), count: Self.burstCapacity)
      let taken = unsafe ring.pop(into: room)
      if taken == 0 { return }
      count(.takenOver, taken)
      for slot in 0..<taken {
        ports[slot] = burst[slot].origin == .guest ? UInt16(truncatingIfNeeded: burst[slot].nic) : 0
        dropHere(slot, nic: .none, .workerFull)
      }
    }
  }
}
