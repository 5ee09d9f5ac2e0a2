import CFileDescriptors
import Foundation
import Testing

@testable import VhostBroker

/// Front-ends that break the protocol, and what others notice of it.
@Suite(.serialized) struct HostileFrontendTests {
  /// Writes bytes as they are.
  private static func write(_ bytes: [UInt8], to frontend: FakeFrontend) {
    _ = Foundation.send(
      frontend.channel.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  @Test(
    "V-06: a message that breaks a rule ends its session",
    arguments: [
      Message(request: 22, payload: [1, 2, 3, 4, 5, 6, 7, 8]), Message(request: 1, flags: 2),
      Message(.setRingSize, ring: 0x10000, number: 256),
      Message(.setFeatures, value: Feature.iommuPlatform),
      Message(request: 2, payload: []), Message(request: 1, flags: 5),
    ])
  func brokenRuleEndsTheSession(_ message: Message) throws {
    let bench = try Bench()
    let backend = try bench.backend()
    let frontend = try bench.frontend()
    let level = bench.broker.descriptors
    try frontend.send(message)
    #expect(frontend.isClosed)
    #expect(eventually { backend.isClosed })
    #expect(backend.messages.isEmpty)
    #expect(bench.broker.descriptors <= level)
    #expect(bench.broker.isRunning)
  }

  @Test("V-01: surplus descriptors are closed and end the session")
  func surplusDescriptorsAreClosed() throws {
    let bench = try Bench()
    var level = 0
    for round in 0..<10 {
      let backend = try bench.backend()
      let frontend = try bench.frontend()
      let event = Descriptor(apus_event_open())
      let many = [Descriptor](repeating: event, count: round % 2 == 0 ? 10 : 3)
      try frontend.send(Message(.setOwner, descriptors: many))
      #expect(frontend.isClosed)
      #expect(eventually { backend.isClosed })
      if round == 0 { level = bench.broker.descriptors }
    }
    #expect(bench.broker.descriptors <= level + 1)
  }

  @Test("V-02: a ring told of a hundred thousand times leaves nothing behind")
  func ringToldAgainAndAgain() throws {
    let bench = try Bench()
    let backend = try bench.backend()
    let frontend = try bench.frontend()
    try frontend.start()
    func tell(_ times: Int) throws {
      for round in 0..<times {
        let ring = UInt32(round % 2)
        try frontend.send(Message(.setRingSize, ring: ring, number: 256))
        let call = Message(
          .setRingCall, value: UInt64(ring), descriptors: [frontend.calls[Int(ring)]])
        if round % 10 == 0 { try frontend.send(call) }
        if round % 100 == 0 { _ = try frontend.acknowledged(Message(.setMTU, value: 1500)) }
      }
      _ = try frontend.ask(Message(.getFeatures))
    }
    try tell(1_000)
    backend.forget()
    let (descriptors, resident) = (bench.broker.descriptors, bench.broker.resident)
    try tell(100_000)
    #expect(bench.broker.descriptors <= descriptors)
    #expect(bench.broker.resident < resident + 2048, "KiB, from \(resident)")
    #expect(!backend.isClosed)
  }

  @Test("V-07: half a message holds up nobody else")
  func halfAMessageHoldsUpNobodyElse() throws {
    let folder = try TestFolder()
    let listeners = try ["a", "b"].map { try Listener(path: folder.file("\($0).sock")) }
    let broker = try BrokerProcess(
      folder, guests: ["a", "b"].map { "eni=\($0),socket=\(folder.file("\($0).sock"))" })
    let backends = try ["a", "b"].map { try FakeBackend(broker.innerSocket($0)) }
    let hostile = try FakeFrontend(acceptedFrom: listeners[0])
    let good = try FakeFrontend(acceptedFrom: listeners[1])
    let header = Array(Message(.setFeatures, value: 1).encoded.prefix(12))
    Self.write(header, to: hostile)
    let began = Instant.now()
    for _ in 0..<100 { _ = try good.ask(Message(.getFeatures)) }
    // Far less than the second that the half message may take.
    #expect(Instant.now() < began + 900)
    #expect(hostile.isClosed)
    #expect(eventually { backends[0].isClosed })
    try good.start()
    #expect(!backends[1].isClosed)
    // The guest is served again when it behaves.
    let next = try FakeBackend(broker.innerSocket("a"))
    let again = try FakeFrontend(acceptedFrom: listeners[0])
    try again.start()
    #expect(next.last(.setStatus) != nil)
  }

  @Test("V-07: a byte now and then is too slow")
  func byteNowAndThenIsTooSlow() throws {
    let bench = try Bench()
    let backend = try bench.backend()
    let frontend = try bench.frontend()
    let bytes = Message(.setFeatures, value: 1).encoded
    let began = Instant.now()
    for byte in bytes {
      Self.write([byte], to: frontend)
      usleep(200_000)
    }
    #expect(frontend.isClosed)
    #expect(backend.messages.isEmpty)
    #expect(Instant.now() < began + 60_000)
  }

  @Test(arguments: 1...3)
  func randomBytesNeverEndTheBroker(_ seed: UInt64) throws {
    let bench = try Bench()
    var random = SplitMix(state: seed)
    for _ in 0..<10 {
      let backend = try bench.backend()
      let frontend = try bench.frontend()
      let count = 12 + Int(random.next() % 200)
      Self.write((0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }, to: frontend)
      shutdown(frontend.channel.descriptor, Int32(SHUT_WR))
      #expect(frontend.isClosed)
      #expect(eventually { backend.isClosed })
    }
    #expect(bench.broker.isRunning)
  }

  @Test func ringOutsideItsMemoryIsReplayedWithItsOldBase() throws {
    let bench = try Bench()
    let first = try bench.backend()
    let frontend = try bench.frontend()
    try frontend.start()
    try frontend.send(Message(.setRingBase, ring: 0, number: 42))
    #expect(try frontend.acknowledged(GuestMemory.address(ring: 0, used: .max - 1)) == 0)
    first.close()
    let second = try bench.backend()
    #expect(eventually { second.last(.setStatus) != nil })
    let base = second.messages.first { $0.request == Request.setRingBase.rawValue }
    #expect(base?.number == 42)
  }
}
