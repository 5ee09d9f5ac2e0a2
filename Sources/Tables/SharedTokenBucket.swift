import CDataplane

/// A token bucket that several workers charge: `TokenBucket`'s arithmetic, exchanged as a whole.
///
/// The processor exchanges its 16 bytes at once (`cmpxchg16b`), so they must be aligned to 16.
/// Handled by address only: a copy is no bucket any more.
@frozen public struct SharedTokenBucket: BitwiseCopyable, Sendable {
  @usableFromInline var deficit: UInt64
  @usableFromInline var time: UInt64

  @inlinable public init() {
    deficit = 0
    time = 0
  }
}

extension UnsafeMutablePointer<SharedTokenBucket> {
  /// Takes `cost` tokens if they are there at `now`. Clocks of workers differ a little: a bucket
  /// never goes back in time.
  ///
  /// - Complexity: O(1) without contention; each failed exchange is another worker's success.
  @unsafe @inlinable @_noLocks
  public func take(_ cost: UInt64, now: UInt64, _ settings: BucketSettings) -> Bool {
    if settings.isUnlimited { return true }
    while true {
      // SAFETY: the owner keeps the bucket; words that do not belong together fail the exchange.
      let old = unsafe load()
      let elapsed = now > old.time ? now &- old.time : 0
      let refill =
        elapsed >= settings.fillTime ? settings.capacity : elapsed &* settings.perNanosecond
      // A smaller bucket may have taken the place of the one that this was missing to.
      let missing = min(old.deficit, settings.capacity)
      let refilled = refill >= missing ? 0 : missing &- refill
      let price = cost &* settings.scale
      guard price <= settings.capacity &- refilled else { return false }
      var new = old
      new.deficit = refilled &+ price
      new.time = now > old.time ? now : old.time
      if unsafe exchange(old, new) { return true }
    }
  }

  /// Gives back what `take` took a moment ago.
  @unsafe @inlinable @_noLocks
  public func giveBack(_ cost: UInt64, _ settings: BucketSettings) {
    if settings.isUnlimited { return }
    let price = cost &* settings.scale
    while true {
      // SAFETY: as in `take`.
      let old = unsafe load()
      var new = old
      new.deficit = old.deficit > price ? old.deficit &- price : 0
      if unsafe exchange(old, new) { return }
    }
  }

  /// Fills the bucket.
  @unsafe @inlinable
  public func fill() {
    while true {
      // SAFETY: as in `take`.
      let old = unsafe load()
      var new = old
      new.deficit = 0
      if unsafe exchange(old, new) { return }
    }
  }

  @unsafe @inlinable @inline(__always)
  @_semantics("no_performance_analysis")
  func load() -> SharedTokenBucket {
    var bucket = SharedTokenBucket()
    // SAFETY: the owner keeps both words.
    let words = unsafe UnsafeRawPointer(self).assumingMemoryBound(to: UInt64.self)
    bucket.deficit = unsafe apus_load_relaxed(words)
    bucket.time = unsafe apus_load_relaxed(words + 1)
    return bucket
  }

  /// Whether both words were still `old` and are `new` now.
  @unsafe @inlinable @inline(__always)
  @_semantics("no_performance_analysis")
  func exchange(_ old: SharedTokenBucket, _ new: SharedTokenBucket) -> Bool {
    // SAFETY: the owner aligned the bucket to its size.
    unsafe apus_exchange_pair(self, old.deficit, old.time, new.deficit, new.time)
  }
}

/// A count that several threads change; handled by address only.
@frozen public struct SharedCount: BitwiseCopyable, Sendable {
  @usableFromInline var value: UInt64
  @inlinable public init() { value = 0 }
}

extension UnsafeMutablePointer<SharedCount> {
  /// Adds, which may be less than nothing, and returns what the count was.
  @unsafe @inlinable @inline(__always)
  @_semantics("no_performance_analysis")
  public func add(_ amount: Int64) -> UInt64 {
    // SAFETY: the owner keeps the word.
    let word = unsafe UnsafeMutableRawPointer(self).assumingMemoryBound(to: UInt64.self)
    return unsafe apus_fetch_add(word, UInt64(bitPattern: amount))
  }

  /// The count now.
  @unsafe @inlinable @inline(__always)
  @_semantics("no_performance_analysis")
  public func load() -> UInt64 {
    // SAFETY: the owner keeps the word.
    unsafe apus_load_relaxed(UnsafeRawPointer(self).assumingMemoryBound(to: UInt64.self))
  }
}
