import CapturePort
import Foundation
import Glibc
import Testing

@Suite(.timeLimit(.minutes(1))) struct InputTests {
  @Test(arguments: [[], [0], [1, 2, 3, 4], Array("GET / HTTP/1.1\r\n".utf8)] as [[UInt8]])
  func otherFilesAreNoCaptures(bytes: [UInt8]) {
    for contents in [bytes, gzipMember(bytes)] {
      #expect {
        try readAll(contents)
      } throws: { error in
        if case .notACapture = error as? CaptureError { true } else { false }
      }
    }
  }

  @Test func emptyFileSaysSo() {
    let file = TemporaryFile([])
    #expect(throws: CaptureError.notACapture(path: file.path, why: "the file is empty")) {
      try readAll(file)
    }
  }

  @Test func missingFilesAndDirectories() {
    for path in ["/nonexistent/x.pcap", "/tmp"] {
      #expect {
        try readAll(path: path)
      } throws: { error in
        if case .cannotOpen(path, _) = error as? CaptureError { true } else { false }
      }
    }
  }

  @Test func gzipOfEitherFormat() throws {
    for capture in [sampleClassic(), sampleClassic(bigEndian: true), samplePcapng()] {
      let plain = try readAll(capture)
      let file = gzipMember(capture, blockLength: 50)
      let packed = try readAll(file)
      #expect(packed.records == plain.records)
      #expect(packed.warning == nil)
      #expect(packed.byteCount == UInt64(file.count))
      #expect(packed.bytesRead == packed.byteCount)
    }
  }

  @Test func gzipMembersAreOneCapture() throws {
    let capture = sampleClassic()
    for cut in [1, 23, 24, 40, 500] {
      let file =
        gzipMember(Array(capture.prefix(cut))) + gzipMember([])
        + gzipMember(Array(capture.dropFirst(cut)))
      let padded = try readAll(file + [0, 0, 0])
      #expect(padded.records.count == sampleCount)
      #expect(padded.warning == nil)
      let trailed = try readAll(file + [1, 2, 3])
      #expect(trailed.records.count == sampleCount)
      #expect(trailed.warning?.contains("after the gzip stream") == true)
    }
  }

  @Test func gzipChecksumIsVerified() throws {
    var file = gzipMember(sampleClassic())
    file[file.count - 8] ^= 1
    let all = try readAll(file)
    #expect(all.records.count == sampleCount)
    #expect(all.warning?.contains("gzip data is damaged") == true)
  }

  /// A packet larger than the stream buffer, between small ones.
  @Test func bufferGrowsForLargePackets() throws {
    var capture = CaptureBytes()
    capture.classicHeader(snapshotLength: 0)
    let large = (0..<1_300_000).map { UInt8(truncatingIfNeeded: $0 >> 8) }
    for data in [[1], large, [2], large, [3]] {
      capture.classicRecord(seconds: 1, fraction: 0, data)
    }
    let all = try readAll(gzipMember(capture.bytes))
    #expect(all.records.map(\.bytes) == [[1], large, [2], large, [3]])
    #expect(all.warning == nil)
  }

  /// Pieces of a capture: the file header, then one packet each, then what ends the file.
  static func pieces(_ format: String) -> [[UInt8]] {
    var header = CaptureBytes()
    if format == "pcapng" {
      header.section()
      header.interface()
    } else {
      header.classicHeader()
    }
    let packets = (0..<sampleCount).map { index in
      var packet = CaptureBytes()
      if format == "pcapng" {
        packet.enhancedPacket(ticks: 1, sampleFrame(index))
      } else {
        packet.classicRecord(seconds: 1, fraction: 0, sampleFrame(index))
      }
      return packet.bytes
    }
    let plain = [header.bytes] + packets
    return format == "gzip" ? gzipPieces(plain) : plain + [[]]
  }

  /// The reader must not wait for more than the next packet needs; it would wait for ever here.
  @Test(arguments: ["pcap", "pcapng", "gzip"])
  func pipeGivesPacketsAsTheyArrive(format: String) throws {
    let pieces = Self.pieces(format)
    let pipe = TemporaryFile()
    defer { withExtendedLifetime(pipe) {} }
    unlink(pipe.path)
    #expect(mkfifo(pipe.path, 0o600) == 0)
    // Opened for both, so that opening one end does not wait for the other.
    let sender = open(pipe.path, O_RDWR)
    writeAll(sender, pieces[0])
    var reader = try CaptureReader(path: pipe.path)
    #expect(reader.byteCount == nil)
    var record = CaptureRecord()
    for index in 0..<sampleCount {
      writeAll(sender, pieces[index + 1])
      let found = reader.next(&record)
      try #require(found)
      #expect(Array(record.buffer) == sampleFrame(index))
    }
    writeAll(sender, pieces[sampleCount + 1])
    close(sender)
    let more = reader.next(&record)
    #expect(!more)
    #expect(reader.warning == nil)
    #expect(reader.bytesRead == UInt64(pieces.joined().count))
  }

  @Test func packetsThatArriveByteByByteAreWhole() throws {
    let file = Self.pieces("pcap").joined()
    let pipe = TemporaryFile()
    defer { withExtendedLifetime(pipe) {} }
    unlink(pipe.path)
    #expect(mkfifo(pipe.path, 0o600) == 0)
    let sender = open(pipe.path, O_RDWR | O_NONBLOCK)
    let receiver = open(pipe.path, O_RDONLY | O_NONBLOCK)
    // Standard input is a non-blocking pipe, filled by another thread.
    let before = dup(STDIN_FILENO)
    dup2(receiver, STDIN_FILENO)
    close(receiver)
    defer {
      dup2(before, STDIN_FILENO)
      close(before)
    }
    // A thread of its own: reading blocks one of the pool's, and there may be no other free.
    Thread.detachNewThread {
      for byte in file {
        writeAll(sender, [byte])
        usleep(20)
      }
      close(sender)
    }
    let all = try readAll(path: "-")
    #expect(all.records.map(\.bytes) == (0..<sampleCount).map(sampleFrame))
    #expect(all.warning == nil)
  }
}
