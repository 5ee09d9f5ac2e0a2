import Datapath
import Foundation
import KernelPort
import Live

/// Descriptors to receive into.
final class TestBurst {
  let packets: UnsafeMutableBufferPointer<Packet>
  private let nothing = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)

  init(_ count: Int = 64) {
    packets = .allocate(capacity: count)
    for slot in 0..<count {
      (packets.baseAddress! + slot).initialize(to: Packet(base: nothing, length: 0, headroom: 0))
    }
  }

  deinit {
    packets.baseAddress?.deinitialize(count: packets.count)
    packets.deallocate()
    nothing.deallocate()
  }

  func bytes(_ slot: Int) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: packets[slot].base, count: Int(packets[slot].length)))
  }
}

extension [UInt8] {
  func word(_ offset: Int) -> Int { Int(self[offset]) << 8 | Int(self[offset + 1]) }
  /// The ports and payload of a UDP or TCP packet over IPv4 or IPv6 without options.
  var transport: Int { word(12) == 0x0800 ? 34 : 54 }
  var destinationPort: Int { word(transport + 2) }
}

/// Polls a port until a condition holds or the time is over.
func poll(
  _ io: inout KernelIO, port: Int, burst: TestBurst, seconds: Double = 5,
  until isDone: () -> Bool, _ take: (inout KernelIO, Int) -> Void
) {
  let end = Date().addingTimeInterval(seconds)
  while !isDone() && Date() < end {
    let count = io.receive(port: port, into: burst.packets)
    for slot in 0..<count { take(&io, slot) }
    io.flush()
    if count == 0 { io.wait(microseconds: 20_000) }
  }
}
