import Foundation
import Glibc
import TestPackets
import Testing

/// Linux's own segmentation: a packet socket hands the same super-packets to a veth device without
/// offloads, and what comes out of its other end is compared byte for byte.
@Suite(.enabled(if: Linux.canSegment, "needs root, unshare, ip, ethtool and /usr/bin/python3"))
struct SegmentationLinuxTests {
  @Test func linuxMakesTheSame() throws {
    var input = ""
    var expected: [String] = []
    for seed in 0..<60 as Range<UInt64> where seed % 3 == 0 {
      let frame = TCPFrame(seed: seed, payload: 2500 + Int(seed * 97))
      let size = 400 + Int(seed * 17)
      let headers = frame.headers
      let isECN = frame.flags & 0x80 != 0
      // struct virtio_net_hdr: NEEDS_CSUM; GSO_TCPV4, GSO_TCPV6, GSO_ECN (virtio 1.2, 5.1.6).
      let fields = [frame.headerLength, size, Int(headers.transport), 16]
      var header: [UInt8] = [1, (frame.isIPv6 ? 4 : 1) | (isECN ? 0x80 : 0)]
      for field in fields { header += [UInt8(field & 255), UInt8(field >> 8)] }
      // Linux goes on from the guest's sum, which therefore is the right one here.
      let bytes = frame.whole(checksum: frame.pseudoHeaderSum)
      input += Linux.hex(header + bytes) + "\n"
      let outcome = SegmentationTests.cut(bytes, headers, size: size, first: bytes.count)
      #expect(outcome.count > 1)
      expected += outcome.sent.map { Linux.hex($0.bytes) }
    }
    let (status, output) = try Linux.segment(input)
    #expect(status == 0, "\(output)")
    let lines = output.split(separator: "\n").map(String.init)
    #expect(lines == expected)
  }
}

private enum Linux {
  static let canSegment = geteuid() == 0 && ((try? segment(""))?.status == 0)

  static let script = """
    import socket, subprocess, sys
    def run(*command):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    run("ip", "link", "add", "name", "left", "mtu", "9000", "type", "veth",
        "peer", "name", "right", "mtu", "9000")
    for device in ("left", "right"):
        run("ethtool", "-K", device, "tx", "off", "tso", "off", "gro", "off")
        run("ip", "link", "set", "dev", device, "addrgenmode", "none", "up")
    receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
    receiver.bind(("right", 3))
    receiver.settimeout(1)
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
    sender.bind(("left", 0))
    for line in open(sys.argv[1]):
        sender.send(bytes.fromhex(line))
    try:
        while True:
            frame = receiver.recv(65535)
            if frame.startswith(bytes.fromhex("020000000002020000000001")):
                print(frame.hex())
    except TimeoutError:
        pass
    """

  static func segment(_ input: String) throws -> (status: Int32, output: String) {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try Data(input.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = [
      "--kill-after=5", "60", "unshare", "--net", "/usr/bin/python3", "-c", script, file.path,
    ]
    let pipe = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }

  static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
