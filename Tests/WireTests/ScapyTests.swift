import Foundation
import TestPackets
import Testing
import Wire

/// Frames that scapy encoded: the parser finds the fields that scapy was told.
@Suite struct ScapyTests {
  static let isInstalled = (try? run(["-c", "import scapy.layers.inet6"]))?.status == 0
  private static let script = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "peers/scapy/encode.py").path

  /// A frame, and what was encoded; a field that is absent was not there or is not read.
  struct Encoded: Decodable {
    var frame: String
    var link: String
    var source: String?
    var destination: String?
    var transport: UInt8?
    var dontFragment: Bool?
    var moreFragments: Bool?
    var fragmentOffset: UInt16?
    var fragmentID: UInt32?
    var networkLength: UInt16?
    var datagramLength: UInt32?
    var sourcePort: UInt16?
    var destinationPort: UInt16?
    var tcpFlags: UInt8?
    var icmpType: UInt8?
    var icmpCode: UInt8?
  }

  private static func run(_ arguments: [String]) throws -> (status: Int32, output: Data) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=5", "60", "/usr/bin/python3"] + arguments
    let pipe = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, output)
  }

  @Test(.enabled(if: isInstalled, "no scapy for /usr/bin/python3"), arguments: [1, 2])
  func `the parser finds what scapy encoded`(seed: Int) throws {
    let (status, output) = try Self.run([Self.script, "\(seed)", "600"])
    #expect(status == 0)
    let frames = try output.split(separator: UInt8(ascii: "\n")).map {
      try JSONDecoder().decode(Encoded.self, from: Data($0))
    }
    #expect(frames.count == 600)
    // Each kind was there: else the comparison compares nothing.
    for link in ["ipv4", "ipv6", "arp", "vlan", "other"] {
      #expect(frames.contains { $0.link == link })
    }
    #expect(frames.contains { $0.moreFragments == true && $0.fragmentOffset != 0 })
    for encoded in frames {
      FrameParserTests.parse(Self.bytes(encoded.frame)) { headers in
        let differing = Self.differences(headers, encoded)
        #expect(differing.isEmpty, "\(encoded.frame): \(differing)")
      }
    }
  }

  /// The names of the fields that were read otherwise.
  private static func differences(_ headers: borrowing Headers, _ encoded: Encoded) -> [String] {
    var found: [String] = []
    func compare<Value: Equatable>(_ name: String, _ read: Value, _ told: Value?) {
      if let told, read != told { found.append("\(name) is \(read), not \(told)") }
    }
    compare("faults", headers.faults.rawValue, 0)
    compare("link", "\(headers.link)", encoded.link)
    guard let source = encoded.source, let destination = encoded.destination else { return found }
    compare("source", headers.source, Compose.address(source))
    compare("destination", headers.destination, Compose.address(destination))
    compare("transport", headers.transport, encoded.transport)
    compare("dontFragment", headers.dontFragment, encoded.dontFragment)
    compare("moreFragments", headers.moreFragments, encoded.moreFragments)
    compare("fragmentOffset", headers.fragmentOffset, encoded.fragmentOffset)
    if headers.isFragment { compare("fragmentID", headers.fragmentID, encoded.fragmentID) }
    compare("networkOffset", headers.networkOffset, 14)
    compare("datagramLength", headers.datagramLength, encoded.datagramLength)
    if let length = encoded.networkLength {
      compare("transportOffset", headers.transportOffset, 14 + length)
    }
    if let length = encoded.networkLength, let whole = encoded.datagramLength {
      compare("segmentLength", headers.segmentLength, whole - UInt32(length))
    }
    compare("sourcePort", headers.sourcePort, encoded.sourcePort)
    compare("destinationPort", headers.destinationPort, encoded.destinationPort)
    compare("tcpFlags", headers.tcpFlags.rawValue, encoded.tcpFlags)
    compare("icmpType", headers.icmpType, encoded.icmpType)
    compare("icmpCode", headers.icmpCode, encoded.icmpCode)
    let isRead =
      encoded.sourcePort != nil || encoded.icmpType != nil
    if isRead { compare("hasTransport", headers.hasTransport, true) }
    return found
  }

  private static func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map {
      UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
  }
}
