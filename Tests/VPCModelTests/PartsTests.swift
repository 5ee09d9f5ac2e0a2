import Glibc
import Testing
import Wire

@testable import VPCModel

@Suite struct PartsTests {
  @Test(
    arguments: [
      ("432000s", 432_000_000_000_000), ("5m", 300_000_000_000), ("1h", 3_600_000_000_000),
      ("500ms", 500_000_000), ("1.5s", 1_500_000_000), ("0.000000001s", 1),
      ("9223372036854775807ns", UInt64(Int64.max)),
    ] as [(String, UInt64)])
  func durationsAreExact(_ text: String, _ nanoseconds: UInt64) throws {
    #expect(try Quantity.parse(text, units: Quantity.durations).get() == nanoseconds)
  }

  @Test(
    arguments: [
      ("2MB", 2_000_000), ("64kB", 64_000), ("64KB", 64_000), ("1GB", 1_000_000_000),
      ("1500", 1500), ("64KiB", 65536), ("1MiB", 1_048_576), ("0.5KiB", 512), ("10B", 10),
    ] as [(String, UInt64)])
  func sizesAreExact(_ text: String, _ bytes: UInt64) throws {
    #expect(try Quantity.parse(text, units: Quantity.sizes).get() == bytes)
  }

  @Test(
    arguments: [
      ("5Gbps", 5_000_000_000), ("100Mbps", 100_000_000), ("64kbps", 64_000), ("1000bps", 1000),
      ("2.5Gbps", 2_500_000_000),
    ] as [(String, UInt64)])
  func bandwidthsAreExact(_ text: String, _ bits: UInt64) throws {
    #expect(try Quantity.parse(text, units: Quantity.bandwidths).get() == bits)
  }

  @Test(
    arguments: [
      "", "s", ".5s", "5.s", "1.2.3s", "-1s", "+1s", "1e3s", " 1s", "1 s", "1S", "0.5ns",
      "9223372036854775808ns", "99999999999999999999s", "1.0000000000000000001s", "١s",
    ])
  func badQuantitiesAreRefused(_ text: String) {
    #expect(throws: Quantity.Failure.self) {
      try Quantity.parse(text, units: Quantity.durations).get()
    }
  }

  /// Few bits, so that blocks meet often.
  private func randomPrefix(_ random: inout SeededGenerator) -> IPPrefix {
    let length = Int.random(in: 0...5, using: &random)
    let bits = UInt64.random(in: 0..<32, using: &random)
    return Bool.random(using: &random)
      ? IPPrefix(IPAddress(v4: UInt32(bits << 27)), length: length)
      : IPPrefix(IPAddress(v6: bits << 59, 0), length: length)
  }

  @Test func prefixIndexAgreesWithASearchOfAll() {
    var random = SeededGenerator(state: 1)
    for _ in 0..<500 {
      let prefixes = (0..<Int.random(in: 0..<8, using: &random)).map { _ in
        randomPrefix(&random)
      }
      let index = PrefixIndex(prefixes)
      for _ in 0..<20 {
        let probe = randomPrefix(&random)
        #expect(index.contains(probe) == prefixes.contains { $0.contains(probe) })
        #expect(
          index.contains(probe.address) == prefixes.contains { $0.contains(probe.address) })
        #expect(index.overlaps(probe) == prefixes.contains { $0.overlaps(probe) })
      }
    }
  }

  @Test func everyBlockInAnotherIsFound() {
    var random = SeededGenerator(state: 2)
    for _ in 0..<500 {
      let prefixes = (0..<8).map { _ in randomPrefix(&random) }
      let pairs = overlappingPairs(prefixes)
      for pair in pairs {
        #expect(pair.first < pair.second)
        #expect(prefixes[pair.first].overlaps(prefixes[pair.second]))
      }
      let found = Set(pairs.flatMap { [$0.first, $0.second] })
      let expected = prefixes.indices.filter { a in
        prefixes.indices.contains { $0 != a && prefixes[$0].overlaps(prefixes[a]) }
      }
      #expect(found == Set(expected))
    }
  }

  @Test func filesAreReadAndDamageIsFound() throws {
    var template = Array("/tmp/vpcmodel-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer { unlink(path) }
    let bytes = Array(exampleText.utf8)
    #expect(write(descriptor, bytes, bytes.count) == bytes.count)
    #expect(try ModelLoader.load(paths: [path]) == load(exampleText))
    #expect(write(descriptor, [0xFF, 0x0A], 2) == 2)
    let damaged = #expect(throws: ModelErrors.self) { try ModelLoader.load(paths: [path]) }
    let lines = exampleText.count { $0 == "\n" } + 1
    #expect(
      damaged?.errors == [
        ModelError(file: path, line: lines, column: nil, path: "", reason: "is not UTF-8 text")
      ])
  }
}
