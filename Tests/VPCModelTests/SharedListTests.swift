import Testing

@testable import VPCModel

@Suite struct SharedListTests {
  /// Numbers from a seed (Knuth's multiplier), so that every failure repeats.
  private struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 33
    }
  }

  private func change(_ list: inout SharedList<Int>, _ array: inout [Int], _ random: inout Numbers)
  {
    let value = Int.random(in: 0..<10_000, using: &random)
    let place = Int.random(in: 0...array.count, using: &random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0 where place < array.count:
      list.remove(at: place)
      array.remove(at: place)
    case 1:
      list.insert(value, at: place)
      array.insert(value, at: place)
    case 2 where place < array.count:
      list[place] = value
      array[place] = value
    case 3:
      let rest = Int.random(in: 0..<50, using: &random)
      list.removeAll { $0 % 50 == rest }
      array.removeAll { $0 % 50 == rest }
    case 4:
      let end = min(place + 700, array.count)
      list.replaceSubrange(place..<end, with: [value, value])
      array.replaceSubrange(place..<end, with: [value, value])
    case 5:
      list.append(contentsOf: value..<value + 600)
      array.append(contentsOf: value..<value + 600)
    default:
      list.append(value)
      array.append(value)
    }
  }

  @Test(arguments: 1...12)
  func `is what an array is`(seed: UInt64) {
    var random = Numbers(state: seed)
    var list = SharedList(0..<2_000)
    var array = Array(0..<2_000)
    for _ in 0..<20 {
      let (before, old) = (list, array)
      change(&list, &array, &random)
      #expect(Array(list) == array)
      #expect(list.count == array.count)
      #expect(list.indices.allSatisfy { list[$0] == array[$0] })
      #expect(list == SharedList(array))
      #expect((list == before) == (array == old))
      // The copy has not changed, and what is different leads from one to the other.
      #expect(Array(before) == old)
      let (removed, added) = list.changes(since: before)
      var counts: [Int: Int] = [:]
      for value in old { counts[value, default: 0] += 1 }
      for value in removed { counts[value, default: 0] -= 1 }
      for value in added { counts[value, default: 0] += 1 }
      for value in array { counts[value, default: 0] -= 1 }
      #expect(counts.values.allSatisfy { $0 == 0 }, "seed \(seed)")
    }
  }

  @Test func `one change of many is found without the others`() {
    let before = SharedList(0..<100_000)
    var after = before
    after[70_000] = -1
    let (removed, added) = after.changes(since: before)
    #expect(removed.count == SharedList<Int>.pieceSize && added.count == removed.count)
    #expect(added.contains(-1) && removed.contains(70_000))
    #expect(before.changes(since: before).added.isEmpty)
  }
}
