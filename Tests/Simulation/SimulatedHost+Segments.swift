import Live
import ReferenceModel

extension SimulatedHost {
  /// Compares what a super-packet became; none of the ports cuts by itself.
  ///
  /// - Parameters:
  ///   - event: what became of the super-packet's own buffer.
  ///   - segments: what was composed before, in order.
  ///   - id: the sender, whose buffers the segments take.
  ///   - compare: what is wrong with a frame.
  func checkSegments(
    _ event: SimulatedWires.Event, _ input: SimulatedWires.Input, _ output: ReferenceOutput,
    _ segments: [SimulatedWires.Event], port: Int, of id: String,
    _ compare: (ReferenceOutput, [UInt8]) -> String?
  ) -> String? {
    expected.add(.superPackets)
    let wanted = output.segments(of: input.segmentSize) ?? []
    var sent = segments
    // When buffers run out, the rest is lost.
    let isCutShort = sent.last?.kind == .noBuffer
    if isCutShort { sent.removeLast() }
    if sent.isEmpty && (wanted.isEmpty || isCutShort) {
      return dropBehind(event, .portFull, of: id)
    }
    if event.kind != .released { return "sent whole" }
    if isCutShort ? sent.count >= wanted.count : sent.count != wanted.count {
      return "\(sent.count) segments, not \(wanted.count)"
    }
    for (index, segment) in sent.enumerated() {
      if segment.kind != .sent(port: port) { return "segment \(index): \(segment.kind)" }
      if segment.isPartial { return "the checksum of segment \(index) is left open" }
      if let text = compare(wanted[index], segment.bytes) { return "segment \(index): \(text)" }
    }
    expected.add(.sent)
    expected.add(.segments, sent.count)
    return nil
  }
}
