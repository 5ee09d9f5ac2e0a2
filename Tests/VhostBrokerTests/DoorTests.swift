import CFileDescriptors
import Foundation
import Testing

@testable import VhostBroker

/// Guests that come and go while a broker runs.
@Suite(.serialized) struct DoorTests {
  private static func ask(_ broker: BrokerProcess, _ line: String) throws -> String {
    let descriptor = apus_unix_connect("\(broker.runDirectory)/.broker.sock")
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let bytes = Array((line + "\n").utf8)
    try #require(write(descriptor, bytes, bytes.count) == bytes.count)
    var text: [UInt8] = []
    for _ in 0..<100 {
      var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&waited, 1, 5_000) > 0 else { break }
      var chunk = [UInt8](repeating: 0, count: 4096)
      let count = read(descriptor, &chunk, chunk.count)
      if count <= 0 { break }
      text += chunk[..<count]
    }
    return String(decoding: text, as: UTF8.self)
  }

  @Test func guestsComeAndGo() throws {
    let folder = try TestFolder()
    let broker = try BrokerProcess(folder, guests: [])
    #expect(try Self.ask(broker, "list") == "ok\n")
    let guest = "eni=eni-a,socket=\(folder.file("a")),listens"
    let other = "eni=eni-b,socket=\(folder.file("b"))"
    #expect(try Self.ask(broker, "add \(guest)") == "ok\n")
    let level = broker.descriptors
    for _ in 0..<50 {
      #expect(try Self.ask(broker, "add \(other)") == "ok\n")
      #expect(FileManager.default.fileExists(atPath: broker.innerSocket("eni-b")))
      #expect(try Self.ask(broker, "remove eni-b") == "ok\n")
      #expect(!FileManager.default.fileExists(atPath: broker.innerSocket("eni-b")))
    }
    #expect(broker.descriptors == level)
    #expect(try Self.ask(broker, "list") == "\(guest)\nok\n")
    #expect(broker.stop() == 0)
    #expect(!FileManager.default.fileExists(atPath: folder.file("a")))
  }

  @Test func whatCannotBeServedIsRefused() throws {
    let folder = try TestFolder()
    let guest = "eni=eni-a,socket=\(folder.file("a"))"
    let broker = try BrokerProcess(folder, guests: [guest])
    for (line, why) in [
      ("add \(guest)", "given twice"), ("add eni=eni-b,socket=\(folder.file("a"))", "given twice"),
      ("add eni=../x,socket=/s", "eni must be"), ("add eni=b", "socket=PATH is missing"),
      ("add eni=b,socket=/nowhere/at/all,listens", "No such file"), ("remove eni-b", "not served"),
      ("serve", "none of add, remove, list"), ("", "none of add, remove, list"),
    ] {
      let answer = try Self.ask(broker, line)
      #expect(answer.hasPrefix("refused: ") && answer.contains(why), "\(line): \(answer)")
    }
    // Who says nothing, or no end of it, keeps nobody waiting for ever.
    let silent = apus_unix_connect("\(broker.runDirectory)/.broker.sock")
    defer { close(silent) }
    #expect(try Self.ask(broker, String(repeating: "x", count: 5_000)).isEmpty)
    #expect(try Self.ask(broker, "list") == "\(guest)\nok\n")
  }
}
