import DPDKPort
import Datapath
import Glibc
import Live

/// The polling loop of one thread.
final class ProbeLoop {
  let runtime: UnsafeMutablePointer<DPDKRuntime>
  let worker: Int
  /// Where a port's frames go; -1 for nowhere.
  let routes: [Int]
  let stop: UnsafeMutablePointer<Int32>
  var described: Int
  let naps: Bool

  init(
    runtime: UnsafeMutablePointer<DPDKRuntime>, worker: Int, routes: [Int],
    stop: UnsafeMutablePointer<Int32>, described: Int, naps: Bool
  ) {
    self.runtime = runtime
    self.worker = worker
    self.routes = routes
    self.stop = stop
    self.described = described
    self.naps = naps
  }

  func start() -> pthread_t {
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<ProbeLoop>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    return thread
  }

  private func run() {
    var io = runtime.pointee.makeIO(worker: worker)
    let burst = UnsafeMutableBufferPointer<Packet>.allocate(capacity: 32)
    let nothing = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    for index in burst.indices {
      burst.initializeElement(
        at: index, to: Packet(base: nothing, length: 0, headroom: 0))
    }
    var idle = 0
    while stop.pointee == 0 {
      var moved = 0
      for port in 0..<io.portCount {
        let count = io.receive(port: port, into: burst)
        moved += count
        for index in 0..<count { settle(&burst[index], from: port, &io) }
      }
      io.flush()
      idle = moved == 0 ? idle + 1 : 0
      if idle > 100 && naps { io.wait(microseconds: 100) }
    }
  }

  private func settle(_ packet: inout Packet, from port: Int, _ io: inout DPDKIO) {
    if described > 0 { describe(packet, from: port, &io) }
    let target = routes[port]
    if target < 0 { return io.release(&packet) }
    let headers = Self.headers(packet)
    let offloads = io.offloads(port: target)
    if packet.segmentSize > 0 {
      let needed: PortOffloads = headers.isIPv6 ? .segmentation6 : .segmentation4
      if !offloads.contains(needed) { return io.release(&packet) }
    } else if packet.flags.contains(.partialChecksum) && !offloads.contains(.checksum) {
      return io.release(&packet)
    }
    io.send(&packet, port: target, headers: headers)
  }

  private func describe(_ packet: borrowing Packet, from port: Int, _ io: inout DPDKIO) {
    described -= 1
    var bytes = [UInt8](repeating: 0, count: Int(packet.originalLength))
    bytes.withUnsafeMutableBytes { target in
      guard let base = target.baseAddress else { return }
      io.copyBytes(of: packet, from: 0, count: target.count, to: base)
    }
    let hash = bytes.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    say(
      "frame port=\(port) length=\(packet.length) total=\(packet.originalLength)",
      "headroom=\(packet.headroom) segment=\(packet.segmentSize)",
      "partial=\(packet.flags.contains(.partialChecksum) ? 1 : 0) hash=\(hash)")
  }

  /// Where the headers of a plain frame stand.
  static func headers(_ packet: borrowing Packet) -> HeaderOffsets {
    guard packet.length >= 54 else { return HeaderOffsets() }
    let bytes = UnsafeRawBufferPointer(start: packet.base, count: Int(packet.length))
    let isIPv6 = bytes[12] == 0x86 && bytes[13] == 0xDD
    let transport = 14 + (isIPv6 ? 40 : Int(bytes[14] & 15) * 4)
    let isTCP = bytes[isIPv6 ? 20 : 23] == 6
    guard transport + 20 <= bytes.count else { return HeaderOffsets() }
    let size = isTCP ? Int(bytes[transport + 12] >> 4) * 4 : 8
    return HeaderOffsets(
      network: 14, transport: UInt16(transport), payload: UInt16(transport + size), isIPv6: isIPv6,
      isTCP: isTCP)
  }
}
