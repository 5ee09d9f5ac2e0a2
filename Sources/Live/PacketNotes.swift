import Datapath
import LockFree
import Tables
import Wire

/// What became of a packet, as its worker notes it for a flow log.
@frozen public struct PacketNote: BitwiseCopyable, Sendable {
  /// Nanoseconds of the workers' clock, of the round that judged it.
  public var time: UInt64 = 0
  /// Of the rules.
  public var generation: UInt32 = 0
  public var nic: TableIndex = .none
  public var rule: UInt32 = 0
  public var output = OutputPlace.nowhere
  /// Bytes of the frame that were copied.
  public var length: UInt16 = 0
  /// Bytes of payload in each segment of a TCP packet that its sender left to be segmented, or 0.
  public var segmentSize: UInt16 = 0
  public var verdict = Verdict.pending
  public var reason = DropReason.none
  public var direction = PacketDirection.none
  /// The frame came in a tunnel.
  public var isOuter = false
  /// The frame has more bytes than were copied.
  public var isCut = false

  @usableFromInline init() {}
}

/// The notes of one worker on their way to a flow log: every packet that it forwards or drops, with
/// how its frame began when it came.
///
/// A handle: copies are the same. A full ring refuses, and what it refused is counted.
@frozen @safe
public struct PacketNotes: @unchecked Sendable {
  /// Bytes of a slot before the frame.
  @inlinable static var headerLength: Int { 64 }
  /// Bytes of a frame that are copied: headers of 14 + 40 + 8 + 8 and 14 + 40 + 20 fit, and 112
  /// bytes of options.
  @inlinable public static var frameLimit: Int { 256 }
  @inlinable static var slotLength: Int { headerLength &+ frameLimit }

  @usableFromInline let ring: SlotRing
  /// Its first word is the worker's.
  @usableFromInline let words: SharedMemory

  /// - Parameter capacity: packets, a power of two; 320 bytes each.
  public init(capacity: Int) {
    precondition(MemoryLayout<PacketNote>.size <= Self.headerLength)
    ring = SlotRing(capacity: capacity, slotSize: Self.slotLength)
    words = SharedMemory(lines: 1)
  }

  /// Has all slots backed with memory, before the worker writes to them.
  public func prefault() { ring.prefault() }

  /// Once, when neither side uses it any more.
  public func deallocate() {
    ring.deallocate()
    words.deallocate()
  }

  /// Packets that were not noted because the ring was full; any thread.
  public var overrun: UInt64 { words.word(0).load() }

  /// Takes the oldest note, if there is one. One thread at a time.
  ///
  /// - Parameter body: gets the note and the bytes of the frame, which stay for as long.
  /// - Returns: nil when there is none.
  @inlinable
  public func take<Result>(
    _ body: (PacketNote, UnsafeRawBufferPointer) -> Result
  ) -> Result? {
    // SAFETY: the worker wrote a whole note to the slot, which is this side's until `release`.
    guard let slot = unsafe ring.front() else { return nil }
    defer { ring.release() }
    let note = unsafe slot.load(as: PacketNote.self)
    let bytes = unsafe UnsafeRawBufferPointer(
      start: slot + Self.headerLength, count: min(Int(note.length), Self.frameLimit))
    return unsafe body(note, bytes)
  }
}
