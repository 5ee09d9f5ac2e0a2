import CXDP
import Datapath
import Glibc
import Live

// The uplink: AF_XDP sockets whose frames are this worker's.

extension KernelIO {
  /// Takes received frames, queue after queue, and gives the kernel empty ones.
  mutating func receiveUplink(into burst: UnsafeMutableBufferPointer<Packet>) -> Int {
    var came = 0
    for _ in 0..<socketCount where came < burst.count {
      let socket = sockets + nextSocket
      nextSocket = nextSocket &+ 1 == socketCount ? 0 : nextSocket &+ 1
      let most = UInt32(min(Self.burst, burst.count &- came))
      let count = Int(cxdp_receive(socket, descriptors, most))
      for slot in 0..<count { came &+= take(descriptors[slot], into: burst, at: came) }
      refill(socket)
      if count == 0 { cxdp_wake_receive(socket) }
    }
    return came
  }

  /// Makes a packet of a received frame; 0 for one too short to be an Ethernet frame.
  @inline(__always)
  private mutating func take(
    _ frame: xdp_desc, into burst: UnsafeMutableBufferPointer<Packet>, at slot: Int
  ) -> Int {
    counters[0].receivedPackets &+= 1
    counters[0].receivedBytes &+= UInt64(frame.len)
    counters[0].buffersInUse &+= 1
    let base = umem + Int(truncatingIfNeeded: frame.addr)
    guard frame.len >= 14 else {
      counters[0].dropsOversize &+= 1
      release(buffer: umem + Int(truncatingIfNeeded: frame.addr & ~0xFFF))
      return 0
    }
    burst[slot] = Packet(
      base: base, length: frame.len, headroom: UInt32(truncatingIfNeeded: frame.addr & 0xFFF))
    return 1
  }

  /// Gives the kernel as many empty frames as it takes and there are, in batches.
  @inline(__always)
  private mutating func refill(_ socket: UnsafeMutablePointer<cxdp_socket>) {
    let count = min(Int(cxdp_fill_room(socket)), pools[0].count, Self.burst)
    guard count >= 16 else { return }
    for slot in 0..<count { addresses[slot] = UInt64(pools[0].take()) << 12 }
    cxdp_fill(socket, addresses, UInt32(truncatingIfNeeded: count))
    cxdp_wake_receive(socket)
  }

  /// Queues a frame. One that is not in this worker's frames is copied into one that is.
  mutating func sendUplink(_ packet: inout Packet) {
    let buffer = packet.base - Int(packet.headroom)
    guard packet.length >= 14, packet.length <= uplinkFrameBytesMax else {
      counters[0].dropsOversize &+= 1
      return release(buffer: buffer)
    }
    let (worker, number) = layout.place(of: buffer)
    var base = packet.base
    if worker != index || Int(number) >= layout.frames {
      guard pools[0].count > 0 else {
        counters[0].dropsFull &+= 1
        return release(buffer: buffer)
      }
      base = take(port: 0) + PacketIOLimits.headroom
      memcpy(base, packet.base, Int(packet.length))
      release(buffer: buffer)
    }
    let address = UInt64(UInt(bitPattern: base) &- UInt(bitPattern: umem))
    transmitting[transmitCount] = xdp_desc(addr: address, len: packet.length, options: 0)
    transmitCount &+= 1
    if transmitCount == Self.burst { flushUplink() }
  }

  /// Hands queued frames to the kernel, and takes back those that were sent.
  mutating func flushUplink() {
    if unfinished > 0 { reap() }
    var done = 0
    if transmitCount > 0 {
      done = Int(cxdp_transmit(sockets, transmitting, UInt32(truncatingIfNeeded: transmitCount)))
      if done < transmitCount {
        cxdp_kick(sockets)
        reap()
        done &+= Int(
          cxdp_transmit(
            sockets, transmitting + done, UInt32(truncatingIfNeeded: transmitCount &- done)))
      }
      for slot in 0..<done { counters[0].sentBytes &+= UInt64(transmitting[slot].len) }
      counters[0].sentPackets &+= UInt64(done)
      unfinished &+= done
    }
    if unfinished > 0 { cxdp_kick(sockets) }
    for slot in done..<transmitCount {
      counters[0].dropsFull &+= 1
      giveBack(UInt32(truncatingIfNeeded: transmitting[slot].addr >> 12))
    }
    transmitCount = 0
  }

  /// Takes back frames that were sent, a bounded number.
  private mutating func reap() {
    for _ in 0..<32 {
      let count = Int(cxdp_complete(sockets, addresses, UInt32(Self.burst)))
      for slot in 0..<count { giveBack(UInt32(truncatingIfNeeded: addresses[slot] >> 12)) }
      unfinished &-= count
      if count < Self.burst { return }
    }
  }
}
