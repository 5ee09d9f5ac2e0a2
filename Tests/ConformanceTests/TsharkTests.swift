import Foundation
import ReferenceModel
import Replay
import Testing
import VPCModel

/// Wireshark without its windows.
enum Tshark {
  static let isInstalled = FileManager.default.isExecutableFile(atPath: "/usr/bin/tshark")

  /// The first occurrence of each field, which is the outer header's.
  static func fields(_ path: String, _ fields: [String]) throws -> [[String]] {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/tshark")
    process.arguments =
      [
        "-n", "-r", path, "-Y", "frame.interface_name == \"underlay\"", "-o",
        "ip.check_checksum:TRUE", "-o", "ip.defragment:FALSE", "-T", "fields", "-E",
        "occurrence=f",
      ] + fields.flatMap { ["-e", $0] }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return String(decoding: output, as: UTF8.self).split(separator: "\n").map {
      $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
  }
}

/// Wireshark's reading of what replays of captures write.
@Suite(
  .enabled(if: Tshark.isInstalled, "no /usr/bin/tshark"),
  .enabled(if: Places.corpus != nil, "no corpus: set APUS_CORPUS to a folder of captures"))
struct TsharkTests {
  static let names = [
    "ndpi-alexa-app.pcapng", "b-tcp-states.pcap", "ndpi-1kxun.pcap",
  ]

  @Test(arguments: names) func `tshark finds whole outer headers`(name: String) throws {
    guard let capture = CorpusTests.captures.first(where: { $0.testDescription == name }) else {
      return
    }
    let output = FileManager.default.temporaryDirectory
      .appending(path: "apus-tshark-\(UUID().uuidString).pcapng")
    defer { try? FileManager.default.removeItem(at: output) }
    var options = ReplayOptions(captures: [capture.url.path])
    options.out = output.path
    let packets = try CorpusTests.packets(of: capture, CorpusTests.comparedPackets)
    let result = try Replay.run(model: CorpusModel.model(of: packets), options: options)
    #expect(result.failure == nil)
    let rows = try Tshark.fields(
      output.path,
      ["frame.len", "ip.len", "ip.checksum.status", "udp.dstport", "udp.length", "geneve.vni"])
    #expect(!rows.isEmpty)
    for row in rows {
      let length = Int(row[0]) ?? 0
      #expect(Int(row[1]) == length - 14 && row[2] == "1" && row[3] == "6081")
      #expect(Int(row[4]) == length - 34)
      #expect(row[5] == "0x000007" || row[5] == "7")
    }
  }
}
