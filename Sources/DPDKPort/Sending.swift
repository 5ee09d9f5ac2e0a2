import CDPDK
import Datapath
import Live

extension DPDKIO {
  public mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    if stagedCounts[port] == 0 {
      stagedPorts[stagedPortCount] = port
      stagedPortCount += 1
    } else if stagedCounts[port] == Self.burst {
      // Stays in the list of ports: it gets the frame at once.
      transmit(port)
    }
    let frame = staged + (port * Self.burst + stagedCounts[port])
    stagedCounts[port] += 1
    frame.pointee.base = packet.base
    frame.pointee.length = packet.length
    frame.pointee.headroom = packet.headroom
    frame.pointee.segment_size = packet.segmentSize
    frame.pointee.flags = packet.flags.contains(.partialChecksum) ? 1 : 0
    if packet.segmentSize == 0 && frame.pointee.flags == 0 { return }
    frame.pointee.network = headers.network
    frame.pointee.transport = headers.transport
    frame.pointee.payload = headers.payload
    frame.pointee.outer = headers.outer
    if headers.isIPv6 { frame.pointee.flags |= UInt8(APUS_FRAME_IPV6) }
    if headers.isTCP { frame.pointee.flags |= UInt8(APUS_FRAME_TCP) }
  }

  public mutating func flush() {
    for index in 0..<stagedPortCount { transmit(stagedPorts[index]) }
    stagedPortCount = 0
  }

  /// Hands a port's frames to its device or guest; none is left.
  private mutating func transmit(_ number: Int) {
    let frames = staged + number * Self.burst
    let count = stagedCounts[number]
    stagedCounts[number] = 0
    switch ports[number].kind {
    case .absent: drop(frames, count, number)
    case .ethernet: transmitToDevice(number, frames, count)
    case .vhost: transmitToGuest(number, frames, count)
    }
  }

  private mutating func transmitToDevice(
    _ number: Int, _ frames: UnsafeMutablePointer<apus_frame>, _ count: Int
  ) {
    let port = ports + number
    if !apus_ethdev_is_up(port.pointee.device) { return drop(frames, count, number) }
    let queue = worker % port.pointee.transmitQueues
    let lock = port.pointee.locks.map { $0 + queue }
    var bytes: UInt64 = 0
    let sent = apus_ethdev_send(
      port.pointee.device, UInt16(truncatingIfNeeded: queue), port.pointee.deviceOffloads, lock,
      frames, UInt32(count), &bytes)
    settle(number, sent: Int(sent), of: count, bytes: bytes)
  }

  private mutating func transmitToGuest(
    _ number: Int, _ frames: UnsafeMutablePointer<apus_frame>, _ count: Int
  ) {
    let port = ports + number
    // The pairs whose receive ring the guest enabled, from the first on.
    let closed = ~apus_vhost_rings(port.pointee.guest) & 0x5555_5555_5555_5555
    let open = min(closed.trailingZeroBitCount / 2, port.pointee.queues)
    if open == 0 { return drop(frames, count, number) }
    var bytes: UInt64 = 0
    let sent = apus_vhost_send(
      port.pointee.guest, UInt32(worker), UInt32(worker % open), port.pointee.pool, frames,
      UInt32(count), &bytes)
    if sent < 0 {
      counters[number].dropsDown += UInt64(count)
    } else {
      settle(number, sent: Int(sent), of: count, bytes: bytes)
    }
  }

  private mutating func settle(_ number: Int, sent: Int, of count: Int, bytes: UInt64) {
    counters[number].sentPackets += UInt64(sent)
    counters[number].sentBytes += bytes
    counters[number].dropsFull += UInt64(count - sent)
  }

  private mutating func drop(
    _ frames: UnsafeMutablePointer<apus_frame>, _ count: Int, _ number: Int
  ) {
    for index in 0..<count { Self.free(frames[index]) }
    counters[number].dropsDown += UInt64(count)
  }
}
