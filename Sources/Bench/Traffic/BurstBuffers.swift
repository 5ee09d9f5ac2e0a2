import Datapath
import Replay

/// The frames of one burst of a tape, in memory that is written anew for every burst.
///
/// Frames stand one behind the other, as they do in a replay.
final class BurstBuffers {
  static let capacity = 32

  private let tape: CaptureTape
  private let memory: UnsafeMutableRawPointer
  private let descriptors: UnsafeMutablePointer<Packet>
  private(set) var count = 0

  init(_ tape: CaptureTape) {
    self.tape = tape
    let slot = CaptureTape.headroom + tape.longestFrame + 64
    memory = .allocate(byteCount: Self.capacity * slot, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.capacity * slot)
    descriptors = .allocate(capacity: Self.capacity)
  }

  deinit {
    memory.deallocate()
    descriptors.deallocate()
  }

  /// Makes the burst that begins with a frame of the tape.
  ///
  /// - Parameter first: below the number of frames.
  func fill(from first: Int) {
    count = min(Self.capacity, tape.frames.count - first)
    var used = 0
    for index in 0..<count {
      let packet = tape.copy(first + index, to: memory + used + CaptureTape.headroom)
      used += (CaptureTape.headroom + Int(packet.length) + 63) & ~63
      (descriptors + index).initialize(to: packet)
    }
  }

  /// The burst, less some packets at its end.
  func packets(without omitted: Int = 0) -> UnsafeMutableBufferPointer<Packet> {
    UnsafeMutableBufferPointer(start: descriptors, count: max(0, count - omitted))
  }
}
