import CapturePort
import Testing

@Suite struct WriterTests {
  private func put(
    _ writer: inout CaptureWriter, _ interface: Int, _ time: UInt64, _ bytes: [UInt8],
    original: Int? = nil, comment: String? = nil
  ) {
    bytes.withUnsafeBytes {
      writer.write(
        interface: interface, time: time, bytes: $0, originalLength: original ?? $0.count,
        comment: comment)
    }
  }

  @Test func bytesAreTheFormats() throws {
    let file = TemporaryFile()
    var writer = try CaptureWriter(path: file.path)
    let first = writer.addInterface(name: "eni-1", linkType: 1)
    put(&writer, first, 0x1_0000_0002, [1, 2, 3, 4, 5], original: 60, comment: "né")
    try writer.close()

    var expected = CaptureBytes()
    expected.section()
    expected.interface(name: "eni-1", resolution: 9)
    expected.block(6) {
      for value in [0, 1, 2, 5, 60] { $0.put32(value) }
      $0.bytes += [1, 2, 3, 4, 5]
      $0.pad()
      $0.option(1, [0x6e, 0xc3, 0xa9])
      $0.put32(0)
    }
    #expect(file.contents == expected.bytes)
  }

  /// Enough to pass the buffer's end at every kind of field, with interfaces added late.
  @Test func roundTrip() throws {
    let file = TemporaryFile()
    var writer = try CaptureWriter(path: file.path)
    var expected: [Copied] = []
    var interfaces: [CaptureInterface] = []
    for index in 0..<30_000 {
      if index % 10_000 == 0 {
        let added = CaptureInterface(name: "if\(index)", linkType: UInt16(index / 100))
        interfaces.append(added)
        let number = writer.addInterface(name: added.name, linkType: added.linkType)
        #expect(number == interfaces.count - 1)
      }
      let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: index % 211)
      var copied = Copied(
        bytes, time: UInt64(index) << 40, originalLength: bytes.count + index % 3)
      copied.interface = index % interfaces.count
      copied.linkType = interfaces[copied.interface].linkType
      expected.append(copied)
      put(
        &writer, copied.interface, copied.time, bytes, original: copied.originalLength,
        comment: index % 5 == 0 ? String(repeating: "c", count: index % 17) : nil)
    }
    put(&writer, 0, 1, [UInt8](repeating: 9, count: 3 << 20))
    try writer.close()

    let all = try readAll(file)
    #expect(all.warning == nil)
    #expect(all.interfaces == interfaces)
    #expect(all.records.dropLast() == expected[...])
    #expect(all.records.last?.bytes == [UInt8](repeating: 9, count: 3 << 20))
  }

  @Test func sameCallsGiveSameBytes() throws {
    let files = [TemporaryFile(), TemporaryFile()]
    for file in files {
      var writer = try CaptureWriter(path: file.path)
      let interface = writer.addInterface(name: "a", linkType: 1)
      put(&writer, interface, 5, [1, 2, 3], comment: "x")
      try writer.close()
    }
    #expect(files[0].contents == files[1].contents)
    #expect(!files[0].contents.isEmpty)
  }

  @Test func longTextIsCutBetweenCharacters() throws {
    let file = TemporaryFile()
    let long = String(repeating: "é", count: 40_000)
    var writer = try CaptureWriter(path: file.path)
    let interface = writer.addInterface(name: long, linkType: 1)
    put(&writer, interface, 5, [1], comment: long)
    put(&writer, interface, 6, [2])
    try writer.close()
    let all = try readAll(file)
    #expect(all.records.map(\.bytes) == [[1], [2]])
    #expect(all.interfaces.map(\.name) == [String(repeating: "é", count: 32_767)])
  }

  @Test func unclosedWriterStillWrites() throws {
    let file = TemporaryFile()
    do {
      var writer = try CaptureWriter(path: file.path)
      let interface = writer.addInterface(name: "", linkType: 1)
      put(&writer, interface, 5, [1])
    }
    #expect(try readAll(file).records.count == 1)
  }

  @Test func flushMakesPacketsVisible() throws {
    let file = TemporaryFile()
    var writer = try CaptureWriter(path: file.path)
    let interface = writer.addInterface(name: "", linkType: 1)
    put(&writer, interface, 5, [1])
    #expect(file.contents.isEmpty)
    writer.flush()
    #expect(try readAll(file).records.count == 1)
    try writer.close()
  }

  @Test func errorsAreThrownAtClose() throws {
    #expect {
      _ = try CaptureWriter(path: "/nonexistent/x.pcapng")
    } throws: { error in
      if case .cannotWrite("/nonexistent/x.pcapng", _) = error as? CaptureError {
        true
      } else {
        false
      }
    }

    var full = try CaptureWriter(path: "/dev/full")
    let interface = full.addInterface(name: "", linkType: 1)
    for _ in 0..<20_000 { put(&full, interface, 1, [UInt8](repeating: 0, count: 100)) }
    #expect(closeError(&full) == .cannotWrite(path: "/dev/full", why: "No space left on device"))
    #expect(closeError(&full) == nil)

    let file = TemporaryFile()
    defer { withExtendedLifetime(file) {} }
    var wrong = try CaptureWriter(path: file.path)
    put(&wrong, 3, 1, [1])
    #expect(
      closeError(&wrong)
        == .cannotWrite(path: file.path, why: "a packet for interface 3, which was not added"))
  }

  private func closeError(_ writer: inout CaptureWriter) -> CaptureError? {
    do {
      try writer.close()
      return nil
    } catch {
      return error
    }
  }
}
