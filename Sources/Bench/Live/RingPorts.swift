import CDataplane
import Datapath
import Live
import LockFree

/// Ports of one worker that are rings to another thread: frames come by one and leave by the other.
struct RingPorts: PacketIO, ~Copyable {
  let incoming: SPSCRing<Packet>
  let outgoing: SPSCRing<Packet>
  let log: GapLog
  /// What the last poll brought.
  private var frames = 0

  init(incoming: SPSCRing<Packet>, outgoing: SPSCRing<Packet>, log: GapLog) {
    self.incoming = incoming
    self.outgoing = outgoing
    self.log = log
  }

  var portCount: Int { 2 }

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    if port == 0 { return 0 }
    log.poll(apus_tsc(), frames: frames)
    frames = incoming.pop(into: burst)
    return frames
  }

  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    // The outgoing ring holds every buffer there is, so it never refuses one.
    withUnsafeMutablePointer(to: &packet) { _ = outgoing.stage($0) }
  }

  mutating func flush() { outgoing.publish() }

  mutating func release(_ packet: inout Packet) {
    packet.length = 0
    withUnsafeMutablePointer(to: &packet) { _ = outgoing.stage($0) }
  }

  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool { false }

  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    target.copyMemory(from: packet.base + offset, byteCount: count)
  }

  func offloads(port: Int) -> PortOffloads { .isUp }

  mutating func wait(microseconds: Int) {}
}
