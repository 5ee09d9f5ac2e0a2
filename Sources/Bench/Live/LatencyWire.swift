import CDataplane
import Datapath
import LockFree

/// The other end of the rings of `LatencyBenchmark`: sends frames when they are due and takes them
/// back.
struct LatencyWire {
  static let slotLength = 256
  /// Frames that one `send` can record.
  static let capacity = 8 << 20

  /// When each frame of a `send` was due, and how many ticks later it was back.
  struct Samples {
    fileprivate let due: UnsafeMutablePointer<UInt64>
    fileprivate let delay: UnsafeMutablePointer<UInt32>
    fileprivate(set) var count = 0

    /// Memory that is touched before the clock runs: page faults would be delays of our own making.
    fileprivate init() {
      due = .allocate(capacity: LatencyWire.capacity)
      due.initialize(repeating: 0, count: LatencyWire.capacity)
      delay = .allocate(capacity: LatencyWire.capacity)
      delay.initialize(repeating: 0, count: LatencyWire.capacity)
    }

    fileprivate func deallocate() {
      due.deallocate()
      delay.deallocate()
    }

    /// All delays in order.
    var delays: [UInt32] { (0..<count).map { delay[$0] }.sorted() }

    /// The delays in order, without those of frames that were under way in a gap, or until what had
    /// piled up in it was worked off: at half load that takes as long again, and half as much is
    /// added for safety. A gap while there is still something left of an earlier one adds to it.
    func delays(without gaps: [GapLog.Gap]) -> [UInt32] {
      var spans: [(start: UInt64, end: UInt64)] = []
      var busyUntil: UInt64 = 0
      for gap in gaps.sorted(by: { $0.start < $1.start }) {
        busyUntil = max(busyUntil, gap.start) + (gap.end - gap.start) * 5 / 2
        spans.append((gap.start, busyUntil))
      }
      var kept: [UInt32] = []
      kept.reserveCapacity(count)
      var next = 0
      for index in 0..<count {
        while next < spans.count, spans[next].end < due[index] { next += 1 }
        let arrival = due[index] + UInt64(delay[index])
        if next < spans.count, spans[next].start <= arrival { continue }
        kept.append(delay[index])
      }
      kept.sort()
      return kept
    }
  }

  let flows: Int
  let incoming: SPSCRing<Packet>
  let outgoing: SPSCRing<Packet>
  /// Bytes that a frame has when it comes back.
  let expectedLength: UInt32
  private(set) var samples = Samples()
  private let log: GapLog
  private let memory: UnsafeMutableRawPointer
  private let burst: UnsafeMutablePointer<Packet>
  private var free: [UInt32]
  private var random: UInt64 = 88_172_645_463_325_252

  init(
    flows: Int, incoming: SPSCRing<Packet>, outgoing: SPSCRing<Packet>, expectedLength: UInt32,
    log: GapLog
  ) {
    self.flows = flows
    self.log = log
    self.incoming = incoming
    self.outgoing = outgoing
    self.expectedLength = expectedLength
    let byteCount = LatencyBenchmark.buffers * Self.slotLength
    memory = .allocate(byteCount: byteCount, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    burst = .allocate(capacity: 64)
    free = (0..<UInt32(LatencyBenchmark.buffers - 1)).map { $0 }
  }

  func deallocate() {
    samples.deallocate()
    memory.deallocate()
    burst.deallocate()
  }

  /// Sends for a while, then waits until all is back; `samples` then tells of it.
  ///
  /// - Parameter interval: ticks between frames; 0 sends as fast as buffers come back.
  /// - Returns: frames a tick.
  mutating func send(forTicks duration: Double, interval: Double) -> Double {
    samples.count = 0
    let start = apus_tsc()
    log.begin(start)
    let end = start + UInt64(duration)
    var due = Double(start)
    var underWay = 0
    var handled = 0
    while true {
      let now = apus_tsc()
      log.poll(now, frames: handled)
      var made = 0
      while now < end, made < 32, !free.isEmpty, interval == 0 || due <= Double(now) {
        make(made, due: interval == 0 ? now : UInt64(due))
        due += interval
        made += 1
      }
      if made > 0 { _ = incoming.push(UnsafeMutableBufferPointer(start: burst, count: made)) }
      underWay += made
      let came = outgoing.pop(into: UnsafeMutableBufferPointer(start: burst, count: 64))
      let arrival = apus_tsc()
      for index in 0..<came { take(index, arrival) }
      underWay -= came
      handled = made + came
      if now >= end && underWay == 0 { break }
    }
    return Double(samples.count) / duration
  }

  private mutating func make(_ index: Int, due: UInt64) {
    guard let slot = free.popLast() else { return }
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    let base = memory + Int(slot) * Self.slotLength + PipelineBenchmark.headroom
    BenchmarkFrame.write(at: base, flow: Int(random >> 20) % flows)
    base.storeBytes(of: due, toByteOffset: 48, as: UInt64.self)
    (burst + index).initialize(
      to: Packet(
        base: base, length: UInt32(PipelineBenchmark.frameLength),
        headroom: UInt32(PipelineBenchmark.headroom)))
  }

  private mutating func take(_ index: Int, _ arrival: UInt64) {
    let start = burst[index].base - Int(burst[index].headroom)
    free.append(UInt32((start - memory) / Self.slotLength))
    // A frame that was dropped has no length, and would make the figure a lie.
    precondition(burst[index].length == expectedLength)
    guard samples.count < Self.capacity else { return }
    let due = (start + PipelineBenchmark.headroom).load(fromByteOffset: 48, as: UInt64.self)
    samples.due[samples.count] = due
    samples.delay[samples.count] = UInt32(clamping: arrival > due ? arrival - due : 0)
    samples.count += 1
  }
}
