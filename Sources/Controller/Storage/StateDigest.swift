import Crypto

/// The digest of a set of objects: the sum, modulo 2^256, of the SHA-256 of each.
///
/// It finds damage, not forgery: a change costs what it changes, whatever the size of the state
/// (M. Bellare, D. Micciancio: A new paradigm for collision-free hashing, 1997, the sum as
/// combining operation).
struct StateDigest: Sendable, Hashable {
  /// Least significant first.
  private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  init() {}

  /// Nil unless there are 32 bytes, the most significant first.
  init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.init(big: bytes)
  }

  /// The digest of one object.
  init(kind: String, id: String, position: Int64, json: String) {
    var hash = SHA256()
    for part in [kind, id, "\(position)"] {
      hash.update(data: Array(part.utf8))
      hash.update(data: [0])
    }
    var json = json
    json.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
    self.init(big: Array(hash.finalize()))
  }

  private init(big bytes: [UInt8]) {
    func word(_ start: Int) -> UInt64 {
      bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }
    words = (word(24), word(16), word(8), word(0))
  }

  var bytes: [UInt8] {
    [words.3, words.2, words.1, words.0].flatMap { word in
      stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
    }
  }

  static func += (sum: inout StateDigest, term: StateDigest) {
    var carry: UInt64 = 0
    func add(_ a: UInt64, _ b: UInt64) -> UInt64 {
      let (first, over) = a.addingReportingOverflow(b)
      let (second, again) = first.addingReportingOverflow(carry)
      carry = over || again ? 1 : 0
      return second
    }
    sum.words.0 = add(sum.words.0, term.words.0)
    sum.words.1 = add(sum.words.1, term.words.1)
    sum.words.2 = add(sum.words.2, term.words.2)
    sum.words.3 = add(sum.words.3, term.words.3)
  }

  static func -= (sum: inout StateDigest, term: StateDigest) {
    // Two's complement: minus x is not x, plus one.
    var inverse = term
    inverse.words = (~term.words.0, ~term.words.1, ~term.words.2, ~term.words.3)
    var one = StateDigest()
    one.words.0 = 1
    sum += inverse
    sum += one
  }

  static func == (a: StateDigest, b: StateDigest) -> Bool { a.words == b.words }

  func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
