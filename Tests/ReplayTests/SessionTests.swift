import CapturePort
import Testing
import VPCModel
import Wire

@testable import Replay

/// Whole replays of captures that the tests write.
@Suite struct SessionTests {
  /// A capture of Ethernet frames, one a second.
  static func capture(_ frames: [[UInt8]]) throws -> TemporaryFile {
    let file = TemporaryFile()
    var writer = try CaptureWriter(path: file.path)
    let interface = writer.addInterface(name: "wire", linkType: 1)
    for (index, frame) in frames.enumerated() {
      frame.withUnsafeBytes {
        writer.write(
          interface: interface, time: UInt64(index + 1) * 1_000_000_000, bytes: $0,
          originalLength: frame.count, comment: nil)
      }
    }
    try writer.close()
    return file
  }

  static let far = "198.51.100.7"

  static let frames: [[UInt8]] = [
    AttributionTests.frame(Fixture.ipv4(far, far)),
    AttributionTests.frame(from: Fixture.web, Fixture.ipv4("10.0.1.10", "10.0.1.11")),
    AttributionTests.frame(
      to: .broadcast, from: Fixture.web, 0x0806,
      Fixture.arp(sender: "10.0.1.10", target: "10.0.1.1")),
    AttributionTests.frame(
      to: Fixture.data, Fixture.ipv4(far, "10.0.1.11", Fixture.udp(9, 99))),
  ]

  static func verdicts(_ text: String) -> [[Substring]] {
    text.split(separator: "\n").map { line in
      ["packet", "eni", "verdict", "reason"].map { key in
        guard let range = line.firstRange(of: "\"\(key)\":") else { return "" }
        return line[range.upperBound...].prefix { $0 != "," }
      }
    }
  }

