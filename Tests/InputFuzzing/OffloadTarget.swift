import CXDP
import Datapath
import FuzzSupport
import KernelPort
import Live

extension FuzzTarget {
  /// What a guest writes into a virtio-net header, over its frame: the bytes that are changed are
  /// the frame's, and a packet that is taken can be segmented as it says.
  public static let offload = FuzzTarget("offload", maximumLength: 256) {
    { OffloadTarget.run($0) }
  }
}

enum OffloadTarget {
  static func run(_ input: UnsafeRawBufferPointer) -> String? {
    var reader = ByteReader(input)
    var header = cxdp_header()
    header.flags = reader.byte()
    header.gso_type = reader.byte()
    header.header_length = reader.word()
    header.gso_size = reader.word()
    header.checksum_start = reader.word()
    header.checksum_offset = reader.word()
    let frame = ExactBytes(reader.rest())
    // As the port: shorter frames do not come this far.
    guard frame.count >= 14 else { return nil }
    var packet = Packet(base: frame.base, length: UInt32(frame.count), headroom: 0)
    guard OffloadHeader.apply(header, to: &packet) else { return nil }
    if packet.length != frame.count || packet.base != frame.base { return "another frame" }
    if packet.segmentSize > 0 && !packet.flags.contains(.partialChecksum) {
      return "segments without a checksum to complete"
    }
    return packet.segmentSize == 0 || frame.count >= 54 + Int(packet.segmentSize)
      ? nil : "segments of \(packet.segmentSize) bytes in \(frame.count)"
  }
}
