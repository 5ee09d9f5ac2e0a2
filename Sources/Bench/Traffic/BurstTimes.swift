/// How long the engine took for each burst of a run, and how many packets were in it.
struct BurstTimes {
  private var cycles: [UInt32] = []
  private var packets: [UInt8] = []
  private(set) var totalCycles: UInt64 = 0
  private(set) var totalPackets = 0

  init(bursts: Int) {
    cycles.reserveCapacity(bursts)
    packets.reserveCapacity(bursts)
  }

  mutating func add(cycles: UInt64, packets: Int) {
    self.cycles.append(UInt32(clamping: cycles))
    self.packets.append(UInt8(packets))
    totalCycles += cycles
    totalPackets += packets
  }

  /// The part of the bursts that took more cycles than that, from 0 to 1.
  func share(over limit: UInt32) -> Double {
    cycles.isEmpty ? 0 : Double(cycles.count { $0 > limit }) / Double(cycles.count)
  }

  /// The cycles within which parts of the packets were judged, from the begin of their burst to its
  /// end.
  ///
  /// - Parameter parts: each from 0 to 1.
  func percentiles(_ parts: [Double]) -> [UInt32] {
    let order = cycles.indices.sorted { cycles[$0] < cycles[$1] }
    return parts.map { part in
      let rank = Int((Double(totalPackets) * part).rounded(.up))
      var seen = 0
      for index in order {
        seen += Int(packets[index])
        if seen >= rank { return cycles[index] }
      }
      return 0
    }
  }
}
