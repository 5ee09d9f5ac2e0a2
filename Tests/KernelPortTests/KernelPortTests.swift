import Datapath
import Foundation
import HostPlan
import KernelPort
import Live
import Testing
import Wire

/// All tests of the kernel runtime, one after the other: they share two processors.
@Suite(.serialized, .enabled(if: Lab.obstacle == nil, "needs root, iproute2, ethtool and python3"))
enum KernelPortTests {}

func uplinkPlan(
  queues: Int = 1, workers: Int = 1, guests: [GuestPlan] = [],
  memory: MemoryPlan = MemoryPlan(buffersPerGuest: 512, buffersForUplink: 1024)
) -> HostPlan {
  HostPlan(
    runtime: .kernel, workers: WorkerPlan(cores: Array(repeating: nil, count: workers)),
    uplink: UplinkPlan(device: .interface("u0"), queues: queues), guests: guests, memory: memory)
}

extension KernelPortTests {
  @Suite struct UplinkTests {
    /// Swaps addresses and ports of a UDP packet, so that it goes back to its sender.
    static func turnAround(_ packet: borrowing Packet) {
      let base = packet.base
      func swap(_ a: Int, _ b: Int, _ count: Int) {
        for byte in 0..<count {
          let first = base.load(fromByteOffset: a + byte, as: UInt8.self)
          let second = base.load(fromByteOffset: b + byte, as: UInt8.self)
          base.storeBytes(of: second, toByteOffset: a + byte, as: UInt8.self)
          base.storeBytes(of: first, toByteOffset: b + byte, as: UInt8.self)
        }
      }
      let isIPv4 = base.load(fromByteOffset: 12, as: UInt8.self) == 8
      swap(0, 6, 6)
      if isIPv4 { swap(26, 30, 4) } else { swap(22, 38, 16) }
      swap(isIPv4 ? 34 : 54, isIPv4 ? 36 : 56, 2)
    }

    /// Sends datagrams from the peer to the addresses and ports, and prints how many came back.
    static func exchange(_ targets: [(String, Int)], times: Int = 1) -> String {
      let list = targets.map { "('\($0.0)',\($0.1))" }.joined(separator: ",")
      return """
        ip netns exec PEER python3 -c "
        import socket,time
        back=0
        for host,port in [\(list)]:
          s=socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
          s.connect((host,port)); s.settimeout(3)
          for i in range(\(times)):
            try:
              s.send(b'x'*100)
              s.recv(2000); back+=1
            except OSError: pass
        print(back)"
        """
    }

    @Test(arguments: ["10.9.0.1", "fd09::1"])
    func tunnelPacketsComeAndGo(_ address: String) throws {
      let lab = try Lab.joined("a")
      let other = address == "10.9.0.1" ? "10.9.0.3" : "fd09::3"
      try lab.inHost {
        var runtime = try KernelRuntime(uplinkPlan(), tunnelAddress: IPAddress(address))
        defer { runtime.close() }
        let (isNative, mac) = (runtime.isNative, runtime.uplinkMAC)
        #expect(isNative && mac != 0)
        var io = runtime.makeIO(worker: 0)
        let burst = TestBurst()
        let peer = try lab.start(
          Self.exchange([(address, 6081), (address, 4789), (address, 7000), (other, 6081)]))
        var ports: [Int] = []
        var isOver = false
        poll(&io, port: 0, burst: burst, seconds: 15, until: { isOver }) { io, slot in
          ports.append(burst.bytes(slot).destinationPort)
          Self.turnAround(burst.packets[slot])
          io.send(&burst.packets[slot], port: 0, headers: HeaderOffsets())
          isOver = ports.count == 2
        }
        io.flush()
        peer.process.waitUntilExit()
        let text = try peer.pipe.fileHandleForReading.readToEnd() ?? Data()
        #expect(ports == [6081, 4789])
        #expect(String(decoding: text, as: UTF8.self) == "2\n")
        // All else is the kernel's: ping (with ARP and ND) and TCP.
        try lab.sh("ip netns exec PEER ping -c 3 -i 0.2 -W 2 \(address)")
        try lab.sh("ip netns exec PEER ping -c 1 -W 2 \(other)")
        // Fragments are the kernel's too.
        try lab.sh(
          """
          ip netns exec PEER python3 -c "
          import socket
          s=socket.socket(socket.AF_INET6 if ':' in '\(address)' else socket.AF_INET, socket.SOCK_DGRAM)
          s.sendto(b'x'*3000, ('\(address)', 6081))"
          """)
        let fragments = io.receive(port: 0, into: burst.packets)
        #expect(fragments == 0)
        io.flush()
        let counters = runtime.counters(port: 0)
        #expect(counters.receivedPackets == 2)
        #expect(counters.sentPackets == 2)
        #expect(counters.buffersInUse == 0)
      }
    }

    /// Two workers over two queues, and over one, where the second sends without a queue of its own.
    /// Every other packet is sent by the worker that did not receive it.
    @Test(arguments: [1, 2])
    func buffersComeHome(queues: Int) throws {
      let lab = try Lab.joined("w", queues: queues)
      try lab.inHost {
        var runtime = try KernelRuntime(
          uplinkPlan(queues: queues, workers: 2), tunnelAddress: IPAddress("10.9.0.1"))
        defer { runtime.close() }
        var first = runtime.makeIO(worker: 0)
        var second = runtime.makeIO(worker: 1)
        let burst = TestBurst()
        let peer = try lab.start(
          Self.exchange([("10.9.0.1", 6081), ("10.9.0.1", 4789)], times: 5000), seconds: 40)
        var taken = 0
        let end = Date().addingTimeInterval(40)
        while peer.process.isRunning && Date() < end {
          for worker in 0..<2 {
            let count =
              worker == 0
              ? first.receive(port: 0, into: burst.packets)
              : second.receive(port: 0, into: burst.packets)
            for slot in 0..<count {
              Self.turnAround(burst.packets[slot])
              taken += 1
              if taken % 2 == 0 {
                first.send(&burst.packets[slot], port: 0, headers: HeaderOffsets())
              } else {
                second.send(&burst.packets[slot], port: 0, headers: HeaderOffsets())
              }
            }
          }
          first.flush()
          second.flush()
        }
        first.flush()
        second.flush()
        let text = try peer.pipe.fileHandleForReading.readToEnd() ?? Data()
        #expect(String(decoding: text, as: UTF8.self) == "10000\n")
        let counters = runtime.counters(port: 0)
        #expect(counters.receivedPackets == 10_000 && counters.sentPackets == 10_000)
        #expect(counters.buffersInUse == 0)
      }
    }

    /// A wait ends when another thread says so, and when its time is over.
    @Test func waitsEnd() throws {
      let lab = try Lab.joined("t")
      try lab.inHost {
        var runtime = try KernelRuntime(uplinkPlan(), tunnelAddress: nil)
        defer { runtime.close() }
        var io = runtime.makeIO(worker: 0)
        let start = Date()
        io.wait(microseconds: 50_000)
        #expect(Date().timeIntervalSince(start) > 0.04)
        runtime.wake(worker: 0)
        io.wait(microseconds: 20_000_000)
        #expect(Date().timeIntervalSince(start) < 10)
      }
    }
  }
}
