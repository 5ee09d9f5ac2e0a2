import Datapath
import Live
import SlowPath
import TableCompiler
import Testing
import VPCModel
import Wire

@testable import Daemon

@Suite struct ServiceDeskTests {
  private struct Sent {
    var answer: Answer
    var frame: [UInt8]
  }

  private func serve(_ punt: Punt, _ frame: [UInt8]) throws -> [Sent] {
    var desk = ServiceDesk(try TableCompiler.compile(try Fixture.model()))
    var sent: [Sent] = []
    frame.withUnsafeBytes { bytes in
      desk.serve(punt, bytes) { answer, frame in
        sent.append(Sent(answer: answer, frame: [UInt8](frame)))
      }
    }
    return sent
  }

  private func punt(_ kind: PuntKind, _ service: Service = .none, mtu: UInt32 = 0) -> Punt {
    var punt = Punt(kind)
    punt.service = service
    punt.nic = 0
    punt.mtu = mtu
    punt.endpoint = 5
    punt.vni = 6
    punt.entropyPort = 7
    punt.generation = 8
    return punt
  }

  @Test func questionsAreAnswered() throws {
    let sent = try serve(punt(.service, .arp), Fixture.question(for: IPAddress(v4: 0x0A00_0001)))
    #expect(sent.count == 1)
    #expect(sent[0].answer.kind == .reply)
    #expect(sent[0].answer.nic == 0)
    #expect(sent[0].answer.generation == 8)
    let reply = sent[0].frame.withUnsafeBytes { bytes in
      EthernetView(FrameBytes(bytes)).flatMap { ARPView($0.payload) }.flatMap { ARPMessage($0) }
    }
    #expect(reply?.operation == .reply)
    #expect(reply?.senderHardware == .router)
  }

  @Test func announcementsAreTaken() throws {
    let sent = try serve(punt(.service, .arp), Fixture.question(for: IPAddress(v4: 0x0A00_000A)))
    #expect(sent.map(\.answer.kind) == [.consume])
  }

  @Test func whatHasNoAnswerIsDroppedWithItsReason() throws {
    var frame = Fixture.question(for: IPAddress(v4: 0x0A00_0001))
    frame[11] = 0x99
    let sent = try serve(punt(.service, .arp), frame)
    #expect(sent.map(\.answer.kind) == [.drop])
    #expect(sent.map(\.answer.reason) == [.spoofMAC])
  }

  @Test(arguments: [Service.arp, .neighborDiscovery, .dhcp4, .dhcp6, .none])
  func everyMessageGetsOneAnswer(_ service: Service) throws {
    for length in 0..<60 {
      let frame = [UInt8](Fixture.datagram(payload: 40)[..<length])
      #expect(try serve(punt(.service, service), frame).count == 1)
    }
    var stranger = punt(.service, service)
    stranger.nic = 2
    #expect(try serve(stranger, []).map(\.answer.reason) == [.eniNone])
  }

  @Test func senderLearnsThePathsSize() throws {
    let sent = try serve(
      punt(.tooBig, mtu: 1450), Fixture.datagram(payload: 1460, dontFragment: true))
    #expect(sent.map(\.answer.kind) == [.frame])
    // Fragmentation needed, from the subnet's router, with the MTU (RFC 1191 section 4).
    #expect(sent[0].frame[26..<30] == [10, 0, 0, 1])
    #expect(sent[0].frame[34..<42] == [3, 4] + sent[0].frame[36..<38] + [0, 0, 5, 0xAA])
    #expect(try serve(punt(.tooBig, mtu: 1450), [1, 2, 3]).isEmpty)
  }

  @Test func packetsAreCut() throws {
    let sent = try serve(punt(.fragment, mtu: 1450), Fixture.datagram(payload: 4000))
    #expect(sent.count == 3)
    #expect(sent.allSatisfy { $0.answer.kind == .encapsulate && $0.frame.count <= 14 + 1450 })
    #expect(
      sent.allSatisfy { ($0.answer.endpoint, $0.answer.vni, $0.answer.entropyPort) == (5, 6, 7) })
    #expect(sent.reduce(0) { $0 + $1.frame.count - 34 } == 4008)
  }

  @Test func whatCannotBeCutIsDropped() throws {
    let sent = try serve(
      punt(.fragment, mtu: 1450), Fixture.datagram(payload: 4000, dontFragment: true))
    #expect(sent.map(\.answer.kind) == [.drop])
    #expect(sent.map(\.answer.reason) == [.mtuExceeded])
  }

  /// The caller leaves room for so many answers.
  @Test func piecesOfTheLargestFrameHaveRoom() throws {
    let largest = SlowPathSizes().frame
    let sent = try serve(punt(.fragment, mtu: 526), Fixture.datagram(payload: largest - 42))
    #expect(sent.count > 10 && sent.count <= ServiceDesk.answersPerPunt)
  }
}
