import ReferenceModel
import Testing
import Wire

@testable import Reachability

/// The algebra of sets against brute force, in universes that are small enough to be listed.
@Suite struct IntervalMapTests {
  typealias Small = IntervalMap<UInt8, Bool>

  static func random(_ random: inout SeededRandom) -> (set: Small, members: Set<UInt8>) {
    let ranges = (0..<random.number(0...6)).map { _ in
      let ends = [random.number(0...255), random.number(0...255)].sorted()
      return UInt8(ends[0])...UInt8(ends[1])
    }
    return (Small(ranges), Set(ranges.flatMap { Array($0) }))
  }

  static func members(_ set: Small) -> Set<UInt8> {
    Set((0...255).map { UInt8($0) }.filter { set.value(at: $0) })
  }

  @Test func setsAreWhatTheirMembersAre() {
    var random = SeededRandom(seed: 1)
    for _ in 0..<300 {
      let (a, inA) = Self.random(&random)
      let (b, inB) = Self.random(&random)
      #expect(Self.members(a) == inA)
      #expect(Self.members(a.union(b)) == inA.union(inB))
      #expect(Self.members(a.intersection(b)) == inA.intersection(inB))
      #expect(Self.members(a.subtracting(b)) == inA.subtracting(inB))
      // Canonical: equal exactly when the members are.
      #expect((a == b) == (inA == inB))
      #expect(Small(a.trueRanges) == a)
      #expect(a.union(b).subtracting(b) == a.subtracting(b))
      #expect(a.isEmpty == inA.isEmpty)
      for (one, next) in zip(a.trueRanges, a.trueRanges.dropFirst()) {
        #expect(Int(one.upperBound) + 1 < Int(next.lowerBound))
      }
    }
  }

  @Test func edgesOfTheNumbers() {
    let low = Small(0...0, true, outside: false)
    let high = Small(255...255, true, outside: false)
    #expect(low.union(high).trueRanges == [0...0, 255...255])
    #expect(Small(0...255, true, outside: false) == .everything)
    #expect(Small.everything.subtracting(high).trueRanges == [0...254])
    #expect(Small([0...100, 101...255]).isEverything)
  }

  @Test func laterLayersCover() {
    var random = SeededRandom(seed: 2)
    for _ in 0..<200 {
      var expected = [Int](repeating: -1, count: 256)
      let layers = (0..<random.number(0...8)).map { _ in
        let ends = [random.number(0...255), random.number(0...255)].sorted()
        return (UInt8(ends[0])...UInt8(ends[1]), random.number(0...3))
      }
      for (range, value) in layers { for number in range { expected[Int(number)] = value } }
      let map = IntervalMap.painted(layers, over: -1)
      #expect((0...255).map { map.value(at: UInt8($0)) } == expected)
      #expect(Set(map.values) == Set(expected))
    }
  }

  /// Sets in two dimensions: maps to sets.
  @Test func setsInTwoDimensions() {
    var random = SeededRandom(seed: 3)
    typealias Square = IntervalMap<UInt8, Small>
    struct Point: Hashable {
      var x: UInt8
      var y: UInt8
    }
    for _ in 0..<20 {
      var expected: Set<Point> = []
      var squares: [Square] = []
      for _ in 0..<random.number(1...5) {
        let x = [random.number(0...255), random.number(0...255)].sorted()
        let (set, members) = Self.random(&random)
        squares.append(
          Square(UInt8(x[0])...UInt8(x[1]), set, outside: .empty))
        for column in x[0]...x[1] {
          for y in members { expected.insert(Point(x: UInt8(column), y: y)) }
        }
      }
      let union = Square.merged(squares, empty: .empty) { $0.union($1) }
      var found: Set<Point> = []
      for x in 0...255 {
        let column = union.value(at: UInt8(x))
        for y in 0...255 where column.value(at: UInt8(y)) {
          found.insert(Point(x: UInt8(x), y: UInt8(y)))
        }
      }
      #expect(found == expected)
      let backwards = Square.merged(squares.reversed(), empty: .empty) { $0.union($1) }
      #expect(backwards == union)
    }
  }

  // MARK: Addresses

  @Test(arguments: [IPFamily.v4, .v6])
  func prefixesCoverARangeExactly(_ family: IPFamily) {
    var random = SeededRandom(seed: 4)
    let last: UInt128 = family == .v4 ? 0xFFFF_FFFF : .max
    for round in 0..<100 {
      var ends = [
        (UInt128(random.next()) << 64 | UInt128(random.next())) & last,
        (UInt128(random.next()) << 64 | UInt128(random.next())) & last,
      ].sorted()
      if round == 0 { ends = [0, last] }
      if round == 1 { ends = [1, last - 1] }
      if round == 2 { ends = [last, last] }
      let prefixes = IPPrefix.covering(ends[0]...ends[1], family)
      var next = ends[0]
      for prefix in prefixes {
        #expect(prefix.range.lowerBound == next)
        next = prefix.range.upperBound &+ 1
      }
      #expect(next == ends[1] &+ 1)
      // No two of them are the halves of a larger one.
      for (one, two) in zip(prefixes, prefixes.dropFirst()) where one.length == two.length {
        #expect(
          one.length == 0 || IPPrefix(two.address, length: one.length - 1).address != one.address)
      }
    }
  }

  @Test func textIsTheShorterOne() throws {
    let block = try #require(IPPrefix("10.0.0.0/16"))
    let set = AddressSet(.v4, [block])
    #expect(set.text == "10.0.0.0/16")
    let rest = AddressSet(.v4, AddressSet.all(.v4).numbers.subtracting(set.numbers))
    #expect(rest.text == "0.0.0.0/0 except 10.0.0.0/16")
    #expect(rest.prefixes.count == 16)
    let one = try #require(IPAddress("10.0.0.1"))
    #expect(AddressSet(.v4, [IPPrefix(one, length: 32)]).text == "10.0.0.1")
  }
}
