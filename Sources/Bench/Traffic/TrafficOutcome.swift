import Datapath
import Wire

/// What became of the packets of one pass over a tape: counts, and a digest of every verdict and
/// of the frames as they came out.
struct TrafficOutcome: Equatable {
  private(set) var forwarded = 0
  private(set) var dropped = 0
  /// Left to the slow path, which answers ARP, neighbour discovery and DHCP.
  private(set) var punted = 0
  private(set) var digest: UInt64 = 0
  /// Entries of the flow table at once, at most, as seen after each burst.
  var entries = 0
  /// What the engine did not judge as it must.
  private(set) var firstWrong: String?

  var packets: Int { forwarded + dropped + punted }

  /// Looks at a burst that was judged.
  mutating func add(_ packets: UnsafeMutableBufferPointer<Packet>) {
    for index in packets.indices {
      switch packets[index].verdict {
      case .forward: forwarded += 1
      case .drop: dropped += 1
      case .punt: punted += 1
      default:
        if firstWrong == nil { firstWrong = "a packet's verdict is \(packets[index].verdict)" }
      }
      mix(UInt64(packets[index].verdict.rawValue) << 8 | UInt64(packets[index].reason.rawValue))
      mix(UInt64(packets[index].rule) << 32 | UInt64(packets[index].length))
      if packets[index].length >= 16 {
        let base = UnsafeRawPointer(packets[index].base)
        mix(base.loadUnaligned(as: UInt64.self))
        mix(base.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      }
    }
  }

  private mutating func mix(_ word: UInt64) {
    let product = (digest ^ word ^ 0xD6E8_FEB8_6659_FD93)
      .multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    digest = product.high ^ product.low
  }
}
