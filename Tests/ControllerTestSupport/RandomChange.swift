import Controller
import Foundation

/// A small generator with a seed, so that a failure can be repeated (SplitMix64).
public struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Changes of many objects that all carry the number of their generation: a state that is a mix of
/// two of them is recognised.
public enum NumberedChange {
  static let lists = 12

  /// The state as the change with a number makes it, from whatever was before.
  ///
  /// Each is valid. Objects come and go with the number; whole states and patches alternate.
  public static func request(_ number: Int, present: Set<String>) -> ChangeRequest {
    let ids = Self.ids(number)
    let entries = ids.map { "{id: \($0), entries: [\(cidr(number))]}" }
    let text = "prefixLists: [\(entries.joined(separator: ", "))]"
    if number % 3 == 0 { return Rules.whole(text) }
    let gone = present.subtracting(ids).sorted().map { ObjectReference(.prefixLists, $0) }
    return Rules.patch(text, delete: gone)
  }

  /// The prefix lists that are there after a change.
  public static func ids(_ number: Int) -> Set<String> {
    Set((0..<lists).filter { ($0 + number) % 5 != 0 }.map { "pl-\($0)" })
  }

  /// What each of them holds.
  public static func cidr(_ number: Int) -> String {
    "10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)/32"
  }

  /// The number of the change that made a state; nil when the state is a mix.
  public static func number(of objects: ObjectList) -> Int? {
    let items = objects.items.filter { $0.reference.kind == .prefixLists }
    if items.isEmpty { return 0 }
    guard let first = items.first.flatMap({ number(in: $0.json) }) else { return nil }
    let isWhole =
      Set(items.map(\.reference.id)) == ids(first)
      && items.allSatisfy { number(in: $0.json) == first }
    return isWhole ? first : nil
  }

  private static func number(in json: String) -> Int? {
    guard let start = json.range(of: "\"10.") else { return nil }
    let parts = json[start.upperBound...].prefix { $0 != "/" }.split(separator: ".")
    let bytes = parts.compactMap { Int($0) }
    return bytes.count == 3 ? bytes[0] << 16 | bytes[1] << 8 | bytes[2] : nil
  }
}
