import Datapath
import Glibc
import TestPackets
import Testing
import Wire

@testable import Live

/// Workers on threads of their own.
@Suite struct RunTests {
  /// Looks every millisecond, for 20 seconds at most.
  static func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<20_000 {
      if condition() { return true }
      usleep(1_000)
    }
    return condition()
  }

  @Test func clockIsTheSystems() {
    let clock = PollClock.calibrated()
    var before = clock.now()
    var time = timespec()
    for _ in 0..<10_000 {
      let now = clock.now()
      #expect(now >= before)
      before = now
    }
    usleep(50_000)
    clock_gettime(CLOCK_MONOTONIC, &time)
    let system = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    let difference = Int64(bitPattern: clock.now() &- system)
    #expect(abs(difference) < 20_000_000)
  }

  @Test func idleWorkerSleepsAndStops() throws {
    let host = try LiveHost()
    let threads = Threads()
    threads.start {
      var worker = host.worker()
      worker.run()
    }
    #expect(Self.eventually { host.count(.sleeps) > 3 })
    host.wires.put([LiveHost.datagram(to: "10.0.1.20")], port: LiveHost.webPort)
    #expect(Self.eventually { host.count(.sent) == 1 })
    #expect(host.answer(Answer(.underlay), LiveHost.arp()))
    #expect(Self.eventually { host.count(.generated) == 1 })
    host.shared.stop()
    threads.join()
    #expect(host.wires.take(port: 0).count == 2)
    host.expectLevel()
  }

  @Test("A-03: tables are replaced under traffic")
  func tablesAreReplacedUnderTraffic() throws {
    let host = try LiveHost(workers: 2)
    let threads = Threads()
    for index in 0..<2 {
      threads.start {
        var worker = host.worker(index)
        worker.run()
      }
    }
    let total = 2_000
    for number in 0..<total {
      host.wires.put(
        [LiveHost.datagram(to: "10.0.1.20", from: UInt16(number % 500 + 1))],
        port: LiveHost.webPort, worker: number % 2)
      if number % 50 == 0 { #expect(host.publish()) }
    }
    #expect(Self.eventually { host.count(.sent) == UInt64(total) })
    host.shared.stop()
    threads.join()
    host.expectLevel()
  }

  // MARK: Other workers

  /// Puts a guest's frame into a worker's burst as if the engine had said whose it is.
  static func handOver(
    _ frame: [UInt8], from worker: inout LiveWorker<WireIO>, _ host: LiveHost, to target: Int,
    nic: UInt32 = 0
  ) {
    guard let memory = host.wires.lend(frame.count), let tables = unsafe host.shared.tables.load()
    else { return }
    WireIO.fill(&worker.burst[0], memory, frame)
    worker.burst[0].origin = .guest
    worker.burst[0].nic = nic
    worker.burst[0].verdict = .handOver
    worker.burst[0].output = .worker(target)
    worker.ports[0] = UInt16(LiveHost.webPort)
    worker.count(.received, 1)
    unsafe worker.handOver(0, tables)
  }

  @Test func handedOverPacketIsJudgedThere() throws {
    let host = try LiveHost(workers: 2)
    var first = host.worker(0)
    var second = host.worker(1)
    Self.handOver(LiveHost.datagram(to: "10.0.1.20"), from: &first, host, to: 1)
    LiveHost.poll(&second, finds: false)
    first.wakeOthers()
    LiveHost.poll(&second)
    #expect(host.wires.take(port: 0).count == 1)
    #expect(host.count(.handedOver) == 1)
    #expect(host.count(.takenOver) == 1)
    host.expectLevel()
  }

  @Test func ownerThatIsBehindLosesPackets() throws {
    let host = try LiveHost(workers: 2)
    var first = host.worker(0)
    var second = host.worker(1)
    for _ in 0..<1_100 {
      Self.handOver(LiveHost.datagram(to: "10.0.1.20"), from: &first, host, to: 1)
    }
    first.wakeOthers()
    #expect(first.engine.dropCount(0, .workerFull) == 76)
    #expect(host.wires.buffersInUse == 1_024)
    for _ in 0..<16 { LiveHost.poll(&second) }
    #expect(host.wires.take(port: 0).count == 1_024)
    // Nobody is a worker of that number.
    Self.handOver(LiveHost.datagram(to: "10.0.1.20"), from: &first, host, to: 5)
    #expect(first.engine.dropCount(0, .workerFull) == 77)
    host.expectLevel()
  }

  /// Two threads: one hands every packet over, the other sleeps whenever it may. All arrive, in
  /// order, or are counted; what is under way at the end is given back.
  @Test(arguments: [true, false])
  func threadsHandOver(waitsForAll: Bool) throws {
    let host = try LiveHost(workers: 2)
    let threads = Threads()
    let total = 20_000
    threads.start {
      var worker = host.worker(0)
      for number in 0..<total {
        let frame = LiveHost.datagram(to: "10.0.1.20", from: UInt16(number / 100 + 1))
        Self.handOver(
          Array(frame.dropLast(4)) + Compose.bytes(UInt64(number), 4), from: &worker, host, to: 1)
        if number % 7 == 0 { worker.wakeOthers() }
        if number % 997 == 0 { usleep(2_000) }
      }
      worker.wakeOthers()
      if waitsForAll {
        _ = Self.eventually { host.count(.takenOver) == host.count(.handedOver) }
      }
      host.shared.stop()
      worker.end()
    }
    threads.start {
      var worker = host.worker(1)
      worker.run()
    }
    threads.join()
    var newest = -1
    var faults = 0
    for frame in host.wires.take(port: 0) {
      let number = frame.bytes.suffix(4).reduce(0) { $0 << 8 | Int($1) }
      if number <= newest { faults += 1 }
      newest = number
    }
    #expect(faults == 0)
    #expect(host.count(.takenOver) == host.count(.handedOver))
    #expect(host.count(.received) == UInt64(total))
    host.expectLevel()
  }
}
