import Datapath
import LockFree
import Tables
import Wire

/// What a worker counts of itself.
///
/// Between two rounds `received + takenOver == sent + dropped + ignored + punted + handedOver`.
@frozen public enum LiveCounter: Int, Sendable, CaseIterable {
  /// Rounds of the loop, and those in which something came.
  case rounds, busyRounds
  /// Times that the worker slept.
  case sleeps
  /// Frames that came from ports, and from other workers.
  case received, takenOver
  /// Received frames that were given to a port.
  case sent
  /// Received frames that were dropped with a reason, by engine or loop.
  case dropped
  /// Received frames that are nobody's business here.
  case ignored
  /// Received frames that went to the service thread.
  case punted
  /// Received frames that went to the worker of their connection.
  case handedOver
  /// Frames that the service thread composed and that were given to a port.
  case generated
  /// Punted frames that a service answered or took.
  case served
  /// Punted frames that were dropped in the end, counted under their reason as well.
  case refused
  /// Answers that came too late for their tables or found no buffer.
  case answersLost
  /// Packets that their sender left to be segmented.
  case superPackets
  /// Segments that were made of those, for ports that do not take them whole.
  case segments
}

/// The counters of all workers: each writes its own, anybody reads.
@frozen @safe
public struct LiveCounters: Sendable {
  @usableFromInline let memory: SharedMemory
  public let workers: Int
  public let portCount: Int
  public let nicCapacity: Int
  @usableFromInline let wordsPerWorker: Int

  /// Words of a worker's own counters.
  @inlinable static var ownWords: Int { 32 }
  @inlinable static var reasons: Int { 64 }

  init(workers: Int, portCount: Int, nicCapacity: Int) {
    self.workers = workers
    self.portCount = portCount
    self.nicCapacity = nicCapacity
    let words = Self.ownWords + portCount * Self.reasons + nicCapacity * NICWords.count
    let line = SharedMemory.wordsPerLine
    wordsPerWorker = (words + line - 1) / line * line
    memory = SharedMemory(byteCount: workers * wordsPerWorker * 8)
  }

  func deallocate() { memory.deallocate() }

  @inlinable @inline(__always)
  func word(_ worker: Int, _ counter: LiveCounter) -> AtomicWord {
    memory.word(worker &* wordsPerWorker &+ counter.rawValue)
  }

  @inlinable @inline(__always)
  func portWord(_ worker: Int, _ port: Int, _ reason: DropReason) -> AtomicWord {
    let offset = Self.ownWords &+ port &* Self.reasons &+ Int(reason.rawValue)
    return memory.word(worker &* wordsPerWorker &+ offset)
  }

  /// Where a worker keeps the copy of a NIC's counters: `NICWords.count` words.
  @inlinable @inline(__always)
  func nicOffset(_ worker: Int, _ nic: Int) -> Int {
    worker &* wordsPerWorker &+ Self.ownWords &+ portCount &* Self.reasons
      &+ nic &* NICWords.count
  }

  /// Lets a port's place count from zero again; while no worker has the port.
  public func clear(port: Int) {
    for worker in 0..<workers {
      for reason in 0..<Self.reasons {
        let offset = Self.ownWords + port * Self.reasons + reason
        memory.word(worker * wordsPerWorker + offset).store(0)
      }
    }
  }

  // MARK: Readers, any thread

  /// A counter of one worker.
  public func count(worker: Int, _ counter: LiveCounter) -> UInt64 {
    word(worker, counter).loadRelaxed()
  }

  /// A counter, summed over the workers.
  public func total(_ counter: LiveCounter) -> UInt64 {
    var sum: UInt64 = 0
    for worker in 0..<workers { sum &+= count(worker: worker, counter) }
    return sum
  }

  /// Drops of frames that came by a port and belong to no NIC.
  public func portDrops(_ port: Int, _ reason: DropReason) -> UInt64 {
    var sum: UInt64 = 0
    for worker in 0..<workers { sum &+= portWord(worker, port, reason).loadRelaxed() }
    return sum
  }

  /// Drops of a NIC, some milliseconds old.
  public func nicDrops(_ nic: TableIndex, _ reason: DropReason) -> UInt64 {
    nicSum(nic, NICWords.drops + Int(reason.rawValue))
  }

  /// Tracked connections of a NIC, some milliseconds ago.
  public func connections(_ nic: TableIndex) -> UInt64 { nicSum(nic, NICWords.connections) }

  /// The counters of a NIC, some milliseconds old.
  public func nicCounters(_ nic: TableIndex) -> NICCounters {
    var counters = NICCounters.zero
    let first = NICWords.counters
    counters.packetsIn = nicSum(nic, first)
    counters.packetsOut = nicSum(nic, first + 1)
    counters.bytesIn = nicSum(nic, first + 2)
    counters.bytesOut = nicSum(nic, first + 3)
    counters.bandwidthInExceeded = nicSum(nic, first + 4)
    counters.bandwidthOutExceeded = nicSum(nic, first + 5)
    counters.packetsExceeded = nicSum(nic, first + 6)
    counters.connectionsExceeded = nicSum(nic, first + 7)
    counters.linkLocalExceeded = nicSum(nic, first + 8)
    return counters
  }

  private func nicSum(_ nic: TableIndex, _ field: Int) -> UInt64 {
    guard Int(nic) < nicCapacity else { return 0 }
    var sum: UInt64 = 0
    for worker in 0..<workers {
      sum &+= memory.word(nicOffset(worker, Int(nic)) + field).loadRelaxed()
    }
    return sum
  }
}
