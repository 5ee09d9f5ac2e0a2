import Testing
import VPCModel
import Wire

/// Section "Connections", and what "Details" says of them.
@Suite struct ConnectionTests {
  /// A handshake between eni-a and 10.0.2.20: the sequence numbers go on at 101 and 501.
  static func handshake(_ lab: inout Lab) {
    #expect(lab.brief(sent("S", seq: 100)) == "forward new")
    #expect(lab.brief(received("SA", seq: 500, ack: 101)) == "forward established")
    #expect(lab.brief(sent("A", seq: 101, ack: 501)) == "forward established")
  }

  @Test("A rule that allows a packet in one direction lets the answers pass in the other")
  func answers() {
    var lab = Lab()
    Self.handshake(&lab)
    let verdict = lab.judge(received("PA", seq: 501, ack: 101, length: 20))
    #expect(verdict.direction == "ingress" && verdict.rule == "sg/egress/0")
    #expect(verdict.output == "eni-a" && verdict.state == "established")
  }

  @Test(
    "Impossible flag sets: ct.flags",
    arguments: ["", "SF", "SR", "F", "FPU", "SFRA", "FR", "U", "P", "RU", "SAU"])
  func impossibleFlags(_ flags: String) {
    var lab = Lab()
    Self.handshake(&lab)
    #expect(lab.brief(sent(flags, seq: 101, ack: 501)) == "drop ct.flags")
  }

