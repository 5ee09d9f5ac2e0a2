import Datapath
import Glibc
import TestPackets
import Testing
import Wire

@testable import Live

/// Hostile inputs that need buffers, or two workers on threads of their own.
@Suite struct HostileWorkersTests {
  static func piece(
    _ identifier: Int, offset: Int, more: Bool, count: Int = 24, to destination: String
  ) -> [UInt8] {
    let whole = Compose.udp(5_000, 7, [UInt8](repeating: 7, count: 2_000))
    return LiveHost.frame(
      LiveHost.web,
      Compose.ipv4(
        "10.0.1.10", destination, protocol: 17, Array(whole[offset..<offset + count]),
        identifier: UInt16(truncatingIfNeeded: identifier),
        fragment: UInt16(offset / 8) | (more ? 0x2000 : 0)))
  }

  @Test("F-04: bursts of fragments that never complete keep no buffer")
  func unfinishedFragments() throws {
    let host = try LiveHost()
    var worker = host.worker()
    var total = 0
    for burst in 0..<100 {
      var frames: [[UInt8]] = []
      for number in 0..<32 {
        let identifier = burst * 32 + number
        let destination = number % 2 == 0 ? "10.0.1.20" : "10.0.1.11"
        // Firsts, orphans, overlaps and copies in one burst.
        frames.append(Self.piece(identifier, offset: 0, more: true, to: destination))
        frames.append(Self.piece(identifier + 9_000, offset: 48, more: true, to: destination))
        frames.append(
          Self.piece(
            identifier, offset: number % 3 == 0 ? 8 : 24, more: true, to: destination))
        frames.append(Self.piece(identifier, offset: 0, more: true, to: destination))
      }
      total += frames.count
      host.wires.put(frames, port: LiveHost.webPort)
      while worker.round() {}
      #expect(host.wires.buffersInUse == 0, "\(burst)")
    }
    #expect(host.count(.received) == UInt64(total))
    let left = host.wires.take(port: 0).count + host.wires.take(port: LiveHost.dataPort).count
    #expect(UInt64(left) == host.count(.sent) && host.count(.dropped) + host.count(.sent) == total)
    // Those that had no first piece, and those whose first piece found no room.
    #expect(worker.engine.dropCount(0, .fragmentOrphan) > 3_200)
    #expect(worker.engine.dropCount(0, .fragmentLimit) > 0)
    #expect(worker.engine.dropCount(0, .fragmentOverlap) > 0)
    host.expectLevel()
  }

  /// Feeds two workers on threads of their own, and waits until all is settled.
  private static func run(_ host: LiveHost, _ frames: [[UInt8]]) {
    let threads = Threads()
    let allowances = SharedAllowances(nicCapacity: LiveHost.nicCapacity)
    defer { allowances.deallocate() }
    for index in 0..<2 {
      let half = stride(from: index, to: frames.count, by: 2).map { frames[$0] }
      host.wires.put(half, port: LiveHost.webPort, worker: index)
    }
    for index in 0..<2 {
      threads.start {
        var worker = host.worker(index, sharing: allowances, among: 2)
        worker.run()
      }
    }
    let settled = RunTests.eventually {
      host.count(.received) == UInt64(frames.count)
        && host.count(.sent) + host.count(.dropped) == UInt64(frames.count)
    }
    #expect(settled)
    host.shared.stop()
    threads.join()
  }

  @Test("F-11: pieces of one datagram at two workers pass or are orphans, and none is lost")
  func piecesAtTwoWorkers() throws {
    let host = try LiveHost(workers: 2)
    var frames: [[UInt8]] = []
    for identifier in 0..<500 {
      frames.append(Self.piece(identifier, offset: 0, more: true, to: "10.0.1.20"))
      frames.append(Self.piece(identifier, offset: 24, more: true, to: "10.0.1.20"))
      frames.append(Self.piece(identifier, offset: 48, more: false, to: "10.0.1.20"))
    }
    Self.run(host, frames)
    let sent = host.wires.take(port: 0).map(\.bytes)
    // What left is what came in, and every first piece is among it.
    let came = Set(frames.map { Array($0.dropFirst(14)) })
    #expect(sent.allSatisfy { came.contains(Array($0.dropFirst(64))) })
    let firsts = sent.filter { $0[70] == 0x20 && $0[71] == 0 }
    #expect(firsts.count == 500 && sent.count <= 1_500)
    host.expectLevel()
  }

  @Test("C-08: two workers that see the same new flows make one connection of each")
  func sameFlowsAtTwoWorkers() throws {
    var model = LiveHost.model()
    // Rules that are not for everybody, so that flows are tracked; no room for one too many.
    model.securityGroups[0].ingress[0].peers = [.cidr(Compose.prefix("10.0.0.0/8"))]
    model.securityGroups[0].egress[0].peers = [.cidr(Compose.prefix("10.0.0.0/8"))]
    model.networkInterfaces[0].limits.connections = 400
    let host = try LiveHost(model, workers: 2)
    var frames: [[UInt8]] = []
    for port in UInt16(1)...400 {
      // The same datagram at both workers.
      let frame = LiveHost.datagram(to: "10.0.1.20", from: port + 2_000)
      frames += [frame, frame]
    }
    Self.run(host, frames)
    #expect(host.wires.take(port: 0).count == 800)
    #expect(host.count(.dropped) == 0 && host.count(.takenOver) == host.count(.handedOver))
    #expect(host.count(.handedOver) > 0)
    host.expectLevel()
  }
}
