import Glibc
import LockFree
import Testing

@Suite struct PublicationTests {
  /// What readers follow: both numbers are the generation, until the writer frees it.
  struct Record {
    var generation: UInt64
    var copy: UInt64
  }

  @Test func pointerIsReplaced() {
    let memory = SharedMemory(lines: 1)
    defer { memory.deallocate() }
    let pointer = PublishedPointer<Record>(memory.line(0))
    #expect(unsafe pointer.load() == nil)
    let record = UnsafeMutablePointer<Record>.allocate(capacity: 1)
    defer { record.deallocate() }
    record.initialize(to: Record(generation: 2, copy: 2))
    #expect(unsafe pointer.publish(record) == nil)
    #expect(unsafe pointer.load()?.pointee.copy == 2)
    #expect(unsafe pointer.publish(nil) == UnsafePointer(record))
  }

  @Test func offlineReadersAreNotWaitedFor() {
    let state = QuiescentState(readers: 2)
    defer { state.deallocate() }
    #expect(state.havePassed(9))
    state.goOnline(1)
    #expect(!state.havePassed(2))
    state.announce(1, 5)
    #expect(state.havePassed(5))
    #expect(!state.havePassed(6))
    #expect(!state.waitUntilPassed(6, attempts: 3, microseconds: 10))
    state.goOffline(1)
    #expect(state.havePassed(6))
  }

  /// A writer replaces records and spoils those that no reader uses any more, two readers follow:
  /// none ever sees a spoilt one.
  @Test("A-03: replaced records are not used")
  func replacedRecordsAreNotUsed() {
    let memory = SharedMemory(lines: 2)
    defer { memory.deallocate() }
    let pointer = PublishedPointer<Record>(memory.line(0))
    let stop = StopFlag(memory.line(1))
    let state = QuiescentState(readers: 2)
    defer { state.deallocate() }
    let records = UnsafeMutablePointer<Record>.allocate(capacity: 2)
    defer { records.deallocate() }
    records.initialize(repeating: Record(generation: 0, copy: 0), count: 2)
    // Each thread writes a word of its own.
    let faults = SharedMemory(lines: 2)
    let reads = SharedMemory(lines: 2)
    let online = SharedMemory(lines: 2)
    defer {
      online.deallocate()
      faults.deallocate()
      reads.deallocate()
    }
    var unpassed = 0
    let threads = Threads()
    for reader in 0..<2 {
      threads.start {
        var (wrong, done): (UInt64, UInt64) = (0, 0)
        state.goOnline(reader)
        online.line(reader).store(1)
        var newest: UInt64 = 0
        while !stop.isSet {
          guard let record = unsafe pointer.load() else { continue }
          let generation = unsafe record.pointee.generation
          state.announce(reader, generation)
          for _ in 0..<20 {
            if unsafe record.pointee.generation != generation
              || record.pointee.copy != generation || generation < newest
            {
              wrong += 1
            }
          }
          newest = generation
          done += 1
        }
        state.goOffline(reader)
        faults.line(reader).store(wrong)
        reads.line(reader).store(done)
      }
    }
    threads.start {
      // A reader that has no processor before all is over would prove nothing.
      while online.line(0).load() == 0 || online.line(1).load() == 0 { usleep(100) }
      for generation in UInt64(2)..<2_000 {
        let place = records + Int(generation % 2)
        place.pointee = Record(generation: generation, copy: generation)
        let old = unsafe pointer.publish(place)
        if !state.waitUntilPassed(generation, attempts: 100_000, microseconds: 20) { unpassed += 1 }
        if let old {
          UnsafeMutablePointer(mutating: old).pointee = Record(generation: 1, copy: 0)
        }
      }
      stop.set()
    }
    threads.join()
    #expect(unpassed == 0)
    for reader in 0..<2 {
      #expect(faults.line(reader).load() == 0)
      #expect(reads.line(reader).load() > 0)
    }
  }

  /// Two threads send a token back and forth, each asleep until it comes: were a wake-up lost, the
  /// sleeper would sit out its second, and the test its limit.
  @Test func noWakeUpIsLost() {
    let sleepers = Sleepers(count: 2)
    let memory = SharedMemory(lines: 1)
    let token = memory.line(0)
    let descriptors = [Sleepers.makeDescriptor(), Sleepers.makeDescriptor()]
    defer {
      sleepers.deallocate()
      memory.deallocate()
      for descriptor in descriptors { close(descriptor) }
    }
    for thread in 0..<2 { sleepers.setDescriptor(thread, descriptors[thread]) }
    let timeouts = SharedMemory(lines: 2)
    defer { timeouts.deallocate() }
    let rounds: UInt64 = 20_000
    let threads = Threads()
    for thread in 0..<2 {
      threads.start {
        var late: UInt64 = 0
        var next = UInt64(thread)
        while next < rounds {
          while token.load() != next {
            sleepers.announceSleep(thread)
            if token.load() != next {
              var poll = pollfd(fd: descriptors[thread], events: Int16(POLLIN), revents: 0)
              if Glibc.poll(&poll, 1, 1_000) == 0 && token.load() == next { late += 1 }
              var count: UInt64 = 0
              _ = read(descriptors[thread], &count, 8)
            }
            sleepers.announceAwake(thread)
            if late > 3 { break }
          }
          token.store(next + 1)
          sleepers.wake(1 - thread)
          next += 2
        }
        timeouts.line(thread).store(late)
      }
    }
    threads.join()
    #expect(timeouts.line(0).load() == 0)
    #expect(timeouts.line(1).load() == 0)
    #expect(token.load() >= rounds)
  }
}
