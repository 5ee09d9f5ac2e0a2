import FuzzSupport
import TableCompiler
import Tables
import VPCModel
import Wire

extension FuzzTarget {
  /// Routes of a table, some of them taken out and others put in, and that undone: the tries of each
  /// generation find what asking prefix after prefix does.
  public static let prefixes = FuzzTarget("prefixes", maximumLength: 32) {
    let arenas = TableArenas(.reserved)
    return { PrefixTarget.run($0, arenas) }
  }
}

enum PrefixTarget {
  private static let operationLimit = 6
  /// With what is between them, more than a block of keys has room for.
  private static let combLimit: UInt8 = 20

  /// Prefixes with a number each, which their routes have as the number of the rule.
  private typealias Numbered = [IPPrefix: UInt32]

  private struct Input {
    let family: IPFamily
    var first: Numbered = [:]
    var removed: Numbered = [:]
    var added: Numbered = [:]
    var probes: [IPAddress] = []

    init(_ input: UnsafeRawBufferPointer) {
      var reader = ByteReader(input)
      family = reader.byte() & 1 == 0 ? .v4 : .v6
      for _ in 0..<operationLimit where !reader.isAtEnd { operation(&reader) }
      removed = removed.filter { first[$0.key] != nil }
      added = added.filter { first[$0.key] == nil }
    }

    /// One prefix or a comb of them, for one of the generations.
    private mutating func operation(_ reader: inout ByteReader) {
      let code = reader.byte()
      let start = address(UInt64(reader.word()), place: Int(code >> 2 & 7))
      let length = Int(reader.byte()) % (family.bitWidth + 1)
      let isComb = code & 1 != 0
      let (count, stride) = isComb ? (reader.byte() % combLimit + 1, reader.byte() & 3) : (1, 0)
      for index in 0..<count {
        let step = UInt64(index) * (UInt64(stride) + 1)
        let prefix = IPPrefix(start.advanced(by: step, length: length), length: length)
        let number = UInt32(first.count + removed.count + added.count)
        switch code >> 6 {
        case 2: added[prefix] = added[prefix] ?? 0x10000 + number
        case 3: removed[prefix] = removed[prefix] ?? 0x20000 + number
        default: first[prefix] = first[prefix] ?? number
        }
        if index == 0 || index == count / 2 || index == count - 1 { probe(prefix) }
      }
    }

    /// Bytes that two prefixes are likely to share.
    private func address(_ word: UInt64, place: Int) -> IPAddress {
      if family == .v4 {
        let value = UInt32(truncatingIfNeeded: word << UInt64((place & 3) * 8))
        return IPAddress(v4: place & 4 == 0 ? 0x0A00_0000 | value & 0xFF_FFFF : value)
      }
      let shift = UInt64((place & 3) * 16)
      return place & 4 == 0
        ? IPAddress(v6: 0xFD00_0000_0000_0000 | word << shift, 0)
        : IPAddress(v6: 0xFD00_0000_0000_0000, word << shift)
    }

    /// Both ends of a prefix, and what is beyond them.
    private mutating func probe(_ prefix: IPPrefix) {
      let next = prefix.address.advanced(by: 1, length: prefix.length)
      let width = family.bitWidth
      probes += [
        prefix.address, prefix.address.advanced(by: .max, length: width), next,
        next.advanced(by: .max, length: width),
      ]
    }
  }

  static func run(_ bytes: UnsafeRawBufferPointer, _ arenas: TableArenas) -> String? {
    let input = Input(bytes)
    var second = input.first.filter { input.removed[$0.key] == nil }
    second.merge(input.added) { known, _ in known }
    let gone = input.first.filter { input.removed[$0.key] != nil }
    do {
      let before = try trie(input.first, input.family, arenas)
      let after = try next(before, gone, input.added, input.family, arenas)
      if let fault = check(after, second, input, arenas) { return "second generation: \(fault)" }
      let again = try next(after, input.added, gone, input.family, arenas)
      if let fault = check(again, input.first, input, arenas) {
        return "third generation: \(fault)"
      }
      return check(before, input.first, input, arenas).map { "first generation: \($0)" }
    } catch { return "\(error)" }
  }

  private static func trie(
    _ routes: Numbered, _ family: IPFamily, _ arenas: TableArenas
  ) throws -> RouteTrie? {
    routes.isEmpty ? nil : try RouteTrie(SortedPieces(claims(routes)), family, in: arenas)
  }

  private static func next(
    _ known: RouteTrie?, _ removed: Numbered, _ added: Numbered, _ family: IPFamily,
    _ arenas: TableArenas
  ) throws -> RouteTrie? {
    guard let known else { return try trie(added, family, arenas) }
    return try known.replacing(claims(removed), with: claims(added), family, in: arenas)
  }

  private static func claims(_ routes: Numbered) -> [RouteClaim] {
    routes.map { prefix, number in
      var record = RouteRecord(.blackhole, .none)
      record.rule = number
      return RouteClaim(prefix, rank: RouteClaim.cidr, id: nil, record)
    }.sorted()
  }

  private static func check(
    _ trie: RouteTrie?, _ routes: Numbered, _ input: Input, _ arenas: TableArenas
  ) -> String? {
    let reference = LinearPrefixes(routes)
    for address in input.probes {
      let wanted = reference.number(of: address)
      let found =
        trie.map { arenas.prefixes.lookup($0.index, high: address.high, low: address.low) }
        ?? .none
      let number = found == .none ? nil : arenas.routes.view[found].rule
      if number != wanted {
        return "\(address): \(number.map(String.init) ?? "none"), "
          + "not \(wanted.map(String.init) ?? "none")"
      }
    }
    return nil
  }
}

/// Longest prefix match by asking every prefix, the longest first. Without a branch for each part of
/// the question: the fuzzer follows each of them.
private struct LinearPrefixes {
  private struct Entry {
    let address, mask: SIMD2<UInt64>
    let number: UInt32
  }

  private var entries: [Entry]

  init(_ routes: [IPPrefix: UInt32]) {
    entries = routes.sorted { $0.key.length > $1.key.length }.map { prefix, number in
      let mask = IPPrefix.mask(family: prefix.family, length: prefix.length)
      return Entry(
        address: [prefix.address.high, prefix.address.low], mask: [mask.high, mask.low],
        number: number)
    }
  }

  func number(of address: IPAddress) -> UInt32? {
    let address: SIMD2<UInt64> = [address.high, address.low]
    for entry in entries {
      let difference = (address & entry.mask) ^ entry.address
      if difference.x | difference.y == 0 { return entry.number }
    }
    return nil
  }
}

extension IPAddress {
  /// The address so many prefixes of a length further, round the end if need be.
  fileprivate func advanced(by count: UInt64, length: Int) -> IPAddress {
    let shift = family.bitWidth - length
    let value = UInt128(high) << 64 | UInt128(low)
    // Of a count that stands for -1, all bits are set.
    let wide = count == .max ? UInt128.max : UInt128(count)
    let sum = value &+ (shift < 128 ? wide << UInt128(shift) : 0)
    if family == .v4 { return IPAddress(v4: UInt32(truncatingIfNeeded: sum)) }
    return IPAddress(
      v6: UInt64(truncatingIfNeeded: sum >> 64), UInt64(truncatingIfNeeded: sum))
  }
}
