import ControlProtocol
import Controller
import Foundation
import GRPCCore
import NIOCore
import Synchronization
import Testing

@testable import ControlAPI

/// The small parts of the API by themselves.
@Suite struct PartTests {
  @Test func statusTextIsPercentEncoded() {
    #expect(StatusText.encoded("a b%\nä~") == "a b%25%0A%C3%A4~")
    #expect(StatusText.encoded("\u{1}") == "%01")
  }

  @Test func linesAreCutToWhatHeadersTake() {
    #expect(StatusText.joined(["one", "two"]) == "one\ntwo")
    #expect(StatusText.joined([]) == "")
    let many = StatusText.joined((0..<100_000).map { "vpc.yaml:\($0): wrong" })
    #expect(StatusText.encoded(many).utf8.count < 4200 && many.hasPrefix("vpc.yaml:0: wrong\n"))
    let lines = many.split(separator: "\n")
    #expect(lines.last == "... and \(100_000 - lines.count + 1) more")
    let long = StatusText.joined([String(repeating: "ä", count: 10_000), "b"])
    #expect(StatusText.encoded(long).utf8.count < 4200 && long.hasSuffix("..."))
  }

  @Test func manyErrorsReachTheCaller() async throws {
    let plane = FakePlane()
    plane.state.withLock { state in
      state.failure = .invalid((0..<20_000).map { "größe.yaml:\($0): unknown field" })
    }
    let error = try await TestServer.with(plane: plane) { test in
      await #expect(throws: RPCError.self) {
        try await test.call { try await $0.apply(.with { $0.scope = .whole }, documents: []) }
      }
    }
    #expect(error?.message.hasPrefix("größe.yaml:0: unknown field\n") == true)
    #expect(error?.message.hasSuffix(" more") == true)
    #expect(error?.metadata.contains { $0.key == ServerState.recordedKey } == false)
  }

  /// The lengths of messages are found however the bytes are cut.
  @Test(arguments: [1, 2, 3, 5, 7, 1000])
  func framingFindsLengths(_ cut: Int) {
    let lengths = [0, 3, 300, 70_000, 0, 1]
    var bytes: [UInt8] = []
    for length in lengths {
      bytes += [0, 0, UInt8(length >> 16), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF)]
      bytes += Array(repeating: 0xFF, count: length)
    }
    var framing = MessageFraming()
    var longest: [Int] = []
    for start in stride(from: 0, to: bytes.count, by: cut) {
      let part = ByteBuffer(bytes: bytes[start..<min(start + cut, bytes.count)])
      let length = framing.read(part)
      if length > 0 { longest.append(length) }
    }
    #expect(longest.max() == 70_000)
    if cut < 5 { #expect(longest == [3, 300, 70_000, 1]) }
    #expect(framing.read(ByteBuffer(bytes: [0, 0xFF, 0xFF, 0xFF, 0xFF])) == 0xFFFF_FFFF)
  }

  @Test(arguments: ["", "a", "abcdefgh", "äöüß€😀x", String(repeating: "😀", count: 50)])
  func textIsCutBetweenCharacters(_ text: String) {
    for limit in [4, 5, 7, 64] {
      var pieces = TextPieces(text, limit: limit)
      var whole = ""
      var lasts: [Bool] = []
      while let piece = pieces.next() {
        #expect(piece.text.utf8.count <= limit)
        whole += piece.text
        lasts.append(piece.isLast)
      }
      #expect(whole == text && lasts.last == true && lasts.dropLast().allSatisfy { !$0 })
    }
  }

  @Test func refusalsBeyondTheQueueAreCounted() async {
    let recorder = RefusalRecorder(limit: 4)
    for number in 0..<10 {
      recorder.record("m\(number)", by: .unknown(at: "test"), why: "w")
    }
    recorder.finish()
    let plane = FakePlane()
    await recorder.run(plane)
    #expect(plane.refused.map(\.method) == ["m0", "", "m1", "m2", "m3"])
    #expect(plane.refused[1].why.hasPrefix("6 more refusals"))
  }

  @Test func addressesAreRead() {
    #expect(ControlAddress("unix:/run/a") == .unix(path: "/run/a"))
    #expect(ControlAddress("host.example:7443") == .tls(host: "host.example", port: 7443))
    #expect(ControlAddress("[2001:db8::1]:1") == .tls(host: "2001:db8::1", port: 1))
    for wrong in ["", "unix:", "host", "host:", "host:0", "host:65536", ":1", "a:b:1", "/a:1"] {
      #expect(ControlAddress(wrong) == nil, "\(wrong)")
    }
    #expect(ControlAddress("[::1]:9")?.description == "[::1]:9")
  }

  @Test func strangersTextIsMadeHarmless() {
    #expect(Refusal.printable("a\u{1B}[31m\nb") == "a?[31m?b")
    #expect(Refusal.printable(String(repeating: "x", count: 500)).count == 120)
  }

  @Test func descriptorsFollowImports() throws {
    let descriptors = ProtocolDescriptors()
    #expect(descriptors.file(named: "nowhere.proto") == nil)
    #expect(descriptors.file(declaring: "apus.v1.Dragons") == nil)
    let files = try #require(descriptors.file(declaring: "apus.v1.Control.Watch"))
    #expect(files.count == 3)
    #expect(String(decoding: files[0].prefix(30), as: UTF8.self).contains("apus/v1/control.proto"))
    #expect(descriptors.services.contains("grpc.reflection.v1.ServerReflection"))
  }

  @Test func everyMethodHasARule() {
    let served = ProtocolDescriptors().methods.map { "/\($0)" }
    #expect(Set(served) == Set(MethodRule.all.keys))
  }

  @Test func budgetIsKept() {
    let budget = ByteBudget(limit: 10)
    #expect(budget.take(6) && !budget.take(5) && budget.take(4) && !budget.take(1))
    budget.give(6)
    #expect(budget.take(6) && !budget.take(Int.max))
  }
}
