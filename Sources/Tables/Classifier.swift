/// The rule that decides about a packet.
@frozen public struct ClassifierMatch: BitwiseCopyable, Sendable, Equatable {
  /// The rule's number; 0 when no rule matched.
  public var rule: UInt32
  public var allow: Bool

  @inlinable public init(rule: UInt32, allow: Bool) {
    self.rule = rule
    self.allow = allow
  }

  /// No rule matched.
  @inlinable public static var nothing: ClassifierMatch { ClassifierMatch(rule: 0, allow: false) }
}

/// One classifier of a `ClassifierSet`.
@frozen public struct ClassifierRecord: BitwiseCopyable, Sendable {
  /// The trie of all remote prefixes; its values are indices of `ClassifierSet.classes`.
  public var trie: TableIndex = .none
  /// Intervals of the allow rules for all addresses; empty without such a rule.
  public var everywhere = TableRange()

  @inlinable public init() {}
}

/// Keys from one on, up to the next interval's, and the rule that decides them.
@frozen public struct ClassifierInterval: BitwiseCopyable, Sendable {
  /// The first key.
  public var start: UInt32
  /// `rule << 1 | (allow ? 1 : 0)`; 0 when no rule matches.
  public var result: UInt32

  @inlinable public init(start: UInt32, result: UInt32) {
    (self.start, self.result) = (start, result)
  }
}

/// What the key of a classifier means, so that compiler and engine agree.
@frozen public enum ClassifierKey {
  /// The key of a packet.
  ///
  /// - Parameters:
  ///   - protocolNumber: the transport protocol's number; ICMP and ICMPv6 are protocols here.
  ///   - low: the destination port, or `type << 8 | code` of ICMP and ICMPv6, or 0.
  @inlinable public static func key(protocolNumber: UInt8, low: UInt16) -> UInt32 {
    UInt32(protocolNumber) << 16 | UInt32(low)
  }

  /// The key above which there are none: protocol 255, port 65535.
  @inlinable public static var last: UInt32 { 0x00FF_FFFF }
}

/// The rules of many security groups and network ACLs: allow and deny rules in an order, of which
/// the first that matches decides.
///
/// The remote prefixes of a classifier are a trie that yields a class. A class has the key space
/// cut into intervals, each with the rule that decides it: rules of enclosing prefixes are already
/// merged in. So a lookup is one longest prefix match and one binary search, and its cost does not
/// grow with the rules.
@frozen public struct ClassifierSet: Sendable {
  @usableFromInline let classifiers: FlatArray<ClassifierRecord>
  @usableFromInline let classes: FlatArray<TableRange>
  @usableFromInline let intervals: FlatArray<ClassifierInterval>
  @usableFromInline let tries: PrefixTrieSet

  /// A set without classifiers.
  @inlinable public init() {
    classifiers = FlatArray()
    classes = FlatArray()
    intervals = FlatArray()
    tries = PrefixTrieSet()
  }

  /// A set over the arrays that the compiler built.
  ///
  /// - Parameters:
  ///   - classes: ranges of `intervals`, ascending; each begins with an interval from key 0.
  @inlinable public init(
    classifiers: FlatArray<ClassifierRecord>, classes: FlatArray<TableRange>,
    intervals: FlatArray<ClassifierInterval>, tries: PrefixTrieSet
  ) {
    self.classifiers = classifiers
    self.classes = classes
    self.intervals = intervals
    self.tries = tries
  }

  /// The first rule that matches a remote address and a key.
  ///
  /// - Parameters:
  ///   - classifier: a classifier of this set; `none` matches nothing.
  ///   - high: the upper half of the remote address in host byte order, 0 for IPv4.
  ///   - low: the lower half, or the 32 bits of an IPv4 address.
  ///   - key: as `ClassifierKey` says.
  /// - Complexity: logarithmic in the intervals of one class.
  @inlinable
  @_noLocks
  public func match(
    _ classifier: TableIndex, high: UInt64, low: UInt64, key: UInt32
  ) -> ClassifierMatch {
    guard classifier != .none else { return .nothing }
    let index = tries.lookup(classifiers[classifier].trie, high: high, low: low)
    guard index != .none else { return .nothing }
    let result = search(classes[index], key)
    return ClassifierMatch(rule: result &>> 1, allow: result & 1 != 0)
  }

  /// Whether some allow rule for all addresses (0.0.0.0/0 or ::/0) of the classifier matches.
  ///
  /// Such a rule counts even when a rule before it decides.
  @inlinable
  @_noLocks
  public func allowsEverywhere(_ classifier: TableIndex, key: UInt32) -> Bool {
    guard classifier != .none else { return false }
    let range = classifiers[classifier].everywhere
    return range.count != 0 && search(range, key) & 1 != 0
  }

  /// The result of the last interval that begins at or before the key.
  @inlinable @inline(__always)
  func search(_ range: TableRange, _ key: UInt32) -> UInt32 {
    var base = range.start
    var count = range.count
    while count > 1 {
      let half = count &>> 1
      // Arithmetic, because a comparison becomes a branch that nobody can predict: bit 32 of the
      // difference survives when the interval does not begin after the key.
      let difference = (UInt64(key) | 1 &<< 32) &- UInt64(intervals[base &+ half].start)
      let isReached = UInt32(truncatingIfNeeded: difference &>> 32)
      base = base &+ (half & (0 &- isReached))
      count = count &- half
    }
    return intervals[base].result
  }
}
