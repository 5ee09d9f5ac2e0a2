import Datapath
import LockFree
import Tables

/// Sizes of the rings between a worker and the service thread.
@frozen public struct SlowPathSizes: BitwiseCopyable, Sendable {
  /// Messages each way, a power of two.
  public var messages = 512
  /// Bytes of the largest frame.
  public var frame = 10_240
  /// Punts of one NIC that may be under way.
  public var share = 32

  @inlinable public init() {}
}

/// What one worker leaves to the service thread, and the answers.
///
/// Two bounded rings. Of the first, each NIC has a share, and the uplink too: a guest that floods
/// its services fills its own share and not the ring. A handle: copies are the same channel.
@frozen @safe
public struct SlowPathChannel: Sendable {
  @usableFromInline let punts: SlotRing
  @usableFromInline let answers: SlotRing
  /// Punts of each share so far; the worker's.
  @usableFromInline let begun: WorkerMemory<UInt64>
  /// Punts of each share that the service thread is done with.
  @usableFromInline let finished: SharedMemory
  @usableFromInline let share: UInt64
  public let frameCapacity: Int

  /// Bytes of a slot before its frame.
  @inlinable static var headerLength: Int { 64 }

  init(nicCapacity: Int, sizes: SlowPathSizes) {
    precondition(MemoryLayout<Punt>.size <= Self.headerLength)
    precondition(MemoryLayout<Answer>.size <= Self.headerLength)
    let slot = Self.headerLength + sizes.frame
    punts = SlotRing(capacity: sizes.messages, slotSize: slot)
    answers = SlotRing(capacity: sizes.messages, slotSize: slot)
    begun = WorkerMemory(count: nicCapacity + 1)
    finished = SharedMemory(byteCount: (nicCapacity + 1) * 8)
    share = UInt64(sizes.share)
    frameCapacity = sizes.frame
  }

  /// Has both rings backed with memory (`SharedMemory.prefault`).
  func prefault() {
    punts.prefault()
    answers.prefault()
  }

  func deallocate() {
    punts.deallocate()
    answers.deallocate()
    begun.deallocate()
    finished.deallocate()
  }

  // MARK: Worker

  /// The share of a NIC; that of the uplink for `.none`.
  @inlinable @inline(__always)
  func shareIndex(_ nic: TableIndex) -> Int { min(Int(nic), begun.count &- 1) }

  /// Room for the frame of a punt, nil when the NIC's share or the ring is used up. `commit` sends
  /// what was written.
  @unsafe @inlinable @inline(__always)
  func reserve(share index: Int) -> UnsafeMutableRawPointer? {
    if begun[index] &- finished.word(index).loadRelaxed() >= share { return nil }
    guard let slot = unsafe punts.reserve() else { return nil }
    return unsafe slot + Self.headerLength
  }

  /// Sends a punt whose frame was written to the place that `reserve` gave.
  @unsafe @inlinable @inline(__always)
  func commit(_ punt: Punt, share index: Int, frame: UnsafeMutableRawPointer) {
    var punt = punt
    punt.share = UInt32(truncatingIfNeeded: index)
    unsafe (frame - Self.headerLength).storeBytes(of: punt, as: Punt.self)
    begun[index] &+= 1
    punts.commit()
  }

  /// The oldest answer and its frame, which stay until `releaseAnswer`.
  @unsafe @inlinable @inline(__always)
  func nextAnswer() -> (answer: Answer, frame: UnsafeRawPointer)? {
    guard let slot = unsafe answers.front() else { return nil }
    return unsafe (slot.load(as: Answer.self), UnsafeRawPointer(slot + Self.headerLength))
  }

  @inlinable @inline(__always)
  func releaseAnswer() { answers.release() }

  /// Answers that wait for the worker.
  @inlinable var hasAnswers: Bool { answers.count > 0 }

  // MARK: Service thread

  /// Punts that wait for the service thread.
  public var puntCount: Int { punts.count }

  /// Answers that the ring has room for. The service thread asks before it takes a punt, which may
  /// become as many answers as there are fragments.
  public var answerRoom: Int { answers.room }

  /// The oldest punt and its frame, nil without one. Both stay until `finishPunt`.
  @unsafe public func nextPunt() -> (punt: Punt, frame: UnsafeRawBufferPointer)? {
    guard let slot = unsafe punts.front() else { return nil }
    let punt = unsafe slot.load(as: Punt.self)
    let frame = unsafe UnsafeRawBufferPointer(
      start: slot + Self.headerLength, count: Int(punt.length))
    return unsafe (punt, frame)
  }

  /// Ends the punt that `nextPunt` gave, and gives its NIC that part of its share back.
  public func finishPunt() {
    // SAFETY: the slot holds a punt until it is released.
    guard let slot = unsafe punts.front() else { return }
    let share = unsafe Int(slot.load(as: Punt.self).share)
    finished.word(share).add(1)
    punts.release()
  }

  /// Hands an answer to the worker. `WorkerShared.wake` follows the last of several.
  ///
  /// - Parameter frame: a whole Ethernet frame, or nothing.
  /// - Returns: false when the ring is full or the frame larger than `frameCapacity`.
  @unsafe public func answer(_ answer: Answer, frame: UnsafeRawBufferPointer) -> Bool {
    guard frame.count <= frameCapacity, let slot = unsafe answers.reserve() else { return false }
    var answer = answer
    answer.length = UInt32(frame.count)
    unsafe slot.storeBytes(of: answer, as: Answer.self)
    if let source = frame.baseAddress {
      unsafe (slot + Self.headerLength).copyMemory(from: source, byteCount: frame.count)
    }
    answers.commit()
    return true
  }
}
