import Testing

@testable import Datapath
@testable import Tables

/// Swift aligns nothing to cache lines by itself: these sizes are what the flow table's memory
/// accesses are planned for.
@Suite struct LayoutTests {
  static let line = 64

  @Test func flowEntryIsOneLine() {
    #expect(MemoryLayout<FlowEntry>.size == Self.line)
    #expect(MemoryLayout<FlowEntry>.stride == Self.line)
  }

  @Test func bucketIsOneLine() {
    #expect(MemoryLayout<FlowTable.Bucket>.size == Self.line)
    #expect(MemoryLayout<FlowTable.Bucket>.stride == Self.line)
    // 12 tags of a byte and 12 numbers of 4 bytes.
    #expect(FlowTable.slotsPerBucket * 5 <= Self.line)
  }

  @Test func coldPartsOfConnectionStayWithinLine() {
    #expect(MemoryLayout<TCPTrack>.stride <= Self.line)
    #expect(MemoryLayout<FlowAddresses>.stride == 32)
    #expect(MemoryLayout<TCPSide>.stride == 16)
  }

  @Test func tokenBucketIsTwoWords() {
    #expect(MemoryLayout<TokenBucket>.stride == 16)
  }

  @Test func descriptorIsAtMostTwoLines() {
    #expect(MemoryLayout<Packet>.stride <= 2 * Self.line)
  }

  @Test func outerHeaderHolds80Bytes() {
    #expect(MemoryLayout<OuterHeader>.size == 80)
  }

  /// `WorkerMemory` is pages, so record 0 begins a line, and a stride of whole lines keeps every
  /// other record from crossing one.
  @Test func workerMemoryBeginsWithLine() {
    let memory = WorkerMemory<FlowEntry>(count: 3)
    defer { memory.deallocate() }
    for index in 0..<3 {
      #expect(UInt(bitPattern: memory.pointer(index)) % UInt(Self.line) == 0)
    }
  }

  /// Zeroed memory is a table without connections, so nothing is written at start.
  @Test func zeroBytesAreFreeRecords() {
    let memory = WorkerMemory<FlowEntry>(count: 1)
    defer { memory.deallocate() }
    #expect(memory[0].kind == .free)
    #expect(memory[0].flags.rawValue == 0)
  }
}
