import Foundation
import Testing
import VPCModel
import Wire

/// The Python library, where the system's Python has it.
enum Scapy {
  static let isInstalled = (try? python("import scapy"))?.status == 0

  static func python(_ script: String, _ arguments: String...) throws -> (
    status: Int32, output: String
  ) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/python3")
    process.arguments = ["-c", script] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}

/// Another implementation's reading of what a replay writes.
@Suite(.enabled(if: Scapy.isInstalled, "no scapy for /usr/bin/python3"))
struct ScapyTests {
  static let script = """
    import sys
    from scapy.all import PcapNgReader, UDP
    from scapy.contrib.geneve import GENEVE
    from scapy.layers.vxlan import VXLAN
    for packet in PcapNgReader(sys.argv[1]):
        tunnel = packet[GENEVE] if GENEVE in packet else packet[VXLAN]
        print(tunnel.vni, packet[UDP].sport, bytes(tunnel.payload).hex())
    """

  @Test(arguments: TwoHosts.underlays) func `scapy finds the inner frames`(
    _ underlay: TwoHosts.Underlay
  ) throws {
    let frames = EncapsulationTests.toRemote.map { frame($0) }
    var lines: [String] = []
    let sent = try Run.frames(frames, TwoHosts.model(host: 1, underlay)) { path in
      let (status, output) = try Scapy.python(Self.script, path)
      #expect(status == 0)
      lines = output.split(separator: "\n").map(String.init)
    }
    let expected = zip(sent, frames).map { sent, frame in
      let hex = frame.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      return "\(TwoHosts.vni) \(Outer(sent.bytes).sourcePort) \(hex)"
    }
    #expect(lines == expected && lines.count == frames.count)
  }

  private func frame(_ packet: [UInt8]) -> [UInt8] {
    let type: [UInt8] = packet[0] >> 4 == 6 ? [0x86, 0xDD] : [0x08, 0x00]
    return [2, 0, 0, 0, 0, 0x14, 2, 0, 0, 0, 0, 0x0A] + type + packet
  }
}
