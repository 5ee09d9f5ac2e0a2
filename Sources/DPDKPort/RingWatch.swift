/// Finds a guest's ring that does not move although the guest offered something.
///
/// rte_vhost does not pass over a descriptor that it cannot read (a chain that loops or leads out
/// of the guest's memory): each poll would look at it again, for ever. Such a ring is left alone
/// for a while, which doubles up to 10 ms as long as it stands at the same place.
struct RingWatch {
  /// Polls without a frame before the ring is looked at.
  static let patience: UInt32 = 256

  private var idlePolls: UInt32 = 0
  /// The place of the oldest descriptor that was offered, when the ring was looked at.
  private var head: UInt32?
  /// Cycles of the processor: until when the ring is left alone, and for how long.
  private var rest: UInt64 = 0
  private var pause: UInt64 = 0

  /// The ring was left alone; `isResting` says whether that is over.
  var wasLeftAlone: Bool { rest != 0 }

  /// - Parameter now: cycles of the processor.
  mutating func isResting(now: UInt64) -> Bool {
    if now < rest { return true }
    rest = 0
    // One poll; if nothing comes of it, the ring is looked at again at once.
    idlePolls = Self.patience
    return false
  }

  /// A poll brought frames.
  mutating func moved() {
    idlePolls = 0
    head = nil
    pause = 0
  }

  /// A poll brought nothing. Returns whether the ring is to be looked at, and `found` called.
  mutating func isDue() -> Bool {
    idlePolls &+= 1
    if idlePolls < Self.patience { return false }
    idlePolls = 0
    return true
  }

  /// The ring was looked at.
  ///
  /// - Parameters:
  ///   - pending: descriptors that the guest offered.
  ///   - place: of the oldest of them.
  ///   - millisecond: in cycles.
  /// - Returns: whether the ring is wedged, and rests.
  mutating func found(pending: UInt32, at place: UInt32, now: UInt64, millisecond: UInt64) -> Bool {
    guard pending > 0 else {
      moved()
      return false
    }
    guard head == place else {
      head = place
      pause = 0
      return false
    }
    pause = min(max(pause &* 2, millisecond / 8), millisecond &* 10)
    rest = now &+ pause
    return true
  }
}
