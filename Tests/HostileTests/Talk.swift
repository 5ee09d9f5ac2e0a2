import TestPackets
import Testing
import Wire

/// A TCP connection of interface a with port 443 of the remote address; a begins.
struct Talk {
  var port: UInt16 = 4_000
  /// Next sequence numbers.
  var here: UInt32 = 1_000
  var there: UInt32 = 7_000

  func out(
    _ flags: UInt8, sequence: UInt32? = nil, acknowledgement: UInt32? = nil,
    window: UInt16 = 8_000, _ payload: [UInt8] = []
  ) -> [UInt8] {
    Compose.ipv4(
      World.addressA, World.remote, protocol: 6,
      Compose.tcp(
        port, 443, sequence: sequence ?? here,
        acknowledgement: acknowledgement ?? (flags & Compose.tcpACK != 0 ? there : 0),
        flags: flags, window: window, payload))
  }

  func back(
    _ flags: UInt8, sequence: UInt32? = nil, acknowledgement: UInt32? = nil,
    window: UInt16 = 8_000, _ payload: [UInt8] = []
  ) -> [UInt8] {
    Compose.ipv4(
      World.remote, World.addressA, protocol: 6,
      Compose.tcp(
        443, port, sequence: sequence ?? there,
        acknowledgement: acknowledgement ?? (flags & Compose.tcpACK != 0 ? here : 0),
        flags: flags, window: window, payload))
  }

  /// Plays the handshake and one byte each way.
  mutating func open(_ lab: Lab, _ location: SourceLocation = #_sourceLocation) {
    let first = lab.guest(out(Compose.tcpSYN))
    here &+= 1
    let second = lab.wire(back(Compose.tcpSYN | Compose.tcpACK))
    there &+= 1
    let third = lab.guest(out(Compose.tcpACK))
    #expect(first.brief == "forward new", sourceLocation: location)
    #expect(
      second.brief == "forward established" && third.brief == "forward established",
      sourceLocation: location)
    expectAlive(lab, location)
  }

  /// Data passes both ways.
  mutating func expectAlive(_ lab: Lab, _ location: SourceLocation = #_sourceLocation) {
    let sent = lab.guest(out(Compose.tcpACK, [1]))
    here &+= 1
    let received = lab.wire(back(Compose.tcpACK, [2]))
    there &+= 1
    #expect(
      sent.brief == "forward established" && received.brief == "forward established",
      sourceLocation: location)
  }
}
