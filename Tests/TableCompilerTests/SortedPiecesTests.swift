import Testing

@testable import TableCompiler

@Suite struct SortedPiecesTests {
  @Test(arguments: [0, 1, 500, 5_000], 1...5)
  func `a list is what a sorted array is`(count: Int, seed: Int) {
    var random = SplitMix64(seed: seed)
    var array = Array(Set((0..<count).map { _ in Int.random(in: 0..<20_000, using: &random) }))
      .sorted()
    var list = SortedPieces(array)
    for step in 0..<16 {
      var (removed, added): (Set<Int>, Set<Int>) = ([], [])
      let most = step % 8 == 7 ? 3_000 : 5
      for _ in 0..<Int.random(in: 0...most, using: &random) {
        if random.once(in: 2) {
          added.insert(Int.random(in: 0..<20_000, using: &random))
        } else {
          removed.insert(array.randomElement(using: &random) ?? 7)
        }
      }
      // As with a dictionary: what is there already is taken out first.
      removed.formUnion(added.intersection(array))
      list.replace(removed.sorted(), with: added.sorted())
      array = Array(Set(array).subtracting(removed).union(added)).sorted()
      #expect(list.all == array && list.count == array.count, "seed \(seed), step \(step)")
      for _ in 0..<5 {
        let value = Int.random(in: -1..<20_001, using: &random)
        let place = list.first { $0 < value }
        #expect(list.element(at: place) == array.first { $0 >= value })
        #expect(list.element(before: place) == array.last { $0 < value })
        if list.element(at: place) != nil {
          let next = list.element(at: list.position(after: place))
          #expect(
            next
              == array.first { $0 > value || $0 == value }.flatMap { first in
                array.first { $0 > first }
              })
        }
      }
    }
  }
}
