import CDPDK
import Datapath
import Live

/// Frames of a round that wait for `flush`, of one port.
struct Staging {
  var count = 0
  /// Of all frames.
  var bytes: UInt64 = 0
  /// No frame is in several buffers, or leaves something to the device.
  var isPlain = true
}

extension DPDKIO {
  @inline(__always)
  public mutating func send(_ packet: inout Packet, port: Int, headers: HeaderOffsets) {
    if stagings[port].count == 0 {
      stagedPorts[stagedPortCount] = port
      stagedPortCount &+= 1
    } else if stagings[port].count == Self.burst {
      // Stays in the list of ports: it gets the frame at once.
      transmit(port)
    }
    guard let mbuf = apus_mbuf_of(packet.base, packet.length, packet.headroom) else { return }
    staged[port &* Self.burst &+ stagings[port].count] = mbuf
    stagings[port].count &+= 1
    stagings[port].bytes &+= UInt64(mbuf.pointee.total)
    if packet.originalLength != packet.length { stagings[port].isPlain = false }
    if packet.segmentSize != 0 || packet.flags.contains(.partialChecksum) {
      request(mbuf, packet, port: port, headers)
    }
  }

  /// Asks the device for what is left to do of a frame.
  @inline(never)
  private mutating func request(
    _ mbuf: UnsafeMutablePointer<apus_mbuf>, _ packet: borrowing Packet, port: Int,
    _ headers: HeaderOffsets
  ) {
    stagings[port].isPlain = false
    var offload = apus_offload(
      network: headers.network, transport: headers.transport, payload: headers.payload,
      outer: headers.outer, segment_size: packet.segmentSize, is_ipv6: headers.isIPv6,
      is_tcp: headers.isTCP)
    apus_mbuf_request(mbuf, &offload)
  }

  public mutating func flush() {
    for index in 0..<stagedPortCount { transmit(stagedPorts[index]) }
    stagedPortCount = 0
  }

  /// Hands a port's frames to its device or guest; none is left.
  @inline(never)
  private mutating func transmit(_ number: Int) {
    let frames = staged + number * Self.burst
    let staging = stagings[number]
    stagings[number] = Staging()
    switch ports[number].kind {
    case .absent: drop(frames, staging, number)
    case .ethernet: transmitToDevice(number, frames, staging)
    case .vhost: transmitToGuest(number, frames, staging)
    }
  }

  private mutating func transmitToDevice(
    _ number: Int, _ frames: UnsafeMutablePointer<UnsafeMutablePointer<apus_mbuf>?>,
    _ staging: Staging
  ) {
    let port = ports + number
    if !apus_ethdev_is_up(port.pointee.device) { return drop(frames, staging, number) }
    let queue = worker % port.pointee.transmitQueues
    let lock = port.pointee.locks.map { $0 + queue }
    var unsent: UInt64 = 0
    let sent = apus_ethdev_send(
      port.pointee.device, UInt16(truncatingIfNeeded: queue), port.pointee.deviceOffloads, lock,
      frames, UInt32(staging.count), staging.isPlain, &unsent)
    settle(number, sent: Int(sent), of: staging, unsent: unsent)
  }

  private mutating func transmitToGuest(
    _ number: Int, _ frames: UnsafeMutablePointer<UnsafeMutablePointer<apus_mbuf>?>,
    _ staging: Staging
  ) {
    let port = ports + number
    // The pairs whose receive ring the guest enabled, from the first on.
    let closed = ~apus_vhost_rings(port.pointee.guest) & 0x5555_5555_5555_5555
    let open = min(closed.trailingZeroBitCount / 2, port.pointee.queues)
    if open == 0 { return drop(frames, staging, number) }
    var unsent: UInt64 = 0
    let sent = apus_vhost_send(
      port.pointee.guest, UInt32(worker), UInt32(worker % open), port.pointee.pool, frames,
      UInt32(staging.count), staging.isPlain, &unsent)
    if sent < 0 {
      counters[number].dropsDown += UInt64(staging.count)
    } else {
      settle(number, sent: Int(sent), of: staging, unsent: unsent)
    }
  }

  private mutating func settle(_ number: Int, sent: Int, of staging: Staging, unsent: UInt64) {
    counters[number].sentPackets += UInt64(sent)
    counters[number].sentBytes &+= staging.bytes &- unsent
    counters[number].dropsFull += UInt64(staging.count - sent)
  }

  private mutating func drop(
    _ frames: UnsafeMutablePointer<UnsafeMutablePointer<apus_mbuf>?>, _ staging: Staging,
    _ number: Int
  ) {
    apus_mbufs_free(frames, UInt32(staging.count))
    counters[number].dropsDown += UInt64(staging.count)
  }
}
