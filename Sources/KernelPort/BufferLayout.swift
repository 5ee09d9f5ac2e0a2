import CXDP
import Glibc
import HostPlan
import Live

/// Where packet buffers are: one reserved range of addresses, a region of the same size for each
/// worker, in it the uplink's frames and then the guests' buffers, as many for each port.
///
/// A buffer's address so says whose it is, without a look at memory. Pages are taken when they are
/// first touched and given back with the port; a guest's buffer has room for 64 KB and costs a page
/// or two until such a packet comes.
struct BufferLayout: BitwiseCopyable {
  /// Of a frame of the uplink; the size that every driver with AF_XDP takes.
  static let frameBytes = 4096
  /// Bytes that AF_XDP leaves free before a received frame (XDP_PACKET_HEADROOM).
  static let receiveHeadroom = 256
  /// Ethernet, one VLAN tag, and the largest IP packet.
  static let guestFrameBytes = 14 + 4 + 65_535
  /// No power of two: buffers would all begin in the same few sets of the caches.
  static let guestBufferBytes = 65_728

  var start: UnsafeMutableRawPointer
  /// Bytes of a worker's region, as a power of two.
  var shift: Int
  /// Uplink frames of each worker.
  var frames: Int
  /// Numbers of buffers that each guest's port has in a worker's region, as a power of two.
  var guestShift: Int
  /// Guests' ports that there may be.
  var guestPorts: Int

  var frameRegionBytes: Int { frames &* Self.frameBytes }

  /// Which worker's a buffer is, and its number there.
  @inline(__always)
  func place(of buffer: UnsafeMutableRawPointer) -> (worker: Int, number: UInt32) {
    let offset = UInt(bitPattern: buffer) &- UInt(bitPattern: start)
    let worker = Int(bitPattern: offset >> UInt(shift))
    let inner = Int(bitPattern: offset & ((1 << UInt(shift)) &- 1))
    if inner < frameRegionBytes { return (worker, UInt32(truncatingIfNeeded: inner >> 12)) }
    let number = frames &+ (inner &- frameRegionBytes) / Self.guestBufferBytes
    return (worker, UInt32(truncatingIfNeeded: number))
  }

  /// The port that a buffer's number belongs to.
  @inline(__always)
  func port(of number: UInt32) -> Int {
    let number = Int(number)
    return number < frames ? 0 : 1 &+ (number &- frames) >> guestShift
  }

  /// The first number of a guest's port.
  func firstNumber(port: Int) -> Int { frames + (port - 1) << guestShift }

  /// Numbers of each worker, for the uplink and all guests.
  var numbers: Int { frames + guestPorts << guestShift }

  func region(of worker: Int) -> UnsafeMutableRawPointer { start + (worker << shift) }

  @inline(__always)
  func buffer(_ number: UInt32, worker: Int) -> UnsafeMutableRawPointer {
    let number = Int(number)
    if number < frames { return region(of: worker) + (number << 12) }
    return region(of: worker) + frameRegionBytes + (number &- frames) &* Self.guestBufferBytes
  }

  /// No memory.
  static var none: BufferLayout {
    BufferLayout(
      start: UnsafeMutableRawPointer(bitPattern: frameBytes).unsafelyUnwrapped, shift: 0,
      frames: 0,
      guestShift: 0, guestPorts: 0)
  }

  /// Reserves the addresses. Nothing of it counts as used memory yet.
  ///
  /// - Parameters:
  ///   - frames: of the uplink, for each worker.
  ///   - guestPorts: guests' ports that there may be.
  ///   - buffersPerGuest: the most that a worker has of one.
  static func reserve(
    workers: Int, frames: Int, guestPorts: Int, buffersPerGuest: Int
  ) throws(PortError) -> BufferLayout {
    var guestShift = 0
    while 1 << guestShift < buffersPerGuest { guestShift += 1 }
    let guestBuffers = guestPorts << guestShift
    // Numbers have 32 bits.
    guard frames + guestBuffers <= 1 << 31 else {
      throw PortError(
        .configuration, "packet buffers",
        why: "\(guestPorts) ports with \(buffersPerGuest) buffers each are more than 2^31",
        remedy: "lower memory.nics or memory.buffersPerGuest")
    }
    let region = frames * frameBytes + guestBuffers * guestBufferBytes
    var shift = 21
    while 1 << shift < region { shift += 1 }
    let start = mmap(
      nil, workers << shift, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | Int32(MAP_NORESERVE), -1, 0)
    guard let start, start != MAP_FAILED else {
      throw PortError(
        .machine, "packet buffers",
        why: "\((workers << shift) >> 20) MB of addresses: \(systemText(errno))",
        remedy: "lower memory.nics or memory.buffersPerGuest, or allow overcommit: "
          + "sysctl vm.overcommit_memory=0")
    }
    // With huge pages the first byte of a buffer would take 2 MB.
    madvise(start, workers << shift, MADV_NOHUGEPAGE)
    return BufferLayout(
      start: start, shift: shift, frames: frames, guestShift: guestShift, guestPorts: guestPorts)
  }

  /// Gives the pages of a guest's buffers back, which hold no packet.
  func discardPages(port: Int, workers: Int) {
    for worker in 0..<workers {
      let first = firstNumber(port: port)
      let start = buffer(UInt32(first), worker: worker)
      // Whole pages: the first and last may have bytes of the neighbours' buffers.
      let low = (Int(bitPattern: start) + 4095) & ~4095
      let high = (Int(bitPattern: start) + Self.guestBufferBytes << guestShift) & ~4095
      guard high > low, let page = UnsafeMutableRawPointer(bitPattern: low) else { continue }
      madvise(page, high - low, MADV_DONTNEED)
    }
  }

  func unmap(workers: Int) {
    if shift > 0 { munmap(start, workers << shift) }
  }
}

/// The free buffers that a worker has for a port, the last one freed on top.
struct BufferPool {
  var free: UnsafeMutablePointer<UInt32>
  var count = 0
  var capacity = 0

  @inline(__always)
  mutating func take() -> UInt32 {
    count &-= 1
    return free[count]
  }

  @inline(__always)
  mutating func put(_ number: UInt32) {
    precondition(count < capacity, "a packet buffer was released twice")
    free[count] = number
    count &+= 1
  }
}
