import Datapath
import TestPackets
import Testing
import Wire

/// Handshakes that meet another or an older connection on the way.
@Suite struct TCPChallengeTests {
  private static let new = TCPConnectionTests.new
  private static let established = TCPConnectionTests.established
  private static let syn = Compose.tcpSYN
  private static let ack = Compose.tcpACK
  private static let synACK = Compose.tcpSYN | Compose.tcpACK

  @Test func `both ends open at once`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    let first = engine.judge(tcp.fromClient(Self.syn), .captured)
    let second = engine.judge(tcp.fromServer(Self.syn))
    tcp.clientNext += 1
    tcp.serverNext += 1
    let third = engine.judge(
      tcp.fromClient(Self.synACK, sequence: tcp.clientNext - 1), .captured)
    let fourth = engine.judge(tcp.fromServer(Self.synACK, sequence: tcp.serverNext - 1))
    let fifth = engine.judge(tcp.fromServer(Self.ack))
    #expect(first == Self.new)
    #expect([second, third, fourth, fifth].allSatisfy { $0 == Self.established })
    // Established, as the timeout shows: 5 days, where a handshake has 30 seconds.
    engine.pass(seconds: 3_600)
    let later = engine.judge(tcp.fromServer(Self.ack))
    #expect(later == Self.established)
  }

  /// The server still has an older connection: it challenges (RFC 5961 section 4), the client
  /// resets what it does not know, and the next SYN is a new connection.
  @Test func `a challenge to a SYN passes, and the connection opens after it`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    let first = engine.judge(tcp.fromClient(Self.syn), .captured)
    let challenge = engine.judge(
      tcp.fromServer(Self.ack, sequence: 700_000, acknowledgement: 500_000))
    let reset = engine.judge(tcp.fromClient(Compose.tcpRST, sequence: 500_000), .captured)
    #expect(first == Self.new)
    #expect(challenge.verdict == .forward && reset.verdict == .forward)
    let answers = tcp.open(&engine)
    #expect(answers.allSatisfy { $0.verdict == .forward })
    let data = engine.judge(tcp.fromClient(Self.ack, 100), .captured)
    #expect(data.verdict == .forward)
    #expect(engine.worker.flows.count == 1)
  }

  /// An ACK to a SYN that came in the middle of closing (RFC 5961 section 4) is not the last one of
  /// the closing: the connection keeps the time of one that closes, 60 s, not time-wait's 45.
  @Test func `a challenge while closing does not end the closing`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    let opening = tcp.open(&engine)
    let fin = Compose.tcpFIN | Compose.tcpACK
    let first = engine.judge(tcp.fromClient(fin), .captured)
    tcp.clientNext += 1
    let second = engine.judge(tcp.fromServer(fin))
    tcp.serverNext += 1
    let stray = engine.judge(tcp.fromClient(Self.syn, sequence: 400_000), .captured)
    let challenge = engine.judge(tcp.fromServer(Self.ack))
    #expect(opening.last == Self.established)
    #expect([first, second, stray, challenge].allSatisfy { $0 == Self.established })
    engine.pass(seconds: 50)
    let last = engine.judge(tcp.fromClient(Self.ack), .captured)
    #expect(last == Self.established)
    // Now it is in time-wait.
    engine.pass(seconds: 46)
    let over = engine.judge(tcp.fromServer(Self.ack))
    #expect(over == .forward(.new, "tcp-out"))
  }
}
