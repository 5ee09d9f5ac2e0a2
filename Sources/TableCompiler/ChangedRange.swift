import VPCModel

/// What is different between two arrays, as one range of each: what is outside of it is the same,
/// in the same order.
struct ChangedRange: Equatable {
  var old: Range<Int>
  var new: Range<Int>

  init(old: Range<Int>, new: Range<Int>) {
    self.old = old
    self.new = new
  }

  /// - Parameters:
  ///   - bytes: which bytes of an element mean something.
  ///   - isOther: whether an element that is equal counts as changed nevertheless.
  /// - Complexity: O(n); elements whose bytes are the same are not looked into.
  init<Element: Equatable>(
    _ old: [Element], _ new: [Element], bytes: MeaningfulBytes = .all,
    where isOther: ((Element) -> Bool)? = nil
  ) {
    (self.old, self.new) = old.withUnsafeBufferPointer { old in
      new.withUnsafeBufferPointer { new in
        if isOther == nil, old.count == new.count, old.baseAddress == new.baseAddress {
          return (old.count..<old.count, new.count..<new.count)
        }
        guard let a = old.baseAddress, let b = new.baseAddress else {
          return (old.indices, new.indices)
        }
        let most = min(old.count, new.count)
        var start = 0
        while start < most, Self.isSame(a + start, b + start, bytes, isOther) { start += 1 }
        var (oldEnd, newEnd) = (old.count, new.count)
        while oldEnd > start, newEnd > start,
          Self.isSame(a + (oldEnd - 1), b + (newEnd - 1), bytes, isOther)
        {
          oldEnd -= 1
          newEnd -= 1
        }
        return (start..<oldEnd, start..<newEnd)
      }
    }
  }

  var isEmpty: Bool { old.isEmpty && new.isEmpty }

  /// Whether two arrays are the same; quick when they are copies of each other.
  static func areSame<Element: Equatable>(
    _ old: [Element], _ new: [Element], bytes: MeaningfulBytes = .all
  ) -> Bool {
    guard old.count == new.count else { return false }
    return old.withUnsafeBufferPointer { old in
      new.withUnsafeBufferPointer { new in
        guard let a = old.baseAddress, let b = new.baseAddress, a != b else { return true }
        return old.indices.allSatisfy { isSame(a + $0, b + $0, bytes, nil) }
      }
    }
  }

  /// Elements of an array before and after, with those of the range replaced.
  func applied<Element>(to before: [Element], _ replacement: [Element]) -> [Element] {
    var after: [Element] = []
    after.reserveCapacity(before.count - old.count + replacement.count)
    after += before[..<old.lowerBound]
    after += replacement
    after += before[old.upperBound...]
    return after
  }

  private static func isSame<Element: Equatable>(
    _ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>, _ bytes: MeaningfulBytes,
    _ isOther: ((Element) -> Bool)?
  ) -> Bool {
    // Copies of each other have the same bytes, and asking is quick. The opposite does not follow.
    guard bytes.areSame(a, b) || a.pointee == b.pointee else { return false }
    return isOther.map { !$0(b.pointee) } ?? true
  }
}

/// The bytes of a type that are not padding, as masks of its words.
struct MeaningfulBytes: Sendable {
  private let masks: [UInt64]?

  /// Of a type without padding.
  static let all = MeaningfulBytes(masks: nil)

  static let ofSecurityGroupRule: MeaningfulBytes = {
    typealias Rule = SecurityGroupRule
    return MeaningfulBytes(
      size: MemoryLayout<Rule>.size,
      fields: [
        field(\Rule.id), field(\Rule.match.protocolNumber), field(\Rule.match.ports),
        field(\Rule.match.icmpType), field(\Rule.match.icmpCode), field(\Rule.peers),
      ])
  }()

  private init(masks: [UInt64]?) { self.masks = masks }

  /// - Parameter fields: where they stand; nil, which is never expected, for "somewhere".
  private init(size: Int, fields: [Range<Int>?]) {
    var masks = [UInt64](repeating: 0, count: (size + 7) / 8)
    for field in fields {
      guard let field else {
        self.masks = nil
        return
      }
      for byte in field { masks[byte / 8] |= 0xFF << UInt64(byte % 8 * 8) }
    }
    self.masks = masks
  }

  private static func field<Root, Value>(_ path: KeyPath<Root, Value>) -> Range<Int>? {
    MemoryLayout<Root>.offset(of: path).map { $0..<$0 + MemoryLayout<Value>.size }
  }

  /// Whether all bytes that mean something are the same.
  func areSame<Element>(_ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>) -> Bool {
    let (a, b) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
    let size = MemoryLayout<Element>.size
    for word in 0..<size / 8 {
      let offset = word * 8
      let difference =
        a.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        ^ b.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      if difference & (masks?[word] ?? .max) != 0 { return false }
    }
    for byte in size / 8 * 8..<size {
      let difference =
        a.load(fromByteOffset: byte, as: UInt8.self) ^ b.load(fromByteOffset: byte, as: UInt8.self)
      let mask = masks.map { UInt8(truncatingIfNeeded: $0[byte / 8] >> UInt64(byte % 8 * 8)) }
      if difference & (mask ?? .max) != 0 { return false }
    }
    return true
  }
}
