import Datapath

// `@_noLocks` is checked on code that the compiler has specialised, and `LiveWorker` is generic. A
// runtime gives it a concrete type, and a function like the one below; this one has the loop itself
// checked with every release build, also where no runtime is built.

/// Ports that have nothing, take everything and give every buffer back at once.
struct IdleIO: PacketIO, ~Copyable {
  var portCount = 2

  mutating func receive(port: Int, into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    port < portCount ? 0 : burst.count
  }
  mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {}
  mutating func flush() {}
  mutating func release(_ packet: inout Packet) {}
  mutating func allocate(port: Int, capacity: Int, _ packet: inout Packet) -> Bool { false }
  mutating func copyBytes(
    of packet: borrowing Packet, from offset: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {}
  func offloads(port: Int) -> PortOffloads { .isUp }
  mutating func wait(microseconds: Int) {}
}

/// A round, as the compiler checks it: no allocation, no reference counting, no locks.
@_noLocks
func checkedRound(_ worker: inout LiveWorker<IdleIO>) -> Bool { worker.round() }
