import Foundation
import Testing

/// Guests on vhost-user; testpmd's virtio-user is the driver.
@Suite(.serialized, .enabled(if: Places.canRun, Places.obstacle))
struct GuestTests {
  struct Ring: CustomStringConvertible, Sendable {
    var plan = ""
    var device = ""
    var description: String { "\(plan)\(device)" }
  }

  /// Frames of a guest come back to it as they were.
  @Test(arguments: [
    Ring(), Ring(device: ",mrg_rxbuf=0"), Ring(plan: ";packed", device: ",packed_vq=1"),
    Ring(plan: ";packed", device: ",packed_vq=1,mrg_rxbuf=0"), Ring(plan: ";plain"),
    Ring(device: ",in_order=0"),
  ])
  func framesComeBack(_ ring: Ring) throws {
    let folder = Folder()
    try Frames.write(Frames.mixed, to: folder.file("in"))
    let socket = folder.file("socket")
    let probe = try Probe(["--guest", "socket=\(socket);server\(ring.plan)", "--forward", "1:1"])
    probe.running.wait(for: "ready")
    let guest = try Guest(
      device: "path=\(socket)\(ring.device)", rx: folder.file("in"), tx: folder.file("out"),
      folder: folder)
    probe.wait(port: 1) { $0["tx"] == Frames.mixed.count }
    guest.wait(written: Frames.mixed.count)
    guest.quit()
    probe.wait(port: 1) { $0["offloads"] == 0 }
    let counters = try #require(probe.finish().counters[1])
    #expect(counters["rx"] == Frames.mixed.count)
    #expect(counters["used"] == 0)
    #expect(counters["offloads"] == 0, "the guest is gone")
    #expect(try Frames.read(folder.file("out")) == Frames.mixed)
  }

  @Test(arguments: [1, 2])
  func twoQueuesCarryFrames(workers: Int) throws {
    let folder = Folder()
    try Frames.write(Frames.mixed, to: folder.file("in"))
    let socket = folder.file("socket")
    let probe = try Probe(
      ["--guest", "socket=\(socket);server;queues=2", "--forward", "1:1"]
        + ["--workers", "\(workers)", "--naps"])
    probe.running.wait(for: "ready")
    // Each queue sends the whole capture.
    let guest = try Guest(
      device: "path=\(socket),queues=2", rx: folder.file("in"), tx: folder.file("out"), queues: 2,
      folder: folder)
    probe.wait(port: 1) { $0["tx"] == 2 * Frames.mixed.count }
    guest.wait(written: 2 * Frames.mixed.count)
    guest.quit()
    let counters = try #require(probe.finish().counters[1])
    #expect(counters["rx"] == 2 * Frames.mixed.count)
    #expect(counters["used"] == 0)
    let first = try Frames.read(folder.file("out"))
    let second = try Frames.read(folder.file("out.1"))
    #expect(first.count + second.count == 2 * Frames.mixed.count)
    // A worker answers on the pair of its number.
    #expect(second.isEmpty == (workers == 1))
    let expected = (Frames.mixed + Frames.mixed).map(Frames.hash).sorted()
    #expect((first + second).map(Frames.hash).sorted() == expected)
  }

  /// The data plane connects to a socket that appears later.
  @Test func clientConnectsWhenSocketAppears() throws {
    let folder = Folder()
    try Frames.write(Frames.mixed, to: folder.file("in"))
    let socket = folder.file("socket")
    let probe = try Probe(["--guest", "socket=\(socket)", "--forward", "1:1"])
    probe.running.wait(for: "ready")
    let guest = try Guest(
      device: "path=\(socket),server=1", rx: folder.file("in"), tx: folder.file("out"),
      folder: folder)
    probe.wait(port: 1) { $0["tx"] == Frames.mixed.count }
    guest.wait(written: Frames.mixed.count)
    guest.quit()
    #expect(probe.finish().counters[1]?["used"] == 0)
    #expect(try Frames.read(folder.file("out")) == Frames.mixed)
  }

  @Test func staleSocketIsTakenOver() throws {
    let folder = Folder()
    let option = "socket=\(folder.file("socket"));server"
    let killed = try Probe(["--guest", option])
    killed.running.wait(for: "ready")
    #expect(
      try Running([Places.probe, "--guest", option]).finish().status == 5, "two would listen")
    killed.running.kill()
    #expect(FileManager.default.fileExists(atPath: folder.file("socket")))
    let next = try Probe(["--guest", option])
    next.running.wait(for: "ready")
    #expect(next.finish().lines.last == "closed")
    #expect(!FileManager.default.fileExists(atPath: folder.file("socket")))
  }

  @Test("V-26: a guest is killed while its rings are served")
  func guestIsKilledTenTimes() throws {
    let folder = Folder()
    try Frames.write(Frames.mixed, to: folder.file("in"))
    let socket = folder.file("socket")
    let probe = try Probe(
      ["--guest", "socket=\(socket);server", "--forward", "1:1"], seconds: 150)
    probe.running.wait(for: "ready")
    for round in 1...10 {
      let guest = try Guest(
        device: "path=\(socket)", rx: folder.file("in"), tx: folder.file("out"), folder: folder)
      let now = probe.wait(port: 1) { $0["rx"] == round * Frames.mixed.count }
      #expect(now["rx"] == round * Frames.mixed.count)
      guest.running.kill()
      let after = probe.wait(port: 1) { $0["offloads"] == 0 }
      #expect(after["offloads"] == 0)
      #expect(after["used"] == 0)
    }
    let end = try #require(probe.finish().counters[1])
    #expect(end["rx"] == (end["tx"] ?? 0) + (end["full"] ?? 0) + (end["down"] ?? 0))
  }
}
