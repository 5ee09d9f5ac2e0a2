import Testing

/// Super-packets, partial checksums, and frames beyond the limits.
@Suite(.serialized, .enabled(if: Places.canRun, Places.obstacle))
struct OffloadTests {
  /// From one guest to another, whole, with the checksum left to the last.
  @Test func superPacketsStayWhole() throws {
    let folder = Folder()
    let frames = Frames.tcp([9000, 1400, 30_000, 60_000])
    try Frames.write(frames, to: folder.file("in"))
    let probe = try Probe(
      [
        "--guest", "socket=\(folder.file("a"));server", "--guest",
        "socket=\(folder.file("b"));server",
      ]
        + ["--forward", "1:2", "--describe", "4", "--megabytes", "128"])
    probe.running.wait(for: "ready")
    let receiver = try Guest(
      device: "path=\(folder.file("b"))", rx: nil, tx: folder.file("out"),
      commands: Guest.accepting, folder: folder)
    let ready = probe.wait(port: 2) { $0["offloads"] == 128 | 7 }
    #expect(ready["offloads"] == 128 | 7)
    let sender = try Guest(
      device: "path=\(folder.file("a"))", rx: folder.file("in"), tx: folder.file("none"),
      commands: Guest.offloading, folder: folder)
    probe.wait(port: 2) { $0["tx"] == frames.count }
    receiver.wait(written: frames.count)
    sender.quit()
    receiver.quit()
    let end = probe.finish()
    #expect(end.counters[2]?["txbytes"] == frames.reduce(0) { $0 + $1.count })
    #expect(end.counters[1]?["used"] == 0)
    #expect(end.counters[2]?["used"] == 0)
    // testpmd writes at most 16128 bytes of a frame to a capture.
    let received = try Frames.read(folder.file("out"))
    #expect(received.count == frames.count)
    for (sent, got) in zip(frames, received) {
      #expect(got.count == min(sent.count, 16_128))
      #expect(got[12..<50] == sent[12..<50])
      #expect(got[54...] == sent[54..<got.count])
      let checksum = UInt16(got[50]) << 8 | UInt16(got[51])
      #expect(checksum == Frames.pseudoHeaderSum(sent), "of \(sent.count) bytes")
    }
  }

  @Test func superPacketsAreDescribed() throws {
    let folder = Folder()
    let frames = Frames.tcp([9000, 1400, 30_000])
    try Frames.write(frames, to: folder.file("in"))
    let socket = folder.file("socket")
    let probe = try Probe(["--guest", "socket=\(socket);server", "--describe", "3"])
    probe.running.wait(for: "ready")
    let guest = try Guest(
      device: "path=\(socket)", rx: folder.file("in"), tx: folder.file("out"),
      commands: Guest.offloading, folder: folder)
    var lines: [[String: Int]] = []
    for _ in frames {
      let line = probe.running.wait(for: "frame ").last ?? ""
      lines.append(Probe.fields(line))
    }
    guest.quit()
    _ = probe.finish()
    for (frame, line) in zip(frames, lines) {
      #expect(line["total"] == frame.count)
      #expect(line["length"] == min(frame.count, 2048))
      #expect(line["headroom"] == 128)
      #expect(line["segment"] == (frame.count > 1502 ? 1448 : 0))
      #expect(line["partial"] == 1)
    }
  }

  /// A guest to which no offload was offered cannot ask for it.
  @Test func plainGuestHasNoOffloads() throws {
    let folder = Folder()
    let socket = folder.file("socket")
    let probe = try Probe(["--guest", "socket=\(socket);server;plain"])
    probe.running.wait(for: "ready")
    let guest = try Guest(
      device: "path=\(socket)", rx: nil, tx: folder.file("out"), folder: folder)
    #expect(probe.wait(port: 1) { $0["offloads"] != 0 }["offloads"] == 128)
    guest.quit()
    _ = probe.finish()
  }

  @Test("V-23: frames too short or too long are counted and go nowhere")
  func framesBeyondLimitsAreCounted() throws {
    let folder = Folder()
    let short = [[UInt8](repeating: 7, count: 13)]
    let frames = Frames.udp([100, 9300]) + short + Frames.udp([9000, 20_000])
    try Frames.write(frames, to: folder.file("in"))
    let socket = folder.file("socket")
    let probe = try Probe(["--guest", "socket=\(socket);server", "--forward", "1:1"])
    probe.running.wait(for: "ready")
    let guest = try Guest(
      device: "path=\(socket)", rx: folder.file("in"), tx: folder.file("out"), folder: folder)
    probe.wait(port: 1) { $0["rx"] == 2 && $0["oversize"] == 3 }
    guest.wait(written: 2)
    guest.quit()
    let end = try #require(probe.finish().counters[1])
    #expect(end["rx"] == 2)
    #expect(end["oversize"] == 3)
    #expect(end["used"] == 0)
    #expect(try Frames.read(folder.file("out")) == [frames[0], frames[3]])
  }

  /// One ring leads nowhere: it is found and left alone, and the guest's other ring goes on.
  @Test("V-09: a ring that leads out of the memory is left alone")
  func wedgedRingIsLeftAlone() throws {
    let folder = Folder()
    let socket = folder.file("socket")
    let probe = try Probe(["--guest", "socket=\(socket);server;queues=2"])
    probe.running.wait(for: "ready")
    let guest = try Running(["/usr/bin/python3", Places.brokenGuest, socket])
    let told = guest.wait(for: "done")
    #expect(told.contains("pairs 2"))
    #expect(told.contains("taken 10"))
    let now = probe.wait(port: 1) { $0["wedged"] ?? 0 >= 3 }
    #expect(now["wedged"] ?? 0 >= 3)
    #expect(now["rx"] == 10)
    guest.finish()
    #expect(probe.finish().counters[1]?["used"] == 0)
  }
}
