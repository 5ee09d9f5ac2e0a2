import Datapath
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

@testable import Live

/// Every packet is noted for a flow log.
@Suite struct NotesTests {
  struct Noted {
    var note: PacketNote
    var bytes: [UInt8]
  }

  static func take(_ host: LiveHost) throws -> [Noted] {
    let notes = try #require(host.shared.notes(worker: 0))
    var taken: [Noted] = []
    while let next = notes.take({ Noted(note: $0, bytes: Array($1)) }) { taken.append(next) }
    return taken
  }

  /// Those that are forwarded and those that are dropped, as they came, in order.
  @Test func packetsAreNotedAsTheyCame() throws {
    let host = try LiveHost(notedPackets: 64)
    var worker = host.worker()
    let sent = LiveHost.datagram(to: "10.0.1.20")
    let received = LiveHost.tunnel(LiveHost.fromRemote())
    host.wires.put([sent], port: LiveHost.webPort)
    host.wires.put([received, LiveHost.tunnel(LiveHost.fromRemote(), vni: 5)], port: 0)
    LiveHost.poll(&worker)
    let noted = try Self.take(host)
    // What is of no VPC is for no network interface, and so in no record.
    #expect(noted.count == 2)
    let egress = try #require(noted.first { !$0.note.isOuter })
    #expect(egress.bytes == sent && egress.note.direction == .egress && egress.note.nic == 0)
    #expect(egress.note.verdict == .forward && egress.note.output == .underlay)
    #expect(egress.note.generation == host.compiled.tables.generation && egress.note.time > 0)
    let ingress = try #require(noted.first { $0.note.isOuter })
    #expect(ingress.bytes == received && ingress.note.direction == .ingress)
    #expect(ingress.note.verdict == .forward && !ingress.note.isCut)
    host.expectLevel()
  }

  /// Somebody who looks beside changes nothing of it, and gets as much.
  @Test func tracesAndNotesGoTogether() throws {
    let host = try LiveHost(notedPackets: 64)
    var worker = host.worker()
    let observer = Observer(host, .frameBefore)
    #expect(observer.begin())
    host.wires.put(
      [LiveHost.datagram(to: "10.0.1.20"), LiveHost.datagram(to: "10.0.1.20")],
      port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(observer.take().count == 2)
    #expect(try Self.take(host).count == 2)
    host.expectLevel()
  }

  /// Long frames are cut, and a full ring refuses and counts.
  @Test func aFullRingRefuses() throws {
    let host = try LiveHost(notedPackets: 2)
    var worker = host.worker()
    let payload = [UInt8](repeating: 1, count: 600)
    let frame = LiveHost.frame(
      LiveHost.web,
      Compose.ipv4("10.0.1.10", "10.0.1.20", protocol: 17, Compose.udp(5_000, 7, payload)))
    host.wires.put([frame, frame, frame, frame, frame], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let noted = try Self.take(host)
    #expect(noted.count == 2 && host.shared.notes(worker: 0)?.overrun == 3)
    #expect(noted.allSatisfy { $0.note.isCut && $0.bytes == Array(frame.prefix(256)) })
    #expect(host.wires.take(port: 0).count == 5)
    host.wires.put([frame], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(try Self.take(host).count == 1)
    host.expectLevel()
  }

  /// What the loop cannot send is noted as dropped.
  @Test func aLossIsForeseen() throws {
    let host = try LiveHost(resolved: false, notedPackets: 8)
    var worker = host.worker()
    host.wires.put([LiveHost.datagram(to: "10.0.1.20")], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let noted = try #require(try Self.take(host).first)
    #expect(noted.note.verdict == .drop && noted.note.reason == .underlayNeighbor)
    #expect(noted.note.output == .nowhere)
  }

  @Test func withoutAFlowLogNothingIsNoted() throws {
    let host = try LiveHost()
    #expect(host.shared.notes(worker: 0) == nil)
  }
}
