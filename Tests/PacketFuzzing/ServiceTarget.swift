import FuzzSupport
import SlowPath
import TunnelFuzzing
import VPCModel
import Wire

extension FuzzTarget {
  /// Frames to ARP, neighbour discovery, DHCPv4 and DHCPv6, ICMP's "too big" and the fragmenter:
  /// nothing stops, an answer comes with `reply` only, and pieces are the packet's.
  public static let services = FuzzTarget("services", maximumLength: 600) {
    let target = ServiceTarget()
    return target.run
  }
}

final class ServiceTarget {
  private let model = FuzzedModel.tracked()
  private let responder: ServiceResponder

  init() { responder = ServiceResponder(model: model) }

  func run(_ input: UnsafeRawBufferPointer) -> String? {
    var reader = ByteReader(input)
    let control = reader.byte()
    let frame = ExactBytes(reader.rest())
    let kind = ServiceKind.allCases[Int(control & 3)]
    var answer: [UInt8] = []
    switch control >> 2 & 3 {
    case 0, 1:
      let outcome = responder.respond(
        kind, to: frame.buffer, from: Int(control >> 6), atNIC: control & 4 != 0, into: &answer)
      return (outcome == .reply) == !answer.isEmpty ? nil : "\(outcome), \(answer.count) bytes"
    case 2:
      let isAnswered = TooBig.answer(
        to: frame.buffer, mtu: 1_450, routerV4: IPAddress(v4: 0x0A00_0101),
        routerV6: IPAddress(v6: 0xFE80 << 48, 1), into: &answer)
      return isAnswered == !answer.isEmpty ? nil : "too big, \(answer.count) bytes"
    default: return fragment(frame.buffer, mtu: 68 + Int(control >> 4) * 8)
    }
  }

  private func fragment(_ frame: UnsafeRawBufferPointer, mtu: Int) -> String? {
    var payload = 0
    var fault: String?
    let isCut = Fragmenter.fragment(frame, mtu: mtu) { piece in
      if piece.count > 14 + mtu { fault = "a piece of \(piece.count) bytes" }
      payload += piece.count - 14 - Int(piece[14] & 15) * 4
    }
    if isCut && payload > frame.count - 34 { fault = "\(payload) bytes of \(frame.count)" }
    return fault
  }
}
