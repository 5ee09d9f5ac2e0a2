import Datapath
import TestPackets
import Wire

/// A TCP connection between 10.0.1.10:80 and 198.51.100.7:4000 as seen at the interface of the
/// former; the other side begins.
struct Conversation {
  static let client = "198.51.100.7"
  static let server = "10.0.1.10"
  static let rule = "http"

  /// Next sequence numbers.
  var clientNext: UInt32 = 1_000
  var serverNext: UInt32 = 9_000
  var clientPort: UInt16 = 4_000

  /// A segment of the client; `sequence` is its next number unless given.
  func fromClient(
    _ flags: UInt8, sequence: UInt32? = nil, acknowledgement: UInt32? = nil, _ payload: Int = 0
  ) -> [UInt8] {
    Compose.ipv4(
      Self.client, Self.server, protocol: 6,
      Compose.tcp(
        clientPort, 80, sequence: sequence ?? clientNext,
        acknowledgement: acknowledgement ?? (flags & Compose.tcpACK != 0 ? serverNext : 0),
        flags: flags, [UInt8](repeating: 0x61, count: payload)))
  }

  func fromServer(
    _ flags: UInt8, sequence: UInt32? = nil, acknowledgement: UInt32? = nil, _ payload: Int = 0
  ) -> [UInt8] {
    Compose.ipv4(
      Self.server, Self.client, protocol: 6,
      Compose.tcp(
        80, clientPort, sequence: sequence ?? serverNext,
        acknowledgement: acknowledgement ?? (flags & Compose.tcpACK != 0 ? clientNext : 0),
        flags: flags, [UInt8](repeating: 0x62, count: payload)))
  }

  /// Plays the handshake.
  ///
  /// - Returns: the three answers.
  mutating func open(_ engine: inout Engine) -> [Answer] {
    let first = engine.judge(fromClient(Compose.tcpSYN), .captured)
    clientNext &+= 1
    let second = engine.judge(fromServer(Compose.tcpSYN | Compose.tcpACK))
    serverNext &+= 1
    let third = engine.judge(fromClient(Compose.tcpACK), .captured)
    return [first, second, third]
  }

  /// Plays FIN and ACK of both sides, the client first.
  mutating func close(_ engine: inout Engine) -> [Answer] {
    let fin = Compose.tcpFIN | Compose.tcpACK
    let first = engine.judge(fromClient(fin), .captured)
    clientNext &+= 1
    let second = engine.judge(fromServer(fin))
    serverNext &+= 1
    let third = engine.judge(fromClient(Compose.tcpACK), .captured)
    return [first, second, third]
  }
}
