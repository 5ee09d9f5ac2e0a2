import CXDP
import Datapath
import Glibc
import Live

// Packet sockets and taps: frames with virtio-net headers, a burst in one call.

extension KernelIO {
  /// Takes frames of a guest, queue after queue. With an empty pool nothing is read, and the frames
  /// wait in the kernel.
  mutating func receiveFrames(
    port: Int, into burst: UnsafeMutableBufferPointer<Packet>
  ) -> Int {
    let guest = framePorts + port
    var came = 0
    for _ in 0..<guest.pointee.queueCount {
      let at = guest.pointee.next
      let queue = guest.pointee.queues + at
      guest.pointee.next = at &+ 1 == guest.pointee.queueCount ? 0 : at &+ 1
      guard queue.pointee.isReady else { continue }
      let want = min(burst.count &- came, Self.burst, pools[port].count)
      if want == 0 { break }
      let count = read(queue.pointee.descriptor, port: port, want: want)
      if count < want { queue.pointee.isReady = false }
      for slot in 0..<max(count, 0) { came &+= take(slot, port: port, into: burst, at: came) }
    }
    return came
  }

  /// Reads up to `want` frames into buffers of the port's pool; the others go back to it.
  private mutating func read(_ descriptor: Int32, port: Int, want: Int) -> Int {
    for slot in 0..<want {
      let buffer = layout.buffer(pools[port].take(), worker: index)
      received[slot].buffer = buffer
      received[slot].data =
        (buffer + PacketIOLimits.headroom).assumingMemoryBound(to: UInt8.self)
      received[slot].capacity =
        UInt32(BufferLayout.guestBufferBytes &- PacketIOLimits.headroom)
    }
    let count = Int(
      framePorts[port].isTap
        ? cxdp_tap_receive(descriptor, received, Int32(want))
        : cxdp_packet_receive(descriptor, received, Int32(want)))
    var slot = want
    while slot > max(count, 0) {
      slot &-= 1
      pools[port].put(layout.place(of: received[slot].buffer).number)
    }
    if count > 0 { counters[port].buffersInUse &+= UInt64(count) }
    return count
  }

  /// Makes a packet of a frame that was read; 0 for one that was dropped.
  @inline(__always)
  private mutating func take(
    _ slot: Int, port: Int, into burst: UnsafeMutableBufferPointer<Packet>, at place: Int
  ) -> Int {
    let length = received[slot].length
    counters[port].receivedPackets &+= 1
    counters[port].receivedBytes &+= UInt64(length)
    let base = UnsafeMutableRawPointer(received[slot].data) + 0
    burst[place] = Packet(
      base: base, length: length, headroom: UInt32(PacketIOLimits.headroom))
    // Frames shorter than an Ethernet header have crashed kernels (CVE-2024-41090).
    if length >= 14 && OffloadHeader.apply(received[slot].header, to: &burst[place]) { return 1 }
    counters[port].dropsOversize &+= 1
    release(buffer: received[slot].buffer)
    return 0
  }

  /// Queues a frame for a packet socket or tap.
  mutating func sendFrame(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    let target = framePorts + port
    let buffer = packet.base - Int(packet.headroom)
    guard target.pointee.sending >= 0, offloads(port: port).contains(.isUp) else {
      counters[port].dropsDown &+= 1
      return release(buffer: buffer)
    }
    guard packet.length >= 14, packet.length <= UInt32(BufferLayout.guestFrameBytes) else {
      counters[port].dropsOversize &+= 1
      return release(buffer: buffer)
    }
    if target.pointee.frameCount == 0 {
      dirty[dirtyCount] = UInt16(truncatingIfNeeded: port)
      dirtyCount &+= 1
    }
    let frame = target.pointee.frames + target.pointee.frameCount
    frame.pointee.buffer = buffer
    frame.pointee.data = packet.base.assumingMemoryBound(to: UInt8.self)
    frame.pointee.length = packet.length
    frame.pointee.header = OffloadHeader.make(packet, headers)
    target.pointee.frameCount &+= 1
    if target.pointee.frameCount == Self.burst {
      sendQueued(port: port)
      // The port stands in `dirty` once: it was the frame count that put it there.
      removeDirty(port)
    }
  }

  private mutating func removeDirty(_ port: Int) {
    for slot in 0..<dirtyCount where Int(dirty[slot]) == port {
      dirtyCount &-= 1
      dirty[slot] = dirty[dirtyCount]
      return
    }
  }

  /// Sends a port's queued frames; the kernel has copied them when the call returns.
  mutating func sendQueued(port: Int) {
    let target = framePorts + port
    let count = target.pointee.frameCount
    target.pointee.frameCount = 0
    if target.pointee.isTap {
      cxdp_tap_send(target.pointee.sending, target.pointee.frames, Int32(count))
    } else {
      cxdp_packet_send(target.pointee.sending, target.pointee.frames, Int32(count))
    }
    for slot in 0..<count {
      let frame = target.pointee.frames + slot
      switch frame.pointee.error {
      case 0:
        counters[port].sentPackets &+= 1
        counters[port].sentBytes &+= UInt64(frame.pointee.length)
      case ENETDOWN, ENXIO, ENODEV, EIO, EBADFD: counters[port].dropsDown &+= 1
      case EMSGSIZE, EINVAL: counters[port].dropsOversize &+= 1
      default: counters[port].dropsFull &+= 1
      }
      release(buffer: frame.pointee.buffer)
    }
  }
}
