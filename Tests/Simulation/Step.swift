import VPCModel
import Wire

/// One thing that happens to a simulated host.
public enum Step: Sendable {
  /// Time passes, in nanoseconds.
  case advance(UInt64)
  /// A frame comes to the port of a network interface, or of the uplink without one; to the queue of
  /// this worker, modulo the workers. Its checksum may be left to the host.
  case frame([UInt8], from: String?, worker: Int, isPartial: Bool)
  /// A guest's TCP frame of which its device shall make packets with this many bytes of payload.
  case superFrame([UInt8], from: String, worker: Int, segmentSize: Int)
  /// One round of a worker, modulo the workers.
  case round(Int)
  /// The service thread answers what workers left to it.
  case serve
  /// Rounds and answers until nothing is left.
  case settle
  /// Another model is published; the worker that passes first, modulo the workers.
  case push(VPCModel, cuts: Bool, first: Int)
  /// The port of a network interface comes or goes; without one, a port that is no interface's.
  case port(String, isThere: Bool)
  /// The output rings of a port: what they hold, and what their device takes at each flush.
  case ring(String?, room: Int, drain: Int)
  /// Buffers of the host.
  case buffers(Int)
  /// Whether the next hop of a tunnel endpoint is known.
  case nextHop(IPAddress, isKnown: Bool)
  /// The data plane ends and comes back; connections begin anew.
  case restart
  /// The reference forgets its connections, and the host does not: for tests of the simulation.
  case lie
}

extension Step: CustomStringConvertible {
  public var description: String {
    switch self {
    case .advance(let time): "advance \(time) ns"
    case .frame(let bytes, let from, let worker, let isPartial):
      "frame of \(bytes.count) bytes from \(from ?? "the underlay"), worker \(worker)"
        + (isPartial ? ", partial checksum" : "") + ": "
        + bytes.prefix(120).map { Self.hexadecimal($0) }.joined()
    case .superFrame(let bytes, let from, let worker, let size):
      "frame of \(bytes.count) bytes from \(from), worker \(worker), in segments of \(size): "
        + bytes.prefix(120).map { Self.hexadecimal($0) }.joined()
    case .round(let worker): "round of worker \(worker)"
    case .serve: "serve"
    case .settle: "settle"
    case .push(_, let cuts, let first):
      "push, \(cuts ? "cut" : "keep"), worker \(first) first"
    case .port(let id, let isThere): "port of \(id) \(isThere ? "comes" : "goes")"
    case .ring(let id, let room, let drain):
      "ring of \(id ?? "the uplink"): room \(room), drain \(drain)"
    case .buffers(let count): "buffers \(count)"
    case .nextHop(let address, let isKnown): "next hop to \(address): \(isKnown)"
    case .restart: "restart"
    case .lie: "lie"
    }
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return byte < 16 ? "0" + text : text
  }
}

/// What a simulation found that should not be.
public struct Difference: Error, CustomStringConvertible {
  /// Index of the step.
  public var step: Int
  public var text: String

  public var description: String { "step \(step): \(text)" }
}
