import Glibc
import LockFree
import Testing

@Suite struct SlotRingTests {
  @Test func slotsAreWholeLines() {
    let ring = SlotRing(capacity: 4, slotSize: 100)
    defer { ring.deallocate() }
    #expect(ring.slotSize == 128)
    for number in 0..<4 {
      guard let slot = unsafe ring.reserve() else {
        Issue.record("slot \(number) was refused")
        return
      }
      #expect(UInt(bitPattern: slot) % 64 == 0)
      unsafe slot.storeBytes(of: UInt64(number), as: UInt64.self)
      ring.commit()
    }
    #expect(unsafe ring.reserve() == nil)
    #expect(ring.room == 0)
    #expect(ring.count == 4)
    for number in 0..<4 {
      #expect(unsafe ring.front()?.load(as: UInt64.self) == UInt64(number))
      ring.release()
    }
    #expect(unsafe ring.front() == nil)
    #expect(ring.room == 4)
  }

  /// What is reserved and not committed is not seen, and comes again.
  @Test func reservedIsNotSeen() {
    let ring = SlotRing(capacity: 2, slotSize: 64)
    defer { ring.deallocate() }
    let first = unsafe ring.reserve()
    #expect(unsafe ring.front() == nil)
    #expect(unsafe ring.reserve() == first)
  }

  /// 200,000 messages of changing length, every byte checked.
  @Test func handsOverBetweenThreads() {
    let ring = SlotRing(capacity: 32, slotSize: 256)
    defer { ring.deallocate() }
    let total = 200_000
    var faults = 0
    let threads = Threads()
    threads.start {
      var number = 0
      while number < total {
        guard let slot = unsafe ring.reserve() else {
          sched_yield()
          continue
        }
        let length = number % 40 + 8
        unsafe slot.storeBytes(of: UInt32(number), as: UInt32.self)
        unsafe slot.storeBytes(of: UInt32(length), toByteOffset: 4, as: UInt32.self)
        for index in 8..<length {
          unsafe slot.storeBytes(
            of: UInt8(truncatingIfNeeded: number &+ index), toByteOffset: index, as: UInt8.self)
        }
        ring.commit()
        number += 1
      }
    }
    threads.start {
      var number = 0
      while number < total {
        guard let slot = unsafe ring.front() else {
          sched_yield()
          continue
        }
        let length = Int(unsafe slot.load(fromByteOffset: 4, as: UInt32.self))
        if unsafe slot.load(as: UInt32.self) != UInt32(number) || length != number % 40 + 8 {
          faults += 1
        } else {
          for index in 8..<length {
            let byte = unsafe slot.load(fromByteOffset: index, as: UInt8.self)
            if byte != UInt8(truncatingIfNeeded: number &+ index) { faults += 1 }
          }
        }
        ring.release()
        number += 1
      }
    }
    threads.join()
    #expect(faults == 0)
  }
}
