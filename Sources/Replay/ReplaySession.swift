import CapturePort
import Datapath
import Explanation
import Glibc
import SlowPath
import TableCompiler
import Tables
import VPCModel
import Wire

/// One replay: reads captures, has the engine judge them in bursts, and writes what was asked for.
///
/// Packets are judged strictly in order, so the same input gives the same bytes of output
/// everywhere; only the wall-clock figures of the summary differ.
struct ReplaySession: ~Copyable {
  static let entryCapacity = 64
  static let progressInterval: UInt64 = 1 << 16

  let options: ReplayOptions
  let compiled: CompiledTables
  let names: VerdictNames
  let model: VPCModel
  let routers: [RouterAddresses]
  var responder: ServiceResponder
  let attributor: Attributor
  var normaliser: FrameNormaliser
  var worker: Worker
  var counters: Counters
  var outputs: ReplayOutputs

  let packets: UnsafeMutablePointer<Packet>
  var packetCount = 0
  let entries: UnsafeMutablePointer<BurstEntry>
  var entryCount = 0
  var answer: [UInt8] = []

  /// Capture time: the maximum of all timestamps so far.
  var now: UInt64 = 0
  var file = 0
  /// Frame number in the current file.
  var number: UInt64 = 0
  /// Each burst is one packet, and lines are flushed when the input pauses.
  var isLive = false
  var warnings: [String] = []
  var explanations: [String] = []
  /// Frame numbers still to be explained in the current file.
  var explained: Set<UInt64> = []
  var defect: String?
  /// Every outcome, in the order of the records, for a comparison; nil otherwise.
  var outcomes: [Outcome]?
  var observer: (any ReplayObserver)?
  /// The capture time from which on the observer wants a sample; never without one.
  var nextSample = UInt64.max

  init(model: VPCModel, compiled: CompiledTables, options: ReplayOptions) throws(ReplayError) {
    let preferred = try options.preferredInterface(in: model)
    let names = VerdictNames(nicIDs: compiled.nicIDs, ruleNames: compiled.ruleNames)
    outputs = try ReplayOutputs(model: model, names: names, options: options)
    self.names = names
    self.options = options
    self.model = model
    self.compiled = compiled
    routers = RouterAddresses.ofInterfaces(model)
    responder = ServiceResponder(model: model)
    attributor = Attributor(model: model, preferred: preferred, atNIC: options.atNIC)
    normaliser = FrameNormaliser(atNIC: options.atNIC, hostMAC: model.host?.mac)
    worker = makeWorker(compiled.tables)
    counters = Counters(ruleCount: compiled.ruleNames.count)
    packets = .allocate(capacity: FrameNormaliser.burstCapacity)
    entries = .allocate(capacity: Self.entryCapacity)
  }

  deinit {
    packets.deallocate()
    entries.deallocate()
  }

  /// Reads one capture to its end.
  mutating func read(
    _ index: Int, progress: (UInt64, Double?) -> Void
  ) throws(ReplayError) {
    begin(index)
    var reader: CaptureReader
    do { reader = try CaptureReader(path: options.captures[index], filter: options.filter) } catch {
      throw .capture(error)
    }
    var record = CaptureRecord()
    var accepted: UInt64 = 0
    while reader.next(&record) {
      accepted += 1
      judge(record, number: accepted + reader.packetsPassedOver)
      if counters.packets & (Self.progressInterval - 1) < UInt64(Self.entryCapacity) {
        if outputs.haveFailed { break }
        progress(counters.packets, reader.fractionRead)
      }
    }
    end(warning: reader.warning)
  }

  /// Turns to another capture.
  mutating func begin(_ index: Int) {
    file = index
    number = 0
    let path = options.captures[index]
    isLive = path == "-"
    explained = Set(
      options.explain.filter { $0.file == nil ? index == 0 : $0.file == path }.map(\.packet))
  }

