import Datapath
import LockFree
import Tables
import Wire

/// Somebody looks at packets of one worker as they are judged: which, and where they are copied to.
///
/// Made by the control side and given to the worker by `WorkerShared.observe`. The worker copies
/// what matches into a ring; what does not fit, or would take too much of the worker's time, is
/// counted and goes on unseen. It is freed when the worker has let go of it, which
/// `WorkerShared.isObserved` tells.
@safe
public struct Observation: ~Copyable {
  /// What is copied.
  public enum Content: BitwiseCopyable, Sendable {
    /// Every step of the judgement, and nothing of the packet but its headers' fields.
    case steps
    /// The frame as it came.
    case frameBefore
    /// The frame as it leaves.
    case frameAfter
  }

  /// Bytes of a slot before the steps or the frame.
  @usableFromInline static var headerLength: Int { 192 }
  /// Bytes of a frame whose payload is left out; headers of 14 + 40 + 8 + 260 and 14 + 40 + 60
  /// bytes fit.
  public static var headersLimit: Int { 512 }
  /// Bytes of a frame that is copied with its payload.
  public static var frameLimit: Int { 9_216 }

  @usableFromInline let wanted: ObservationFilter
  @usableFromInline let content: Content
  let hasPayload: Bool
  let beyondHeaders: Int
  private let ring: SlotRing
  /// Line 0 asks for the end, line 1 has what the worker counts.
  private let words: SharedMemory
  @usableFromInline var allowance = WorkAllowance()

  /// - Parameters:
  ///   - hasPayload: whole frames are copied, up to `frameLimit`; otherwise their headers.
  ///   - beyondHeaders: bytes behind the headers that are copied too, for who judges the frame
  ///     again and shows it to nobody: an ICMP error quotes headers there. Both together end at
  ///     `headersLimit`.
  ///   - capacity: packets in the ring, a power of two; nil as the content suggests.
  public init(
    _ content: Content, _ wanted: ObservationFilter, hasPayload: Bool = false,
    beyondHeaders: Int = 0, capacity: Int? = nil
  ) {
    precondition(MemoryLayout<ObservedPacket>.size <= Self.headerLength && beyondHeaders >= 0)
    self.wanted = wanted
    self.content = content
    self.hasPayload = hasPayload
    self.beyondHeaders = beyondHeaders
    let room: Int
    switch content {
    case .steps: room = Trace.capacity * MemoryLayout<TraceEvent>.stride
    case .frameBefore, .frameAfter: room = hasPayload ? Self.frameLimit : Self.headersLimit
    }
    ring = SlotRing(
      capacity: capacity ?? (content == .steps || hasPayload ? 1_024 : 4_096),
      slotSize: Self.headerLength + room)
    words = SharedMemory(lines: 2)
  }

  deinit {
    ring.deallocate()
    words.deallocate()
  }

  // MARK: Worker

  @usableFromInline var isEnding: Bool { words.line(0).loadRelaxed() != 0 }

  /// Room for one packet; the same until `commit`.
  @unsafe @usableFromInline
  func reserve() -> UnsafeMutableRawPointer? { unsafe ring.reserve() }

  /// Shows the packet that was written to the place that `reserve` gave.
  @usableFromInline func commit() { ring.commit() }

  /// Counts a packet that matched and did not fit.
  @usableFromInline func countOverrun() { words.word(SharedMemory.wordsPerLine).add(1) }

  /// Counts a packet that would have taken too much time.
  @usableFromInline func countUnaffordable() {
    words.word(SharedMemory.wordsPerLine &+ 1).add(1)
  }

  // MARK: Control side

  /// Asks the worker to let go; `WorkerShared.wake` follows.
  public func end() { words.line(0).store(1) }

  /// Packets that matched and did not fit into the ring.
  public var overrun: UInt64 { words.word(SharedMemory.wordsPerLine).load() }
  /// Packets whose headers matched, and that would have taken too much of the worker's time.
  public var unaffordable: UInt64 { words.word(SharedMemory.wordsPerLine + 1).load() }

  /// Takes the oldest packet, if there is one. One thread at a time.
  ///
  /// - Parameter body: gets the packet, its steps, and its bytes, all of which stay for as long.
  /// - Returns: nil when there is none.
  public func take<Result>(
    _ body: (
      ObservedPacket, UnsafeBufferPointer<TraceEvent>, UnsafeRawBufferPointer
    ) -> Result
  ) -> Result? {
    // SAFETY: the worker wrote a whole packet to the slot, which is this side's until `release`.
    guard let slot = unsafe ring.front() else { return nil }
    defer { ring.release() }
    let packet = unsafe slot.load(as: ObservedPacket.self)
    let rest = unsafe UnsafeRawPointer(slot + Self.headerLength)
    // SAFETY: the worker wrote as many steps, or as many bytes, as the packet says.
    let events = unsafe UnsafeBufferPointer(
      start: rest.assumingMemoryBound(to: TraceEvent.self), count: Int(packet.steps))
    let bytes = unsafe UnsafeRawBufferPointer(start: rest, count: Int(packet.length))
    return unsafe body(packet, events, bytes)
  }
}