  @Test func everyPacketHasOneVerdict() throws {
    let input = try Self.capture(Self.frames)
    let output = TemporaryFile()
    var options = ReplayOptions(captures: [input.path])
    options.verdicts = output.path
    let result = try Replay.run(model: Fixture.model(), options: options)
    #expect(result.failure == nil)
    #expect(result.summary.packets == 4)
    #expect(result.summary.isConserved)
    #expect(result.summary.replied == 1)
    // Fixture NICs have no groups, so nothing is allowed.
    #expect(
      Self.verdicts(output.text) == [
        ["1", "\"\"", "\"ignore\"", "\"eni.none\""],
        ["2", "\"eni-web\"", "\"drop\"", "\"sg.egress\""],
        ["3", "\"eni-web\"", "\"reply\"", "\"\""],
        ["4", "\"eni-data\"", "\"drop\"", "\"sg.ingress\""],
      ])
  }

  @Test func filteredPacketsKeepTheirFrameNumbers() throws {
    let input = try Self.capture(Self.frames)
    let output = TemporaryFile()
    var options = ReplayOptions(captures: [input.path])
    options.verdicts = output.path
    options.filter = "udp dst port 99"
    let result = try Replay.run(model: Fixture.model(), options: options)
    #expect(result.summary.packets == 1)
    #expect(Self.verdicts(output.text).map { $0[0] } == ["4"])
  }

  @Test func answersLeaveForTheNIC() throws {
    let input = try Self.capture(Self.frames)
    let output = TemporaryFile()
    var options = ReplayOptions(captures: [input.path])
    options.out = output.path
    _ = try Replay.run(model: Fixture.model(), options: options)
    var reader = try CaptureReader(path: output.path)
    var record = CaptureRecord()
    let hasOne = reader.next(&record)
    #expect(hasOne)
    #expect(reader.interfaces[record.interface].name == "eni-web")
    #expect(record.time == 3_000_000_000)
    #expect(record.bytes.big16(12) == 0x0806)
    #expect(record.bytes.mac(0) == Fixture.web)
    let hasMore = reader.next(&record)
    #expect(!hasMore)
  }

  @Test func annotatedCapturesKeepTheRecordedBytes() throws {
    let input = try Self.capture(Self.frames)
    let output = TemporaryFile()
    var options = ReplayOptions(captures: [input.path])
    options.annotated = output.path
    _ = try Replay.run(model: Fixture.model(), options: options)
    var reader = try CaptureReader(path: output.path)
    var record = CaptureRecord()
    for frame in Self.frames {
      let isThere = reader.next(&record)
      #expect(isThere)
      #expect(Array(record.buffer) == frame)
    }
    #expect(output.text.contains("ignore eni.none"))
    #expect(output.text.contains("(eni-data, ingress)"))
  }

  @Test func twoRunsWriteTheSameBytes() throws {
    let input = try Self.capture(Self.frames)
    func run() throws -> [[UInt8]] {
      let files = (0..<4).map { _ in TemporaryFile() }
      var options = ReplayOptions(captures: [input.path])
      options.verdicts = files[0].path
      options.out = files[1].path
      options.annotated = files[2].path
      options.flowLog = files[3].path
      _ = try Replay.run(model: Fixture.model(), options: options)
      return files.map { TemporaryFile.bytes($0.path) }
    }
    #expect(try run() == run())
  }

  @Test func timeNeverGoesBackOverFiles() throws {
    let late = try Self.capture(Array(repeating: Self.frames[1], count: 3))
    let early = try Self.capture([Self.frames[1]])
    let output = TemporaryFile()
    var options = ReplayOptions(captures: [late.path, early.path])
    options.flowLog = output.path
    let result = try Replay.run(model: Fixture.model(), options: options)
    #expect(result.summary.packets == 4)
    #expect(output.text.contains(" 4 128 1 3 REJECT "))
  }

  @Test func explanationsNameTheVerdict() throws {
    let input = try Self.capture(Self.frames)
    var options = ReplayOptions(captures: [input.path])
    options.explain = [
      ExplainTarget(file: nil, packet: 2), ExplainTarget(file: input.path, packet: 9),
    ]
    let result = try Replay.run(model: Fixture.model(), options: options)
    #expect(result.explanations.count == 1)
    #expect(result.explanations.first?.contains("verdict: drop sg.egress") ?? false)
    #expect(result.warnings == ["\(input.path): has no packet 9 to explain; it ends with 4"])
  }

  /// The side that sent the SYN does not answer it.
  @Test func explanationsNameTheStateOfAConnection() throws {
    var model = Fixture.model()
    let rule = SecurityGroupRule(
      id: "near", match: TrafficMatch(protocolNumber: 6, ports: [99...99]),
      peers: [.cidr(Fixture.prefix("10.0.0.0/8"))])
    model.securityGroups = [
      SecurityGroup(id: "sg", vpc: "vpc-blue", ingress: [rule], egress: [rule])
    ]
    for index in 0...1 { model.networkInterfaces[index].securityGroups = ["sg"] }
    let input = try Self.capture(
      [0x02, 0x12].map { flags in
        AttributionTests.frame(
          from: Fixture.web,
          Fixture.ipv4("10.0.1.10", "10.0.1.11", protocol: 6, Fixture.tcp(9, 99, flags: flags)))
      })
    var options = ReplayOptions(captures: [input.path])
    options.explain = [ExplainTarget(file: nil, packet: 2)]
    let text = try #require(try Replay.run(model: model, options: options).explanations.first)
    #expect(text.contains("connection: known, in TCP state syn-sent, in which the packet's"))
    #expect(text.contains("verdict: drop ct.invalid"))
  }

  @Test func laterFragmentsShowNoPorts() throws {
    // 8 bytes of a UDP datagram from offset 8 on, the last.
    var packet = Fixture.ipv4("10.0.1.10", "10.0.1.11", Fixture.udp(9, 99))
    packet[6] = 0
    packet[7] = 1
    let frame = AttributionTests.frame(to: Fixture.data, from: Fixture.web, packet)
    let input = try Self.capture([frame])
    var options = ReplayOptions(captures: [input.path])
    options.explain = [ExplainTarget(file: nil, packet: 1)]
    let result = try Replay.run(model: Fixture.model(), options: options)
    let text = try #require(result.explanations.first)
    #expect(text.contains("parsed: a later fragment of UDP, "))
    #expect(text.contains("verdict: drop fragment.orphan"))
  }

  @Test func aFolderIsRefusedBeforeAnOutputIsMade() throws {
    let output = TemporaryFile(Array("precious".utf8))
    var options = ReplayOptions(captures: ["/tmp"])
    options.verdicts = output.path
    #expect(throws: ReplayError.self) {
      try Replay.run(model: Fixture.model(), options: options)
    }
    #expect(output.text == "precious")
  }

  @Test func inputsAreNeverOverwritten() throws {
    let input = try Self.capture(Self.frames)
    let before = TemporaryFile.bytes(input.path)
    var options = ReplayOptions(captures: [input.path])
    options.out = "/tmp/../" + input.path
    #expect(throws: ReplayError.self) {
      try Replay.run(model: Fixture.model(), options: options)
    }
    #expect(TemporaryFile.bytes(input.path) == before)
    let model = TemporaryFile(Array("version: 1".utf8))
    options.models = [model.path]
    options.out = model.path
    #expect(throws: ReplayError.self) {
      try Replay.run(model: Fixture.model(), options: options)
    }
    #expect(model.text == "version: 1")
  }

  @Test func aWrongInputCostsNoOutput() throws {
    let input = try Self.capture(Self.frames)
    let output = TemporaryFile(Array("precious".utf8))
    var options = ReplayOptions(captures: [input.path, "/nonexistent.pcap"])
    options.verdicts = output.path
    #expect(throws: ReplayError.self) {
      try Replay.run(model: Fixture.model(), options: options)
    }
    #expect(output.text == "precious")
  }

  @Test func unknownInterfacesAreRefused() throws {
    let input = try Self.capture(Self.frames)
    var options = ReplayOptions(captures: [input.path])
    options.eni = "eni-none"
    #expect(throws: ReplayError.self) {
      try Replay.run(model: Fixture.model(), options: options)
    }
  }
}
