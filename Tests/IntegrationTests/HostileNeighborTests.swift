import Foundation
import Testing

/// A hostile guest on one vhost-user port of Apus, while two others talk: theirs must not suffer.
@Suite(.serialized, .enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(10)))
struct HostileNeighborTests {
  private static func rings(_ names: String..., send: [String] = []) -> [[String]] {
    names.map { [$0] } + names.map { ["--ring", "rx", $0] } + send.map { [$0] }
  }

  @Test("V-02: a ring told of again and again leaves nothing behind")
  func sameAgain() async throws {
    try await HostileLab.attack([["same-again"]])
  }

  @Test("V-06: messages in the wrong order end at most their own session")
  func disorder() async throws {
    try await HostileLab.attack((0...6).map { ["--variant", "\($0)", "disorder"] })
  }

  /// A session that never gets to its end of a message holds up nobody: another guest attaches.
  @Test("V-07: half a message holds up nobody", arguments: HostileGuest.slow)
  func halfAMessage(_ mode: String) async throws {
    try await HostileLab.with { lab in
      let slow = try BackgroundProgram(
        HostileGuest.command([mode], socket: lab.socket, seconds: 60),
        log: lab.folder.url("slow"))
      try await Task.sleep(for: .seconds(2))
      let attached = try await HostileGuest.run(
        ["--mac", "02:00:00:00:00:0d", "--address", "10.0.1.13", "--count", "32", "well-behaved"],
        socket: lab.folder.path("other.sock"), seconds: 20)
      #expect(attached.status == 0, "\(attached.output)\n\(lab.apus.log)")
      let watched = try await lab.watch { try await Task.sleep(for: .seconds(3)) }
      #expect(watched.lost == 0)
      await slow.end()
    }
  }

  @Test("V-08: memory that is cut under way harms its own guest only")
  func memoryCut() async throws {
    try await HostileLab.attack([["memory-cut"], ["memory-cut"]])
  }

  @Test("V-09: buffers that lead out of the guest's memory")
  func addressesOutside() async throws {
    try await HostileLab.attack(Self.rings("address-outside"))
  }

  @Test("V-10: empty buffers outside the memory, in batches of a packed ring")
  func packedOutside() async throws {
    try await HostileLab.attack([["packed-empty-outside"]], isPacked: true)
  }

  @Test("V-11: chains that do not end")
  func loops() async throws {
    try await HostileLab.attack(
      Self.rings("loop-of-two", "loop-of-one", "next-outside", "head-outside", "zero-lengths"))
  }

  @Test("V-12: indirect tables that cannot be")
  func indirectTables() async throws {
    try await HostileLab.attack(
      Self.rings(
        "indirect-nested", "indirect-and-next", "indirect-size", "indirect-loop",
        "indirect-outside"))
  }

  @Test("V-13: the virtio header short or in pieces")
  func headers() async throws {
    try await HostileLab.attack(Self.rings("header-short", "header-split"))
  }

  @Test("V-14: headers that change while they are read")
  func flips() async throws {
    try await HostileLab.attack([["header-flips"]])
  }

  @Test("V-15: checksum and segmentation fields that cannot be")
  func offloadLies() async throws {
    try await HostileLab.attack([["offload-lies"]])
  }

  @Test("V-16: packed rings of short chains, and of flags that change while they are read")
  func packedRings() async throws {
    try await HostileLab.attack([["packed-short"], ["packed-flips"]], isPacked: true)
  }

  @Test("V-17: indices that jump or go back, rings upon rings")
  func indices() async throws {
    try await HostileLab.attack(
      Self.rings("index-jump", "index-back", send: HostileGuest.lies))
  }

  @Test("V-18: a dirty log smaller than the memory")
  func smallLog() async throws {
    try await HostileLab.attack([["log-small"]])
  }

  @Test("V-19: receive buffers too small for what comes")
  func tinyBuffers() async throws {
    try await HostileLab.attack([["tiny-buffers"]])
  }

  @Test("V-20: chains of gigabytes and frames of megabytes")
  func sizes() async throws {
    try await HostileLab.attack([["chain-over-4-gigabytes"], ["frame-too-long"]])
  }

  @Test("V-22: no chain makes the daemon allocate more")
  func memoryStays() async throws {
    try await HostileLab.with { lab in
      func strike() async throws {
        for mode in ["chain-over-4-gigabytes", "frame-too-long", "indirect-size"] {
          _ = try await HostileGuest.run(
            ["--count", "100", mode], socket: lab.socket, seconds: 1)
        }
      }
      // The first session of a guest takes what every session takes.
      try await strike()
      let before = try await lab.apus.resident()
      try await strike()
      let after = try await lab.apus.resident()
      #expect(after < before + 2048, "\(before) KiB, then \(after)")
    }
  }

  @Test("V-23: frames shorter than an Ethernet header reach nobody")
  func shortFrames() async throws {
    try await HostileLab.attack([["frame-too-short"]])
  }

  @Test("V-25: kicks without end, and events that block who signals them")
  func storms() async throws {
    try await HostileLab.attack([["kick-storm"], ["call-full"]])
  }

  @Test("X-09: who takes nothing loses at its own queue")
  func takesNothing() async throws {
    try await HostileLab.attack([["never-takes"]]) { lab in
      let refused = try await lab.apus.portDrops("eni-hostile", "port.full")
      #expect(refused > 0)
    }
  }

