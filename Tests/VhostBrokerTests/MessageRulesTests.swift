import CFileDescriptors
import Foundation
import Testing

@testable import VhostBroker

/// Each rule that a message must keep.
@Suite struct MessageRulesTests {
  private static func event() throws -> Descriptor {
    let raw = apus_event_open()
    guard raw >= 0 else { throw Missing("an event descriptor") }
    return Descriptor(raw)
  }

  private static func pipeEnd() throws -> Descriptor {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw Missing("a pipe") }
    close(ends[1])
    return Descriptor(ends[0])
  }

  private func error(_ message: Message) -> MessageError? {
    do throws(MessageError) {
      _ = try MessageRules.check(message)
      return nil
    } catch {
      return error
    }
  }

  @Test func properMessagesPass() throws {
    let memory = try GuestMemory()
    let event = try Self.event()
    let log = Message.bytes(UInt64(4096)) + Message.bytes(UInt64(0))
    let messages = [
      Message(.getFeatures), Message(.setFeatures, value: 1 << 32), Message(.setOwner),
      Message(.resetOwner), memory.table,
      Message(.setLogBase, payload: log, descriptors: [memory.file]),
      Message(.setRingSize, ring: 255, number: 32768), GuestMemory.address(ring: 1, flags: 1),
      Message(.setRingBase, ring: 0, number: .max), Message(.getRingBase, ring: 0, number: 0),
      Message(.setRingKick, value: 3, descriptors: [event]), Message(.setRingCall, value: 0x103),
      Message(.setRingError, value: 0xff, descriptors: [event]), Message(.getProtocolFeatures),
      Message(.setProtocolFeatures, value: 8), Message(.getQueueCount),
      Message(.setRingEnable, ring: 0, number: 1), Message(.sendRARP, value: 1),
      Message(.setMTU, value: 1500), Message(.setStatus, value: 15), Message(.getStatus),
    ]
    for message in messages {
      let request = try MessageRules.check(message)
      #expect(request.rawValue == message.request)
    }
    #expect(Set(messages.map(\.request)).count == Request.allCases.count)
  }

  @Test(arguments: [0, 7, 21, 22, 24, 28, 31, 35, 37, 41, 44, 0x100, UInt32.max])
  func unknownRequestIsRefused(_ id: UInt32) {
    #expect(error(Message(request: id)) == .request(id))
  }

  @Test(
    "V-06: another version, or an answer that nobody asked for, is refused",
    arguments: [0, 2, 3, 5, 0x11, 0x8000_0001] as [UInt32])
  func wrongFlagsAreRefused(_ flags: UInt32) {
    #expect(error(Message(request: 1, flags: flags)) == .flags(flags))
  }

  @Test("V-06: a wrong size is refused")
  func wrongSizeIsRefused() {
    for request in Request.allCases where request != .setMemoryTable {
      let size = request.payloadSize ?? 0
      for wrong in [size + 1, size - 1, size + 8, Message.payloadLimit + 1] where wrong >= 0 {
        let message = Message(request, payload: [UInt8](repeating: 0, count: wrong))
        #expect(error(message) == .payloadSize(wrong))
      }
    }
    #expect(throws: MessageError.payloadSize(0x7fff_ffff)) {
      try MessageRules.payloadSize(request: 5, flags: 1, size: 0x7fff_ffff)
    }
  }

  @Test("V-01: surplus descriptors are refused")
  func surplusDescriptorsAreRefused() throws {
    let event = try Self.event()
    for request in Request.allCases where request != .setMemoryTable {
      let size = request.payloadSize ?? 0
      let payload = [UInt8](repeating: 0, count: size)
      let message = Message(request, payload: payload, descriptors: [event, event])
      #expect(error(message) == .descriptorCount(2))
    }
    #expect(error(Message(.setRingKick, value: 0)) == .descriptorCount(0))
    let polled = Message(.setRingKick, value: 0x100, descriptors: [event])
    #expect(error(polled) == .descriptorCount(1))
    let memory = try GuestMemory()
    var table = memory.table
    table.descriptors = []
    #expect(error(table) == .descriptorCount(0))
    table.descriptors = [memory.file, memory.file]
    #expect(error(table) == .descriptorCount(2))
  }

  @Test func notificationMustBeAnEvent() throws {
    for file in [try Self.pipeEnd(), try GuestMemory().file] {
      let message = Message(.setRingCall, value: 0, descriptors: [file])
      #expect(error(message) == .notificationDescriptor)
    }
  }

  /// Of ten descriptors with a message eight fit: the kernel or the channel closes the others.
  @Test("V-01: a hundred thousand surplus descriptors leave none open")
  func descriptorsAreClosed() throws {
    var ends: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    let (sender, receiver) = (try testChannel(ends[0]), try testChannel(ends[1]))
    let memory = try memoryFile(bytes: 4096, name: "surplus")
    let message = Message(
      .setOwner, descriptors: [Descriptor](repeating: memory, count: 10))
    var refused = 0
    for _ in 0..<10_000 {
      try sender.send(message, until: Instant.now() + 1_000)
      do {
        let came = try receiver.receive(until: Instant.now() + 1_000) { (_, _, size) in Int(size) }
        _ = try MessageRules.check(came)
      } catch {
        refused += 1
        // What is left of a message whose descriptors were refused.
        var rest = [UInt8](repeating: 0, count: 64)
        _ = recv(receiver.descriptor, &rest, rest.count, Int32(MSG_DONTWAIT))
      }
    }
    #expect(refused == 10_000)
    #expect(try openDescriptors(named: "/memfd:surplus (deleted)") == 1)
  }

  @Test("V-05: memory for requests in flight is neither offered nor taken", arguments: [31, 32])
  func inflightMemory(_ id: UInt32) throws {
    let event = try memoryFile(bytes: 4096)
    for descriptors in [[], [event]] {
      let payload = [UInt8](repeating: 0xFF, count: 24)
      #expect(
        error(Message(request: id, payload: payload, descriptors: descriptors)) == .request(id))
    }
    // Bit 12 of the protocol's features.
    #expect(ProtocolFeature.relayed & 1 << 12 == 0)
  }

  @Test(
    "V-03: a ring beyond the last is refused", arguments: [256, 0x10000, UInt32.max])
  func ringOutOfRangeIsRefused(_ ring: UInt32) throws {
    for request in [Request.setRingSize, .setRingBase, .getRingBase, .setRingEnable] {
      #expect(error(Message(request, ring: ring, number: 1)) == .ring(UInt64(ring)))
    }
    #expect(error(GuestMemory.address(ring: ring)) == .ring(UInt64(ring)))
  }

  @Test(
    "V-03: a notification of a ring beyond the last is refused",
    arguments: [0x200, 0x10000, 1 << 32, UInt64.max])
  func notificationOfRingOutOfRangeIsRefused(_ value: UInt64) throws {
    let message = Message(.setRingKick, value: value, descriptors: [try Self.event()])
    #expect(error(message) == .ring(value))
  }

  @Test func ringValuesAreBounded() {
    #expect(error(Message(.setRingSize, ring: 0, number: 0)) == .ringSize(0))
    #expect(error(Message(.setRingSize, ring: 1, number: 4)) == .ringSize(4))
    #expect(error(Message(.setRingSize, ring: 0, number: 63)) == .ringSize(63))
    #expect(error(Message(.setRingSize, ring: 0, number: 64)) == nil)
    #expect(error(Message(.setRingSize, ring: 0, number: 32769)) == .ringSize(32769))
    #expect(error(Message(.setRingEnable, ring: 0, number: 2)) == .ringState(2))
    #expect(error(GuestMemory.address(ring: 0, flags: 2)) == .ringAddress)
  }

  @Test("V-04: a log that leaves its file is refused")
  func logStaysInItsFile() throws {
    let memory = try GuestMemory()
    for (size, offset) in [(0, 0), (1 << 20, 0), (4096, 1 << 20), (UInt64.max, 2)] {
      let payload = Message.bytes(UInt64(size)) + Message.bytes(UInt64(offset))
      let message = Message(.setLogBase, payload: payload, descriptors: [memory.file])
      #expect(error(message) == .log)
    }
  }

  @Test func replyMustFit() throws {
    let question = Message(.getRingBase, ring: 1, number: 0)
    var good = Message(.getRingBase, ring: 1, number: 7)
    good.flags = 5
    try MessageRules.checkReply(good, to: question, .getRingBase)
    var bad = [good, good, good, good, good]
    bad[0].flags = 1
    bad[1].request = 1
    bad[2].payload = []
    bad[3].payload[0] = 0
    bad[4].descriptors = [try Self.event()]
    for reply in bad {
      #expect(throws: MessageError.self) {
        try MessageRules.checkReply(reply, to: question, .getRingBase)
      }
    }
  }

  @Test(arguments: 1...4)
  func randomMessagesNeverCrash(_ seed: UInt64) throws {
    let memory = try memoryFile(bytes: 8192, name: "fuzz-\(seed)")
    var random = SplitMix(state: seed)
    var (taken, refused) = (0, 0)
    for _ in 0..<20_000 {
      let message = try Self.random(&random, memory)
      var record = SessionRecord()
      do throws(MessageError) {
        let request = try MessageRules.check(message)
        try record.apply(request, message)
        _ = record.base(ofRing: message.ring)
        _ = record.answer(request, message)
        taken += 1
      } catch {
        refused += 1
      }
    }
    #expect(taken > 100 && refused > 100)
    // Of all the copies only the first is left.
    #expect(try openDescriptors(named: "/memfd:fuzz-\(seed) (deleted)") == 1)
  }

  /// A message that is right in most things, so that the rules behind the first are reached too.
  private static func random(_ random: inout SplitMix, _ memory: Descriptor) throws -> Message {
    let small: [UInt64] = [0, 1, 2, 8, 0xff, 0x100, 0x1000, 0x2000, .max, .max - 0xfff]
    let id = UInt32(random.next() % 45)
    let wanted = Request(rawValue: id)?.payloadSize ?? Int(8 + 32 * (random.next() % 9))
    let size = random.next() % 8 == 0 ? Int(random.next() % 300) : wanted
    var payload: [UInt8] = []
    while payload.count < size {
      let word = random.next() % 4 == 0 ? random.next() : small[Int(random.next() % 10)]
      payload += Message.bytes(word)
    }
    payload = Array(payload[..<size])
    var count = Int(random.next() % 4)
    if id == 5, size >= 8, random.next() % 4 != 0 {
      count = (size - 8) / 32
      payload[0..<4] = Message.bytes(UInt32(count))[...]
    }
    let descriptors = try (0..<min(count, 9)).map { _ in
      if [12, 13, 14].contains(id) { return try event() }
      return Descriptor(dup(memory.raw))
    }
    return Message(
      request: id, flags: random.next() % 8 == 0 ? UInt32(random.next() % 16) : 1,
      payload: payload, descriptors: descriptors)
  }
}

/// SplitMix64: the same numbers for the same seed.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// How many of this process's descriptors lead to a file of this name.
func openDescriptors(named name: String) throws -> Int {
  let folder = "/proc/self/fd"
  return try FileManager.default.contentsOfDirectory(atPath: folder).count { entry in
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(entry)")) == name
  }
}
