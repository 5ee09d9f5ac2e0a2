import CXDP
import Glibc
import HostPlan
import Live

/// Where packet buffers are: one reserved range of addresses, a region of the same size for each
/// worker, in it the uplink's frames and then the guests' buffers.
///
/// A buffer's address so says whose it is, without a look at memory. Pages are taken when they are
/// first touched; a guest's buffer has room for 64 KB and costs a page or two until such a packet
/// comes.
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
      frames: 0)
  }

  /// Reserves the addresses. Nothing of it counts as used memory yet.
  static func reserve(
    workers: Int, frames: Int, guestBuffers: Int
  ) throws(PortError) -> BufferLayout {
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
        remedy: "lower memory.buffers_per_guest, or allow overcommit: sysctl vm.overcommit_memory=0"
      )
    }
    // With huge pages the first byte of a buffer would take 2 MB.
    madvise(start, workers << shift, MADV_NOHUGEPAGE)
    return BufferLayout(start: start, shift: shift, frames: frames)
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