  @Test(
    "Without a connection only a SYN, or a packet with ACK and without SYN, FIN and RST",
    arguments: [
      ("S", "forward new"), ("A", "forward new"), ("PA", "forward new"), ("SA", "drop ct.invalid"),
      ("FA", "drop ct.invalid"), ("R", "drop ct.invalid"), ("RA", "drop ct.invalid"),
    ])
  func beginners(_ flags: String, _ expected: String) {
    var lab = Lab()
    #expect(lab.brief(sent(flags, seq: 100, ack: 7)) == expected)
    lab = Lab { $0.policy.midstream = .drop }
    #expect(
      lab.brief(sent(flags, seq: 100, ack: 7)) == (flags == "S" ? "forward new" : "drop ct.invalid")
    )
  }

  @Test("an out-of-window RST never ends a connection: ct.invalid")
  func resets() {
    var lab = Lab()
    Self.handshake(&lab)
    #expect(lab.brief(received("R", seq: 900_000)) == "drop ct.invalid")
    #expect(lab.brief(received("R", seq: 400)) == "drop ct.invalid")
    #expect(lab.brief(sent("A", seq: 101, ack: 501)) == "forward established")
    // In the window but not exact: it passes and the connection stays.
    #expect(lab.brief(received("R", seq: 600)) == "forward established")
    #expect(lab.brief(sent("A", seq: 101, ack: 501)) == "forward established")
    #expect(lab.brief(received("R", seq: 501)) == "forward established")
    // Closed: a SYN of the side that did not send the RST is let through, and changes nothing.
    #expect(lab.brief(sent("S", seq: 9_000), at: 9_000) == "forward established")
    #expect(lab.brief(sent("S", seq: 9_000), at: 10_000) == "forward new")
  }

  @Test("an RST is window-checked in every state, closing too")
  func resetWhileClosing() {
    var lab = Lab()
    Self.handshake(&lab)
    #expect(lab.brief(sent("FA", seq: 101, ack: 501)) == "forward established")
    #expect(lab.brief(received("RA", seq: 400_000, ack: 102)) == "drop ct.invalid")
    #expect(lab.brief(received("RA", seq: 501, ack: 102)) == "forward established")
  }

  @Test("sequence and window checked as Linux conntrack does: beyond the window is ct.invalid")
  func window() {
    var lab = Lab()
    Self.handshake(&lab)
    #expect(lab.brief(received("PA", seq: 501, ack: 101, length: 1_000)) == "forward established")
    // Data of 501 + 1,000 was allowed; 2,502 begins beyond it by more than the window.
    #expect(lab.brief(received("PA", seq: 4_000, ack: 101, length: 10)) == "drop ct.invalid")
    // Acknowledges what was never sent.
    #expect(lab.brief(received("A", seq: 1_501, ack: 900)) == "drop ct.invalid")
    // An old copy passes, and changes nothing.
    #expect(lab.brief(received("PA", seq: 501, ack: 101, length: 10)) == "forward established")
  }

  @Test("CLOSED lasts 10 s; closing 60 s, time-wait 45 s; SYN sent 30 s, not renewed by its copy")
  func timeouts() {
    var lab = Lab()
    #expect(lab.brief(sent("S", seq: 100)) == "forward new")
    #expect(lab.brief(sent("S", seq: 100), at: 29_000) == "forward established")
    #expect(lab.brief(sent("S", seq: 100), at: 30_000) == "forward new")

    lab = Lab()
    Self.handshake(&lab)
    #expect(lab.brief(sent("FA", seq: 101, ack: 501)) == "forward established")
    #expect(lab.brief(received("A", seq: 501, ack: 102), at: 59_999) == "forward established")
    #expect(lab.brief(received("FA", seq: 501, ack: 102), at: 119_998) == "forward established")
    #expect(lab.brief(sent("A", seq: 102, ack: 502), at: 120_000) == "forward established")
    #expect(lab.brief(sent("A", seq: 102, ack: 502), at: 164_999) == "forward established")
    #expect(lab.brief(sent("FA", seq: 101, ack: 502), at: 209_999) == "drop ct.invalid")
  }

  @Test("established as configured")
  func establishedTimeout() {
    var lab = Lab { $0.networkInterfaces[0].connectionTracking.tcpEstablished = 60_000_000_000 }
    Self.handshake(&lab)
    #expect(lab.brief(received("A", seq: 501, ack: 101), at: 59_999) == "forward established")
    #expect(lab.brief(received("A", seq: 501, ack: 101), at: 119_999) == "drop sg.ingress")
  }

  @Test("TCP as Linux 6.1's tracker: an RST as only answer ends a connection at once")
  func refusedConnection() {
    var lab = Lab()
    #expect(lab.brief(sent("S", seq: 100)) == "forward new")
    #expect(lab.brief(received("RA", seq: 0, ack: 101)) == "forward established")
    #expect(lab.brief(sent("S", seq: 700)) == "forward new")
  }

  @Test("TCP as Linux 6.1's tracker: who closed may open anew")
  func reopen() {
    var lab = Lab()
    Self.handshake(&lab)
    #expect(lab.brief(sent("FA", seq: 101, ack: 501)) == "forward established")
    #expect(lab.brief(received("FA", seq: 501, ack: 102)) == "forward established")
    #expect(lab.brief(sent("A", seq: 102, ack: 502)) == "forward established")
    #expect(lab.brief(sent("S", seq: 70_000)) == "forward new")
    #expect(lab.brief(received("SA", seq: 9, ack: 70_001)) == "forward established")
  }

  @Test("A fragmented TCP segment turns the window check of its connection off")
  func fragmentedSegment() {
    var lab = Lab()
    Self.handshake(&lab)
    let packet = ip4(
      "10.0.1.10", "10.0.2.20", 6, tcp(4_000, 443, "A", seq: 101, ack: 501, length: 4),
      piece: Piece(offset: 0, more: true))
    #expect(lab.brief(frame(packet)) == "forward established")
    #expect(lab.brief(received("PA", seq: 900_000, ack: 5, length: 10)) == "forward established")
  }

  @Test("window scale counts only if both sides send it")
  func scale() {
    let scaling: [UInt8] = [3, 3, 4, 0]
    for answer in [scaling, []] {
      var lab = Lab()
      _ = lab.judge(sent("S", seq: 100, options: scaling))
      _ = lab.judge(received("SA", seq: 500, ack: 101, options: answer))
      _ = lab.judge(sent("A", seq: 101, ack: 501, window: 1_000))
      let far = received("PA", seq: 501 + 15_000, ack: 101, length: 10)
      #expect(lab.brief(far) == (answer.isEmpty ? "drop ct.invalid" : "forward established"))
    }
  }

  // MARK: UDP, ICMP, others

  static func datagram(out: Bool) -> [UInt8] {
    out
      ? frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(5, 6)))
      : frame(Lab.elsewhere, to: Lab.macA, ip4("10.0.2.20", "10.0.1.10", 17, udp(6, 5)))
  }

  @Test("UDP 30 s, and 180 s once there was more than one request and answer")
  func udpStream() {
    var lab = Lab()
    #expect(lab.brief(Self.datagram(out: true)) == "forward new")
    #expect(lab.brief(Self.datagram(out: false), at: 29_999) == "forward established")
    #expect(lab.brief(Self.datagram(out: false), at: 59_998) == "forward established")
    #expect(lab.brief(Self.datagram(out: true), at: 89_997) == "forward established")
    #expect(lab.brief(Self.datagram(out: false), at: 269_996) == "forward established")
    #expect(lab.brief(Self.datagram(out: false), at: 449_996) == "drop sg.ingress")
  }

  @Test("UDP stream: at least two packets each way")
  func noStream() {
    var lab = Lab()
    for _ in 0..<5 { _ = lab.judge(Self.datagram(out: true)) }
    #expect(lab.brief(Self.datagram(out: false)) == "forward established")
    #expect(lab.brief(Self.datagram(out: false), at: 30_000) == "drop sg.ingress")
  }

  static func echo(_ type: UInt8, id: Int, out: Bool) -> [UInt8] {
    out
      ? frame(ip4("10.0.1.10", "10.0.2.20", 1, icmp(type, id: id)))
      : frame(Lab.elsewhere, to: Lab.macA, ip4("10.0.2.20", "10.0.1.10", 1, icmp(type, id: id)))
  }

  @Test("ICMP echo by identifier, 30 s; an echo answer without its request is ct.invalid")
  func echoes() {
    var lab = Lab()
    #expect(lab.brief(Self.echo(0, id: 3, out: false)) == "drop ct.invalid")
    #expect(lab.brief(Self.echo(8, id: 3, out: true)) == "forward new")
    #expect(lab.brief(Self.echo(0, id: 4, out: false)) == "drop ct.invalid")
    #expect(lab.brief(Self.echo(0, id: 3, out: false), at: 29_999) == "forward established")
    // The other side's own request is another connection, and needs a rule.
    #expect(lab.brief(Self.echo(8, id: 3, out: false), at: 30_000) == "drop sg.ingress")
    #expect(lab.brief(Self.echo(0, id: 3, out: false), at: 59_999) == "drop ct.invalid")
  }

  @Test("ICMP other than echo and errors is judged by rules and creates no connection")
  func otherICMP() {
    var lab = Lab()
    #expect(lab.brief(Self.echo(13, id: 3, out: true)) == "forward none")
    #expect(lab.brief(Self.echo(13, id: 3, out: true)) == "forward none")
    #expect(lab.brief(Self.echo(14, id: 3, out: false)) == "drop sg.ingress")
  }

  @Test("Other protocols by address and protocol number, 600 s; SCTP ports count in rules")
  func others() {
    var lab = Lab()
    #expect(lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 47, bytes(8)))) == "forward new")
    let answer = frame(Lab.elsewhere, to: Lab.macA, ip4("10.0.2.20", "10.0.1.10", 47, bytes(8)))
    #expect(lab.brief(answer, at: 599_999) == "forward established")
    #expect(lab.brief(answer, at: 1_199_999) == "drop sg.ingress")
    func sctp(_ port: Int) -> [UInt8] {
      frame(
        Lab.elsewhere, to: Lab.macA,
        ip4("10.0.2.20", "10.0.1.10", 132, big16(7) + big16(port) + bytes(8)))
    }
    #expect(lab.brief(sctp(98), at: 2_000_000) == "drop sg.ingress")
    #expect(lab.brief(sctp(99), at: 2_000_000) == "forward new")
    #expect(lab.brief(sctp(98), at: 2_000_000) == "forward established")
  }

  // MARK: ICMP errors

  static func error(quoting quote: [UInt8], type: UInt8 = 3, to: String = "10.0.1.10") -> [UInt8] {
    frame(
      Lab.elsewhere, to: Lab.macA, ip4("10.0.2.77", to, 1, icmp(type, 3, id: 0, quote)))
  }

  @Test("ICMP errors pass if the packet they quote belongs to a live connection, reversed: related")
  func related() {
    var lab = Lab()
    #expect(lab.brief(Self.datagram(out: true)) == "forward new")
    let quote = ip4("10.0.1.10", "10.0.2.20", 17, udp(5, 6))
    let verdict = lab.judge(Self.error(quoting: quote))
    #expect(verdict.state == "related" && verdict.rule == "sg/egress/0")
    // Seven bytes of transport, another flow, not reversed, another destination, no error.
    #expect(lab.brief(Self.error(quoting: Array(quote.prefix(27)))) == "drop sg.ingress")
    let other = ip4("10.0.1.10", "10.0.2.20", 17, udp(5, 7))
    #expect(lab.brief(Self.error(quoting: other)) == "drop sg.ingress")
    let reversed = ip4("10.0.2.20", "10.0.1.10", 17, udp(6, 5))
    #expect(lab.brief(Self.error(quoting: reversed)) == "drop sg.ingress")
    #expect(lab.brief(Self.error(quoting: quote, to: "10.0.1.11")) == "drop sg.ingress")
    #expect(lab.brief(Self.error(quoting: quote, type: 13)) == "drop sg.ingress")
    #expect(lab.brief(Self.error(quoting: quote), at: 30_000) == "drop sg.ingress")
  }

  // MARK: Untracked flows

  static func open(_ model: inout VPCModel) {
    let all = ["0.0.0.0/0", "::/0"]
    model.securityGroups[0].ingress.insert(rule("sg/ingress/open", 6, [443...443], all), at: 0)
    model.securityGroups[0].egress = [rule("sg/egress/0", nil, [], all)]
  }

  @Test(
    "A flow is untracked when a rule is for all addresses and the other direction has one"
  )
  func untracked() {
    var lab = Lab(Self.open)
    let request = frame(
      Lab.elsewhere, to: Lab.macA, ip4("10.0.2.20", "10.0.1.10", 6, tcp(9, 443, "S")))
    #expect(lab.brief(request) == "forward untracked")
    // Packets of both directions are then untracked, and sequence checks do not apply.
    let answer = lab.judge(frame(ip4("10.0.1.10", "10.0.2.20", 6, tcp(443, 9, "FA", seq: 99))))
    #expect(answer.state == "untracked" && answer.rule == "sg/egress/0")
    let flags = frame(ip4("10.0.1.10", "10.0.2.20", 6, tcp(443, 9, "SF")))
    #expect(lab.brief(flags) == "drop ct.flags")
    // The flow out begins with a rule for all addresses, but only port 443 may come in.
    #expect(lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 6, tcp(9, 80, "S")))) == "forward new")
    #expect(lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(9, 80)))) == "forward new")
  }

  @Test("untracked: for that protocol (or all), all ports, all addresses of the family")
  func untrackedFamilies() {
    var lab = Lab { model in
      Self.open(&model)
      model.securityGroups[0].egress = [rule("sg/egress/0", nil, [], ["0.0.0.0/0"])]
    }
    let six = ip6("fd00:10:0:1::20", "fd00:10:0:1::a", next: 6, tcp(9, 443, "S"))
    #expect(lab.brief(frame(Lab.elsewhere, to: Lab.macA, six)) == "forward new")
  }
}
