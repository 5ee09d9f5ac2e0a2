import Datapath
import LockFree
import Tables
import Wire

// What becomes of packets that the engine has judged.

extension LiveWorker where IO: ~Copyable {
  /// Does what the verdict says. The slot is free afterwards.
  @unsafe @inlinable @inline(__always)
  mutating func settle(_ slot: Int, _ tables: UnsafePointer<LiveTables>) {
    switch burst[slot].verdict {
    case .forward:
      if burst[slot].state == .new || burst[slot].state == .related { noteCostly(slot) }
      if burst[slot].flags.contains(.needsFragmentation) {
        unsafe puntFragment(slot, tables)
      } else if let nic = burst[slot].output.nicIndex {
        unsafe sendToGuest(slot, nic, tables)
      } else {
        unsafe sendToUnderlay(slot, tables)
      }
    case .drop:
      noteCostly(slot)
      unsafe settleDrop(slot, tables)
    case .punt:
      noteCostly(slot)
      unsafe puntService(slot, tables)
    case .handOver: unsafe handOver(slot, tables)
    case .ignore, .pending, .reply, .consume:
      count(.ignored, 1)
      release(slot)
    }
  }

  /// The engine has counted the drop, except for packets that belong to no NIC.
  @unsafe @inlinable @inline(__always)
  mutating func settleDrop(_ slot: Int, _ tables: UnsafePointer<LiveTables>) {
    count(.dropped, 1)
    if burst[slot].nic == .none {
      shared.counters.portWord(index, Int(ports[slot]), burst[slot].reason).add(1)
    }
    if burst[slot].flags.contains(.answerTooBig) { unsafe puntTooBig(slot, tables) }
    release(slot)
  }

  // MARK: Forwarding

  /// To a guest on this host.
  @unsafe @inlinable @inline(__always)
  mutating func sendToGuest(_ slot: Int, _ nic: TableIndex, _ tables: UnsafePointer<LiveTables>) {
    guard let port = unsafe tables.pointee.port(of: nic) else {
      return dropHere(slot, nic: nic, .portDown)
    }
    send(slot, port: port, outer: 0)
  }

  /// To the next hop towards the packet's tunnel endpoint.
  @unsafe @inlinable @inline(__always)
  mutating func sendToUnderlay(_ slot: Int, _ tables: UnsafePointer<LiveTables>) {
    let endpoint = burst[slot].endpoint
    guard let nextHop = unsafe tables.pointee.nextHops[endpoint] else {
      unsafe askForNextHop(endpoint, tables)
      return dropHere(slot, nic: burst[slot].nic, .underlayNeighbor)
    }
    unsafe writeMACs(&burst[slot], nextHop, tables.pointee.uplinkMAC)
    if burst[slot].originalLength > burst[slot].length {
      // The engine saw the first buffer only, and the checksum over IPv6 covers all.
      ChecksumCompletion.completeOuter(&burst[slot], io: &io)
    }
    let outer = unsafe tables.pointee.rules.endpoints[endpoint].headerLength
    send(slot, port: 0, outer: UInt16(truncatingIfNeeded: outer))
  }

  /// Writes the outer addresses.
  @inlinable @inline(__always)
  func writeMACs(_ packet: inout Packet, _ nextHop: MACAddress, _ own: MACAddress) {
    // SAFETY: the engine put a whole Ethernet header there.
    unsafe packet.base.storeMAC(nextHop, at: 0)
    unsafe packet.base.storeMAC(own, at: 6)
  }

  /// Gives a packet to a port, which from here on counts what becomes of it.
  ///
  /// Where its headers stand is told only of a packet that is left to the device to finish.
  ///
  /// - Parameter outer: bytes of outer headers before the frame that the engine parsed.
  @inlinable @inline(__always)
  mutating func send(_ slot: Int, port: Int, outer: UInt16) {
    if burst[slot].segmentSize == 0 && !burst[slot].flags.contains(.partialChecksum) {
      // The descriptor has nothing to forget then.
      sent &+= 1
      io.send(&burst[slot], port: port, headers: HeaderOffsets(outer: outer))
    } else {
      sendUnfinished(slot, port: port, outer: outer)
    }
  }

  /// Sends a packet whose checksum or segmentation was left to the device: to this port's, or it is
  /// done here.
  @inlinable @inline(never)
  mutating func sendUnfinished(_ slot: Int, port: Int, outer: UInt16) {
    let headers = headerOffsets(slot, outer: outer)
    let offloads = io.offloads(port: port)
    if burst[slot].segmentSize > 0 {
      count(.superPackets, 1)
      if offloads.contains(Self.segmentation(headers)) {
        sent &+= 1
        io.send(&burst[slot], port: port, headers: headers)
      } else {
        let made = Segmentation.segment(
          &burst[slot], headers: headers, port: port, poolPort: Int(ports[slot]), io: &io)
        count(.segments, made)
        if made > 0 {
          sent &+= 1
        } else {
          // There was no buffer for a single segment.
          countDrop(nic: burst[slot].nic, port: Int(ports[slot]), .portFull)
        }
      }
    } else {
      if !offloads.contains(outer > 0 ? .tunnelChecksum : .checksum) {
        ChecksumCompletion.complete(&burst[slot], headers: headers, io: &io)
        burst[slot].flags.remove(.partialChecksum)
      }
      sent &+= 1
      io.send(&burst[slot], port: port, headers: headers)
    }
    resetDescriptor(slot)
  }

  /// What a port must do by itself to take a large TCP packet whole.
  @inlinable
  static func segmentation(_ headers: HeaderOffsets) -> PortOffloads {
    if headers.outer > 0 { return .tunnelSegmentation }
    return headers.isIPv6 ? .segmentation6 : .segmentation4
  }

  /// Where the headers of a packet of this burst stand now, behind `outer` bytes.
  @inlinable
  func headerOffsets(_ slot: Int, outer: UInt16) -> HeaderOffsets {
    let found = engine.headerOffsets(slot: slot &- judgedFrom)
    var headers = HeaderOffsets(
      network: found.network &+ outer, transport: found.transport &+ outer,
      payload: found.transport &+ outer &+ 8, isIPv6: found.isIPv6, isTCP: found.isTCP,
      outer: outer)
    let dataOffset = Int(headers.transport) &+ 12
    if found.isTCP && dataOffset < Int(burst[slot].length) {
      // SAFETY: the byte is inside the frame.
      let words = unsafe UnsafeRawPointer(burst[slot].base).byte(dataOffset) >> 4
      headers.payload = headers.transport &+ UInt16(words) &* 4
    }
    return headers
  }

  // MARK: Ends

  /// Drops a packet for a reason that the loop found, and counts it.
  @inlinable @inline(__always)
  mutating func dropHere(_ slot: Int, nic: TableIndex, _ reason: DropReason) {
    countDrop(nic: nic, port: Int(ports[slot]), reason)
    release(slot)
  }

  /// Gives the buffer back and makes the slot ready for another packet.
  @inlinable @inline(__always)
  mutating func release(_ slot: Int) {
    io.release(&burst[slot])
    resetDescriptor(slot)
  }

  /// Forgets what only some packets have, and ports only fill in then.
  @inlinable @inline(__always)
  func resetDescriptor(_ slot: Int) {
    burst[slot].flags = PacketFlags()
    burst[slot].segmentSize = 0
  }
}
