import Datapath
import ReferenceModel
import Tables
import VPCModel
import Wire

/// The Ethernet frames of a generated scenario with whose they are, in one block of memory.
struct ScenarioFrames {
  private struct Frame {
    var range: Range<Int>
    var originalLength: Int
    var origin: Origin
    var nic: TableIndex
    /// Since the first frame, never less than the frame before.
    var time: UInt64
  }

  private var bytes: [UInt8] = []
  private var frames: [Frame] = []
  private var span: UInt64 = 0
  private let flags: PacketFlags

  init(_ scenario: Scenario) {
    flags = scenario.options.atNIC ? [.offloaded, .atNIC] : .offloaded
    let macs = scenario.model.networkInterfaces.map(\.mac)
    let first = scenario.packets.first?.time ?? 0
    for packet in scenario.packets where packet.linkType == 1 && packet.bytes.count >= 14 {
      if packet.time > first { span = max(span, packet.time - first) }
      let (origin, nic) = Self.attribute(packet.bytes, macs, scenario.model.host)
      let range = bytes.count..<bytes.count + packet.bytes.count
      bytes += packet.bytes
      frames.append(
        Frame(
          range: range, originalLength: max(packet.originalLength, range.count), origin: origin,
          nic: nic, time: span))
    }
  }

  var count: Int { frames.count }

  /// Whose a frame is, by MAC addresses alone; a stranger's counts as the first guest's.
  private static func attribute(
    _ frame: [UInt8], _ macs: [MACAddress], _ host: Host?
  ) -> (Origin, TableIndex) {
    frame.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return (.guest, 0) }
      if let sender = macs.firstIndex(of: start.mac(6)) { return (.guest, TableIndex(sender)) }
      if let host, start.mac(0) == host.mac { return (.underlay, .none) }
      guard let receiver = macs.firstIndex(of: start.mac(0)) else { return (.guest, 0) }
      return (.captured, TableIndex(receiver))
    }
  }

  /// Has a worker judge all frames again and again, each round after the one before.
  ///
  /// - Parameter rounds: their numbers; time never goes back when they grow from call to call.
  func play(_ rounds: Range<Int>, on worker: inout CountedWorker) {
    bytes.withUnsafeBytes { all in
      for round in rounds {
        let begin = 1_000_000_000 + UInt64(round) * (span + 1_000_000)
        for frame in frames {
          worker.add(
            UnsafeRawBufferPointer(rebasing: all[frame.range]),
            originalLength: frame.originalLength, origin: frame.origin, nic: frame.nic,
            flags: flags, time: begin + frame.time)
        }
      }
    }
    worker.judge()
  }
}