  /// Judges a record, at the latest with the next `finishBurst`.
  ///
  /// - Parameter number: of the frame in its file, from 1.
  @inline(__always)
  mutating func judge(_ record: borrowing CaptureRecord, number: UInt64) {
    self.number = number
    take(record)
  }

  /// Completes the capture.
  ///
  /// - Parameter warning: the reader's.
  mutating func end(warning: String?) {
    finishBurst()
    let path = options.captures[file]
    if let warning { warnings.append("\(path): \(warning)") }
    for packet in explained.sorted() {
      warnings.append("\(path): has no packet \(packet) to explain; it ends with \(number)")
    }
  }

  /// Attributes a record and adds it to the burst.
  @inline(__always)
  private mutating func take(_ record: borrowing CaptureRecord) {
    if record.time > now {
      now = record.time
      if now >= nextSample { sample() }
    }
    let isExplained = !explained.isEmpty && explained.remove(number) != nil
    if isExplained { finishBurst() }
    var entry = BurstEntry(
      number: number, time: record.time, bytes: UInt32(clamping: record.originalLength))
    var endsBurst = isExplained || isLive
    let link = LinkLayer(
      linkType: record.linkType, bytes: record.bytes, captured: record.capturedLength)
    if let link {
      let attribution = attributor.attribute(link, record.bytes, record.capturedLength)
      if attribution != .ignore {
        let place = packets + packetCount
        place.initialize(to: normaliser.place(record, link, attribution, attributor))
        place.pointee.time = now
        if isExplained { place.pointee.flags.insert(.traced) }
        entry.packet = Int32(packetCount)
        packetCount += 1
        outputs.remember(place.pointee, of: &entry)
        if place.pointee.origin == .guest && mayBeService(place.pointee) { endsBurst = true }
      }
    }
    if entry.packet < 0 { outputs.remember(ignored: record, link) }
    entry.isExplained = isExplained
    outputs.remember(record, of: &entry)
    (entries + entryCount).initialize(to: entry)
    entryCount += 1
    if endsBurst || packetCount == FrameNormaliser.burstCapacity
      || entryCount == Self.entryCapacity
    {
      finishBurst()
    }
    if isLive && !Self.inputIsWaiting() { outputs.flush() }
  }

  /// Whether a guest's frame could be for a service. Such a packet ends its burst, because the
  /// service's answer is charged after the burst and before the next packet is judged.
  @inline(__always)
  private func mayBeService(_ packet: borrowing Packet) -> Bool {
    guard packet.length >= 14 else { return false }
    let frame = UnsafeRawPointer(packet.base)
    switch frame.big16(12) {
    case EtherType.ipv4:
      guard packet.length >= 38 else { return false }
      let ports = 14 + Int(frame.byte(14) & 15) * 4
      guard Int(packet.length) >= ports + 4 else { return false }
      return frame.byte(23) == 17 && frame.big16(ports + 2) == 67
    case EtherType.ipv6:
      guard packet.length >= 58 else { return false }
      let next = frame.byte(20)
      return next == 58 ? frame.byte(54) >= 133 : next != 6
    case EtherType.arp: return true
    default: return false
    }
  }

  /// Whether standard input has more to read right now.
  static func inputIsWaiting() -> Bool {
    var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    return poll(&descriptor, 1, 0) > 0
  }

  /// Has the engine judge the burst, and settles its packets in order.
  mutating func finishBurst() {
    if entryCount == 0 { return }
    if packetCount > 0 {
      worker.process(
        UnsafeMutableBufferPointer(start: packets, count: packetCount), compiled.tables)
    }
    for index in 0..<entryCount { settle(entries[index]) }
    entryCount = 0
    packetCount = 0
    normaliser.startBurst()
    outputs.startBurst()
  }
}

extension CaptureReader {
  /// How much of the file was read, from 0 to 1; nil when its size is not known.
  var fractionRead: Double? {
    byteCount.map { $0 == 0 ? 1 : min(1, Double(bytesRead) / Double($0)) }
  }
}