  @Test("X-07: what a guest does wrong is counted, not logged")
  func logStays() async throws {
    try await HostileLab.with { lab in
      func strike() async throws -> Int {
        let before = lab.apus.log.split(separator: "\n").count
        let attack = ["--count", "400", "offload-lies"]
        _ = try await HostileGuest.run(attack, socket: lab.socket, seconds: 3)
        return lab.apus.log.split(separator: "\n").count - before
      }
      // That a session came and went is told, in as many lines each time.
      let lines = [try await strike(), try await strike()]
      #expect(lines.allSatisfy { $0 < 12 }, "\(lines)\n\(lab.apus.log)")
      let wrong = try await lab.apus.portDrops("eni-hostile", "port.oversize")
      let parsed = try await lab.apus.drops("eni-hostile", "parse.truncated")
      #expect(wrong + parsed > 100)
    }
  }

  @Test("X-10: buffers that a guest holds are its own")
  func buffersAreItsOwn() async throws {
    try await HostileLab.with { lab in
      let flood = try BackgroundProgram(
        HostileGuest.command(["never-takes"], socket: lab.socket, seconds: 4),
        log: lab.folder.url("flood"))
      func inUse() async throws -> Int {
        let left = try await lab.apus.count("apus_port_buffers_in_use{port=\"eni-left\"}")
        return left + (try await lab.apus.count("apus_port_buffers_in_use{port=\"eni-right\"}"))
      }
      // A tap keeps its queue full of buffers.
      let quiet = try await inUse()
      var worst = 0
      let watched = try await lab.watch {
        for _ in 0..<10 {
          try await Task.sleep(for: .milliseconds(300))
          worst = max(worst, try await inUse())
        }
      }
      await flood.end()
      #expect(watched.lost == 0)
      #expect(worst > 0 && worst < quiet + 128, "from \(quiet)")
    }
  }
}

/// A guest's ring and the memory that rte_vhost has for it. Apart from the others: where these fail,
/// memory of the data plane is broken.
@Suite(.serialized, .enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(5)))
struct RingMemoryTests {
  @Test("V-27: a ring smaller than a burst ends its session", arguments: [true, false])
  func smallRing(hasBroker: Bool) async throws {
    try await HostileLab.with(hasBroker: hasBroker) { lab in
      // A running ring is told to have 4 entries.
      let small = try await HostileGuest.run(
        ["--variant", "5", "disorder"], socket: lab.socket, seconds: 5)
      #expect(small.status == 0)
      #expect(small.output.contains("disorder: session ended"), "\(small.output)")
      let good = try await HostileGuest.run(
        ["--count", "32", "well-behaved"], socket: lab.socket, seconds: 30)
      #expect(good.status == 0, "\(good.output)\n\(lab.apus.log)")
    }
  }

  @Test("V-28: an index that promises more than the ring has")
  func indexBeyond() async throws {
    try await HostileLab.attack([["index-beyond"], ["index-beyond"]])
  }

  @Test func aBurstThatTheRingHasRoomForArrives() async throws {
    try await HostileLab.with { lab in
      let guest = try BackgroundProgram(
        HostileGuest.command(["--count", "4000", "well-behaved"], socket: lab.socket, seconds: 20),
        log: lab.folder.url("guest"))
      try await Waiting.until(seconds: 10) {
        try await lab.apus.count("apus_port_up{port=\"eni-hostile\"}") == 1
      }
      // Nobody answers, but the neighbour's address is known from now on.
      _ = try await lab.left.exec("ping -c 1 -W 1 10.0.1.10")
      let full = try await lab.apus.portDrops("eni-hostile", "port.full")
      let came = try await lab.sentToHostile()
      // 100 frames wait in the tap, so that whole bursts are taken.
      let process = try lab.apus.process()
      kill(process, SIGSTOP)
      defer { kill(process, SIGCONT) }
      _ = try await lab.left.exec("ping -q -c 100 -l 100 -W 1 10.0.1.10")
      kill(process, SIGCONT)
      try await Waiting.until(seconds: 10) { try await lab.sentToHostile() >= came + 100 }
      #expect(try await lab.sentToHostile() >= came + 100)
      #expect(try await lab.apus.portDrops("eni-hostile", "port.full") == full)
      await guest.end()
    }
  }
}

/// Taps of DPDK tell of frames by queued signals. When the user's queue is full, maybe with those of
/// another process, the kernel sends SIGIO instead, which ends who is not ready for it.
@Suite(.enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(2)))
struct FullSignalQueueTests {
  @Test func endsNothing() async throws {
    try await HostileLab.with { lab in
      kill(try lab.apus.process(), SIGIO)
      let watched = try await lab.watch { try await Task.sleep(for: .seconds(1)) }
      #expect(watched.lost == 0)
      #expect(lab.apus.isAlive)
    }
  }
}

/// What is in the programs, whoever may run them.
@Suite struct ProgramContentTests {
  @Test("V-21: the vhost crypto device is not called by any program")
  func noCrypto() throws {
    for program in ["apusd", "apus-vhostd", "apus"] {
      let bytes = try Data(contentsOf: URL(filePath: Places.product(program)))
      #expect(bytes.range(of: Data("rte_vhost_crypto_".utf8)) == nil, "\(program)")
    }
    // The same way finds what is called.
    let apusd = try Data(contentsOf: URL(filePath: Places.product("apusd")))
    #expect(apusd.range(of: Data("rte_vhost_driver_start".utf8)) != nil)
  }
}
