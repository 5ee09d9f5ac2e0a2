import Datapath
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

@Suite struct TCPConnectionTests {
  static let new = Answer.forward(.new, Conversation.rule)
  static let established = Answer.forward(.established, Conversation.rule)
  static let invalid = Answer.drop(.ctInvalid)
  static let syn = Compose.tcpSYN
  static let ack = Compose.tcpACK
  static let rst = Compose.tcpRST
  static let synACK = Compose.tcpSYN | Compose.tcpACK
  static let finACK = Compose.tcpFIN | Compose.tcpACK

  private func connections(_ engine: borrowing Engine) -> Int { engine.worker.flows.count }

  @Test func `handshake, data, and the allowed answers`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    let answers = tcp.open(&engine)
    #expect(answers == [Self.new, Self.established, Self.established])
    let request = engine.judge(tcp.fromClient(Self.ack, 100), .captured)
    tcp.clientNext += 100
    let response = engine.judge(tcp.fromServer(Self.ack, 1_000))
    #expect(request == Self.established && response == Self.established)
    let count = connections(engine)
    #expect(count == 1)
  }

  @Test func `a closed connection is forgotten after its time-wait`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    _ = tcp.open(&engine)
    let answers = tcp.close(&engine)
    #expect(answers == [Self.established, Self.established, Self.established])
    engine.pass(seconds: 44.9)
    let late = engine.judge(tcp.fromServer(Self.ack))
    #expect(late == Self.established)
    engine.pass(seconds: 45.1)
    // The server's ACK would begin a connection of its own: by rule it may.
    let over = engine.judge(tcp.fromServer(Self.ack))
    #expect(over == .forward(.new, "tcp-out"))
  }

  @Test func `a SYN in time-wait begins anew`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    _ = tcp.open(&engine)
    _ = tcp.close(&engine)
    tcp.clientNext = 50_000
    tcp.serverNext = 70_000
    let answers = tcp.open(&engine)
    #expect(answers == [Self.new, Self.established, Self.established])
    let count = connections(engine)
    #expect(count == 1)
  }

  @Test func `half-open connections last 30 seconds, whatever is sent again`() throws {
    var engine = try Engine()
    let tcp = Conversation()
    let first = engine.judge(tcp.fromClient(Self.syn), .captured)
    engine.pass(seconds: 20)
    let again = engine.judge(tcp.fromClient(Self.syn), .captured)
    engine.pass(seconds: 10.1)
    let late = engine.judge(tcp.fromServer(Self.synACK, acknowledgement: 1_001))
    #expect(first == Self.new && again == Self.established)
    #expect(late == Self.invalid)
  }

  @Test func `established connections last as the interface says`() throws {
    var model = Engine.model()
    model.networkInterfaces[0].connectionTracking.tcpEstablished = 100 * Engine.second
    var engine = try Engine(model)
    var tcp = Conversation()
    _ = tcp.open(&engine)
    engine.pass(seconds: 99)
    let kept = engine.judge(tcp.fromServer(Self.ack, 10))
    engine.pass(seconds: 100.1)
    tcp.serverNext += 10
    let over = engine.judge(tcp.fromServer(Self.finACK))
    #expect(kept == Self.established && over == Self.invalid)
  }

  @Test func `a reset outside the window ends nothing`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    _ = tcp.open(&engine)
    for sequence in [tcp.clientNext &- 70_000, tcp.clientNext &+ 200_000, 1] as [UInt32] {
      let answer = engine.judge(tcp.fromClient(Self.rst, sequence: sequence), .captured)
      #expect(answer == Self.invalid)
    }
    let alive = engine.judge(tcp.fromServer(Self.ack, 10))
    #expect(alive == Self.established)
  }

  @Test func `an exact reset ends the connection after ten seconds`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    _ = tcp.open(&engine)
    let reset = engine.judge(tcp.fromClient(Self.rst | Self.ack), .captured)
    engine.pass(seconds: 10.1)
    let over = engine.judge(tcp.fromServer(Self.finACK))
    #expect(reset == Self.established && over == Self.invalid)
  }

  @Test func `a reset that answers a SYN ends it at once`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    _ = engine.judge(tcp.fromClient(Self.syn), .captured)
    tcp.clientNext += 1
    let refusal = engine.judge(tcp.fromServer(Self.rst | Self.ack, sequence: 0))
    #expect(refusal == Self.established)
    engine.pass(seconds: 10.1)
    let after = engine.judge(tcp.fromServer(Self.synACK))
    #expect(after == Self.invalid)
  }

  @Test func `segments outside the window are invalid and change nothing`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    _ = tcp.open(&engine)
    let far = engine.judge(
      tcp.fromClient(Self.ack, sequence: tcp.clientNext &+ 1_000_000, 10), .captured)
    let wrongACK = engine.judge(
      tcp.fromClient(Self.ack, acknowledgement: tcp.serverNext &+ 1_000_000, 10), .captured)
    let good = engine.judge(tcp.fromClient(Self.ack, 10), .captured)
    #expect(far == Self.invalid && wrongACK == Self.invalid && good == Self.established)
  }

  @Test func `a connection may be picked up midstream, unless the policy says no`() throws {
    for policy in Policy.Midstream.allCases {
      var model = Engine.model()
      model.policy.midstream = policy
      var engine = try Engine(model)
      let tcp = Conversation()
      let picked = engine.judge(tcp.fromClient(Self.ack, 10), .captured)
      let answer = engine.judge(tcp.fromServer(Self.ack, acknowledgement: 1_010, 10))
      if policy == .evaluate {
        #expect(picked == Self.new && answer == Self.established)
      } else {
        #expect(picked == Self.invalid && answer == Self.invalid)
      }
      for flags in [Self.synACK, Self.finACK, Self.rst, Self.rst | Self.ack] {
        var other = Conversation()
        other.clientPort = 4_001
        let odd = engine.judge(other.fromClient(flags), .captured)
        #expect(odd == Self.invalid)
      }
    }
  }

  @Test func `both sides may open at once`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    let first = engine.judge(tcp.fromClient(Self.syn), .captured)
    let second = engine.judge(tcp.fromServer(Self.syn))
    tcp.clientNext += 1
    tcp.serverNext += 1
    let third = engine.judge(
      tcp.fromClient(Self.synACK, sequence: tcp.clientNext &- 1), .captured)
    let fourth = engine.judge(tcp.fromServer(Self.synACK, sequence: tcp.serverNext &- 1))
    let data = engine.judge(tcp.fromClient(Self.ack, 10), .captured)
    #expect(first == Self.new)
    #expect([second, third, fourth, data].allSatisfy { $0 == Self.established })
  }

  @Test func `a SYN in a live connection passes, and the challenge to it too`() throws {
    var engine = try Engine()
    var tcp = Conversation()
    _ = tcp.open(&engine)
    // RFC 5961 section 4: the server answers a stray SYN with an ACK, and a real restart with RST.
    let stray = engine.judge(tcp.fromClient(Self.syn, sequence: 500_000), .captured)
    let challenge = engine.judge(tcp.fromServer(Self.ack))
    let data = engine.judge(tcp.fromClient(Self.ack, 10), .captured)
    #expect(stray == Self.established && challenge == Self.established)
    #expect(data == Self.established)
  }

  @Test(arguments: [0x00, 0x01, 0x03, 0x06, 0x29, 0x3F, 0x08] as [UInt8])
  func `impossible flags`(flags: UInt8) throws {
    var engine = try Engine()
    let answer = engine.judge(Conversation().fromClient(flags), .captured)
    #expect(answer == .drop(.ctFlags))
  }
}
