import Foundation
import TestPackets
import Testing

/// The Python library, where the system's Python has it.
private enum Scapy {
  static let isInstalled = (try? python("import scapy.contrib.geneve", input: ""))?.status == 0

  /// Runs a script with the path of a file with `input` as its argument, for at most 60 seconds.
  static func python(_ script: String, input: String) throws -> (status: Int32, output: String) {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try Data(input.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=5", "60", "/usr/bin/python3", "-c", script, file.path]
    let pipe = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}

/// Another implementation's opinion of the segments: scapy computes every length and checksum anew.
@Suite(.enabled(if: Scapy.isInstalled, "no scapy for /usr/bin/python3"))
struct SegmentationScapyTests {
  /// Reads a frame in hexadecimal from each line of a file, and prints it with all lengths and
  /// checksums made by scapy, the length of the TCP payload and the sequence number. A UDP checksum
  /// of zero over IPv4 stays.
  static let script = """
    import sys
    from scapy.all import Ether, IP, IPv6, UDP, TCP, NoPayload
    from scapy.contrib.geneve import GENEVE
    from scapy.layers.vxlan import VXLAN
    for line in open(sys.argv[1]):
        frame = Ether(bytes.fromhex(line.strip()))
        layer = frame
        below = None
        while not isinstance(layer, NoPayload):
            if isinstance(layer, IP):
                layer.len = layer.chksum = None
            elif isinstance(layer, IPv6):
                layer.plen = None
            elif isinstance(layer, UDP):
                layer.len = None
                if layer.chksum or isinstance(below, IPv6):
                    layer.chksum = None
            elif isinstance(layer, TCP):
                layer.chksum = None
            below, layer = layer, layer.payload
        print(bytes(frame).hex(), len(bytes(frame[TCP].payload)), frame[TCP].seq)
    """

  @Test func scapyComputesTheSame() throws {
    var segments: [[UInt8]] = []
    var expected: [String] = []
    for seed in 0..<24 as Range<UInt64> {
      let frame = TCPFrame(seed: seed, payload: 3700 + Int(seed))
      let outcome = SegmentationTests.cut(
        frame.whole(checksum: 0), frame.headers, size: 1000, first: 1500)
      #expect(outcome.sent.count == 4)
      for (index, segment) in outcome.sent.enumerated() {
        segments.append(segment.bytes)
        let sequence = frame.sequence &+ UInt32(1000 * index)
        let length = index < 3 ? 1000 : frame.payload.count - 3000
        expected.append("\(Self.hex(segment.bytes)) \(length) \(sequence)")
      }
    }
    let input = segments.map { Self.hex($0) + "\n" }.joined()
    let (status, output) = try Scapy.python(Self.script, input: input)
    #expect(status == 0)
    #expect(output.split(separator: "\n").map(String.init) == expected)
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
