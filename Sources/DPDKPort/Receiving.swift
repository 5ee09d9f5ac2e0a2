import CDPDK
import Datapath
import Live

extension DPDKIO {
  public mutating func receive(
    port: Int, into burst: UnsafeMutableBufferPointer<Packet>
  ) -> Int {
    switch ports[port].kind {
    case .absent: return 0
    case .ethernet: return receiveFromDevice(port, into: burst)
    case .vhost: return receiveFromGuest(port, into: burst)
    }
  }

  private mutating func receiveFromDevice(
    _ number: Int, into burst: UnsafeMutableBufferPointer<Packet>
  ) -> Int {
    let port = ports[number]
    var filled = 0
    var lost: UInt32 = 0
    // Each queue is asked once, from another first one each time, so that none starves the others.
    let count = ownQueueCount(of: port)
    for turn in 0..<count where filled < burst.count {
      let queue = worker + (turns[number] + turn) % count * workers
      let room = min(burst.count - filled, Self.burst)
      let came = apus_ethdev_receive(
        port.device, UInt16(truncatingIfNeeded: queue), port.pool, descriptors(burst, filled),
        UInt32(room), &lost)
      countReceived(burst, from: filled, count: Int(came), port: number)
      filled += Int(came)
    }
    turns[number] = count > 1 ? (turns[number] + 1) % count : 0
    if lost > 0 { counters[number].dropsOversize += UInt64(lost) }
    return filled
  }

  private mutating func receiveFromGuest(
    _ number: Int, into burst: UnsafeMutableBufferPointer<Packet>
  ) -> Int {
    let guest = ports[number].guest
    let rings = apus_vhost_rings(guest)
    if rings == 0 || !apus_vhost_is_up(guest) { return 0 }
    let generation = apus_vhost_generation(guest)
    if generation != generations[number] { meet(number, rings: rings, generation: generation) }
    let count = ownQueueCount(of: ports[number])
    var filled = 0
    for turn in 0..<count where filled < burst.count {
      let own = (turns[number] + turn) % count
      let pair = worker + own * workers
      if rings & (2 << UInt64(2 * pair)) == 0 { continue }
      filled += poll(number, own: own, pair: UInt32(pair), into: burst, from: filled)
    }
    turns[number] = count > 1 ? (turns[number] + 1) % count : 0
    return filled
  }

  private func ownQueueCount(of port: Port) -> Int {
    (port.queues - worker + workers - 1) / workers
  }

  /// Another device of a guest, or a ring that it enabled.
  private mutating func meet(_ number: Int, rings: UInt64, generation: UInt32) {
    generations[number] = generation
    for own in 0..<ownQueueCount(of: ports[number]) {
      watches[number * ownQueues + own] = RingWatch()
      let pair = worker + own * workers
      for ring in 2 * pair...2 * pair + 1 where rings & (1 << UInt64(ring)) != 0 {
        apus_vhost_silence(ports[number].guest, UInt32(worker), UInt32(ring))
      }
    }
  }

  /// Polls one ring of a guest.
  private mutating func poll(
    _ number: Int, own: Int, pair: UInt32, into burst: UnsafeMutableBufferPointer<Packet>,
    from start: Int
  ) -> Int {
    let watch = watches + number * ownQueues + own
    if watch.pointee.wasLeftAlone && watch.pointee.isResting(now: apus_cycles()) { return 0 }
    let port = ports + number
    var drops: UInt32 = 0
    let room = min(burst.count - start, Self.burst)
    let came = apus_vhost_receive(
      port.pointee.guest, UInt32(worker), pair, port.pointee.pool, &port.pointee.limits,
      descriptors(burst, start), UInt32(room), &drops)
    if came > 0 || drops > 0 {
      watch.pointee.moved()
      counters[number].dropsOversize += UInt64(drops)
      countReceived(burst, from: start, count: Int(came), port: number)
    } else if watch.pointee.isDue() {
      examine(watch, number, pair: pair)
    }
    return Int(came)
  }

  /// Nothing came for long: has the guest nothing to send, or does its ring not move?
  private mutating func examine(
    _ watch: UnsafeMutablePointer<RingWatch>, _ number: Int, pair: UInt32
  ) {
    // Without buffers nothing can come, and that is not the ring's fault.
    if apus_pool_is_empty(ports[number].pool) { return }
    var head: UInt32 = 0
    let pending = apus_vhost_pending(ports[number].guest, UInt32(worker), pair, &head)
    if watch.pointee.found(
      pending: pending, at: head, now: apus_cycles(), millisecond: millisecond)
    {
      counters[number].wedged += 1
    }
  }

  /// The burst's descriptors, to be filled in by DPDK's side.
  private func descriptors(
    _ burst: UnsafeMutableBufferPointer<Packet>, _ start: Int
  ) -> UnsafeMutablePointer<apus_packet>? {
    // Of the same layout, which `init` has checked.
    burst.baseAddress.map {
      UnsafeMutableRawPointer($0 + start).assumingMemoryBound(to: apus_packet.self)
    }
  }

  private mutating func countReceived(
    _ burst: UnsafeMutableBufferPointer<Packet>, from start: Int, count: Int, port: Int
  ) {
    var bytes: UInt64 = 0
    for place in start..<start + count { bytes += UInt64(burst[place].originalLength) }
    counters[port].receivedPackets += UInt64(count)
    counters[port].receivedBytes += bytes
  }
}
