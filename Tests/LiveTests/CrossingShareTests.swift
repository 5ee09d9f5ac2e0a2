import TestPackets
import Testing
import Wire

@testable import Live

/// Guests whose packets go to the same other worker.
@Suite struct CrossingShareTests {
  private static func datagram(of data: Int) -> [UInt8] {
    LiveHost.frame(
      LiveHost.data,
      Compose.ipv4(
        "10.0.1.11", "10.0.1.20", protocol: 17, Compose.udp(UInt16(2_000 + data), 7)))
  }

  @Test("X-06: a guest that hands over more than another worker takes leaves others their share")
  func othersPass() throws {
    let host = try LiveHost(workers: 2)
    var worker = host.worker()
    var other = host.worker(1)
    // What is refused is counted, whether the ring is full or the share used up.
    for round in 0..<3 {
      let before = (host.count(.handedOver), worker.engine.dropCount(0, .workerFull))
      // Of 3,000 flows every other one is the other worker's, who takes nothing meanwhile.
      for port in 0..<3_000 {
        let frame = LiveHost.datagram(to: "10.0.1.20", from: UInt16(2_000 + port))
        host.wires.put([frame], port: LiveHost.webPort)
        if port % 64 == 0 { while worker.round() {} }
      }
      while worker.round() {}
      let crossed = host.count(.handedOver) - before.0
      let refused = worker.engine.dropCount(0, .workerFull) - before.1
      #expect(crossed == 512)
      #expect(refused > 500)
      // The neighbour's packets pass all the same, up to its share.
      for port in 0..<100 {
        host.wires.put([Self.datagram(of: 100 * round + port)], port: LiveHost.dataPort)
      }
      while worker.round() {}
      #expect(host.count(.handedOver) - before.0 > crossed + 20)
      #expect(worker.engine.dropCount(1, .workerFull) == 0)
      while other.round() {}
      while worker.round() {}
      _ = host.wires.take(port: 0)
    }
    host.expectLevel()
  }
}
