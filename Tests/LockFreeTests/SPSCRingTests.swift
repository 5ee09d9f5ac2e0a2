import Glibc
import LockFree
import Testing

@Suite struct SPSCRingTests {
  /// Moves numbers in, from an array.
  static func push(_ numbers: [UInt64], to ring: SPSCRing<UInt64>) -> Int {
    var numbers = numbers
    return numbers.withUnsafeMutableBufferPointer { unsafe ring.push($0) }
  }

  static func pop(_ count: Int, from ring: SPSCRing<UInt64>) -> [UInt64] {
    [UInt64](unsafeUninitializedCapacity: count) { buffer, initialized in
      initialized = unsafe ring.pop(into: buffer)
    }
  }

  @Test func keepsOrderAroundTheEnd() {
    let ring = SPSCRing<UInt64>(capacity: 8)
    defer { ring.deallocate() }
    var next: UInt64 = 0
    var expected: UInt64 = 0
    for round in 0..<100 {
      let numbers = (0..<UInt64(round % 8 + 1)).map { next + $0 }
      #expect(Self.push(numbers, to: ring) == numbers.count)
      next += UInt64(numbers.count)
      for number in Self.pop(8, from: ring) {
        #expect(number == expected)
        expected += 1
      }
    }
    #expect(expected == next)
    #expect(ring.count == 0)
  }

  @Test func refusesWhenFull() {
    let ring = SPSCRing<UInt64>(capacity: 4)
    defer { ring.deallocate() }
    #expect(Self.push([1, 2, 3, 4, 5, 6], to: ring) == 4)
    #expect(ring.count == 4)
    #expect(Self.push([7], to: ring) == 0)
    #expect(Self.pop(1, from: ring) == [1])
    #expect(Self.push([7, 8], to: ring) == 1)
    #expect(Self.pop(9, from: ring) == [2, 3, 4, 7])
    #expect(Self.pop(9, from: ring) == [])
  }

  @Test func stagedIsSeenWhenPublished() {
    let ring = SPSCRing<UInt64>(capacity: 2)
    defer { ring.deallocate() }
    var number: UInt64 = 5
    #expect(unsafe ring.stage(&number))
    #expect(unsafe ring.stage(&number))
    #expect(unsafe !ring.stage(&number))
    #expect(ring.count == 0)
    #expect(Self.pop(2, from: ring) == [])
    ring.publish()
    #expect(Self.pop(2, from: ring) == [5, 5])
  }

  /// Two threads, two million numbers in bursts of changing size, through rings of several sizes.
  @Test(arguments: [1, 2, 64, 1024])
  func handsOverBetweenThreads(capacity: Int) {
    let ring = SPSCRing<UInt64>(capacity: capacity)
    defer { ring.deallocate() }
    let total: UInt64 = capacity < 64 ? 100_000 : 2_000_000
    var refused = 0
    var faults = 0
    var sum: UInt64 = 0
    let threads = Threads()
    threads.start {
      let memory = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 64)
      defer { memory.deallocate() }
      var next: UInt64 = 0
      var size = 1
      while next < total {
        size = size % 61 + 1
        let count = min(size, Int(total - next))
        for index in 0..<count { memory[index] = next + UInt64(index) }
        let taken = unsafe ring.push(UnsafeMutableBufferPointer(rebasing: memory[0..<count]))
        if taken < count { refused += 1 }
        if taken == 0 { sched_yield() }
        next += UInt64(taken)
      }
    }
    threads.start {
      let memory = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 64)
      defer { memory.deallocate() }
      var expected: UInt64 = 0
      var size = 1
      while expected < total {
        size = size % 53 + 1
        let count = unsafe ring.pop(into: UnsafeMutableBufferPointer(rebasing: memory[0..<size]))
        for index in 0..<count {
          if memory[index] != expected { faults += 1 }
          sum &+= memory[index]
          expected += 1
        }
        if count == 0 { sched_yield() }
      }
    }
    threads.join()
    #expect(faults == 0)
    #expect(sum == total * (total - 1) / 2)
    #expect(ring.count == 0)
  }
}
