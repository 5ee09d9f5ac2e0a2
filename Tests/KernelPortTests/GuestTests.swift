import Datapath
import Foundation
import HostPlan
import KernelPort
import Live
import Testing
import Wire

extension KernelPortTests {
  @Suite struct GuestTests {
    /// Where the headers of a TCP packet without options of IP stand.
    static func offsets(_ bytes: [UInt8]) -> HeaderOffsets {
      guard bytes.count >= 54 else { return HeaderOffsets() }
      let isIPv6 = bytes.word(12) == 0x86DD
      let transport = isIPv6 ? 54 : 34
      let isTCP = bytes[isIPv6 ? 20 : 23] == 6
      let header = isTCP && bytes.count > transport + 12 ? Int(bytes[transport + 12] >> 4) * 4 : 8
      return HeaderOffsets(
        network: 14, transport: UInt16(transport), payload: UInt16(transport + header),
        isIPv6: isIPv6, isTCP: isTCP)
    }

    /// A TCP transfer from one guest to the other, in both directions at once; prints the digests.
    static let server = """
      ip netns exec PEER python3 -c "
      import socket,hashlib
      l=socket.create_server(('ADDRESS',5000),family=socket.AF_INET6 if ':' in 'ADDRESS' else socket.AF_INET)
      l.settimeout(15); c,_=l.accept(); c.settimeout(15); h=hashlib.sha256(); n=0
      while n<SIZE:
        d=c.recv(1<<20)
        if not d: break
        h.update(d); n+=len(d)
      c.sendall(h.digest()); c.sendall(bytes(range(256))*(SIZE//256)); c.close()"
      """
    static let client = """
      ip netns exec PEERb python3 -c "
      import socket,hashlib,os,time
      for i in range(50):
        try: c=socket.create_connection(('ADDRESS',5000),timeout=3); break
        except OSError: time.sleep(0.1)
      c.settimeout(15); data=os.urandom(SIZE); c.sendall(data)
      got=b''
      while True:
        d=c.recv(1<<20)
        if not d: break
        got+=d
      print(got[:32]==hashlib.sha256(data).digest(), got[32:]==bytes(range(256))*(SIZE//256))"
      """

    static func fill(_ text: String, _ address: String) -> String {
      text.replacingOccurrences(of: "ADDRESS", with: address)
        .replacingOccurrences(of: "SIZE", with: "8388608")
    }

    /// A tap of Apus's own and a veth end: super-packets cross whole, in both directions.
    @Test(arguments: ["10.8.0.1", "fd08::1"], [1, 2])
    func superPacketsCrossWhole(_ address: String, queues: Int) throws {
      let lab = try Lab(
        "g",
        """
        ip netns add PEERb
        ip link add v0 netns HOST numrxqueues 2 numtxqueues 2 type veth \
          peer name v1 netns PEERb numrxqueues 2 numtxqueues 2
        ip -n PEERb addr add 10.8.0.2/24 dev v1; ip -n PEERb addr add fd08::2/64 dev v1 nodad
        ip -n PEERb link set v1 up
        """)
      defer { _ = try? lab.sh("ip netns del PEERb") }
      try lab.inHost {
        let guests = [
          GuestPlan(networkInterface: "eni-a", device: .tap("t0"), queues: queues),
          GuestPlan(networkInterface: "eni-b", device: .interface("v0"), queues: queues),
        ]
        var plan = uplinkPlan(guests: guests)
        plan.uplink = nil
        var runtime = try KernelRuntime(plan, tunnelAddress: nil)
        defer { runtime.close() }
        try lab.sh(
          """
          ip -n HOST link set t0 netns PEER; ip -n PEER addr add 10.8.0.1/24 dev t0
          ip -n PEER addr add fd08::1/64 dev t0 nodad; ip -n PEER link set t0 up
          """)
        var io = runtime.makeIO(worker: 0)
        // The kernel takes up to a second to say that a link is up.
        for _ in 0..<200 where !io.offloads(port: 2).contains(.isUp) {
          usleep(20_000)
          runtime.refresh()
        }
        let offloads = (io.offloads(port: 1), io.offloads(port: 2))
        #expect(offloads.0.contains(.segmentation6) && offloads.1.contains(.segmentation4))
        let burst = TestBurst()
        let server = try lab.start(Self.fill(Self.server, address), seconds: 30)
        let client = try lab.start(Self.fill(Self.client, address), seconds: 30)
        var large = [0, 0, 0]
        let end = Date().addingTimeInterval(30)
        while client.process.isRunning && Date() < end {
          var came = 0
          for port in 1...2 {
            let count = io.receive(port: port, into: burst.packets)
            came += count
            for slot in 0..<count {
              if burst.packets[slot].segmentSize > 0 {
                large[port] += 1
                #expect(burst.packets[slot].flags.contains(.partialChecksum))
              }
              let headers = Self.offsets(burst.bytes(slot))
              io.send(&burst.packets[slot], port: 3 - port, headers: headers)
            }
          }
          io.flush()
          if came == 0 { io.wait(microseconds: 10_000) }
        }
        server.process.waitUntilExit()
        let text = try client.pipe.fileHandleForReading.readToEnd() ?? Data()
        #expect(String(decoding: text, as: UTF8.self) == "True True\n")
        #expect(large[1] > 50 && large[2] > 50, "\(large)")
        for port in 1...2 {
          let (here, there) = (runtime.counters(port: port), runtime.counters(port: 3 - port))
          #expect(here.buffersInUse == 0)
          #expect(
            here.receivedPackets
              == there.sentPackets + there.dropsFull + there.dropsDown + there.dropsOversize)
        }
      }
    }

    /// What a guest sends never reaches the host's own addresses.
    @Test func guestCannotReachHost() throws {
      let lab = try Lab.joined("i")
      #expect(try lab.sh("ip netns exec PEER ping -c 1 -W 2 10.9.0.1").contains("1 received"))
      try lab.inHost {
        var plan = uplinkPlan(
          guests: [GuestPlan(networkInterface: "eni-a", device: .interface("u0"))],
          memory: MemoryPlan(buffersPerGuest: 32, buffersForUplink: 64))
        plan.uplink = nil
        var runtime = try KernelRuntime(plan, tunnelAddress: nil)
        var io = runtime.makeIO(worker: 0)
        let burst = TestBurst()
        let sent = try Program.run(
          "ip netns exec \(lab.peer) ping -c 40 -i 0.01 -W 1 10.9.0.1")
        #expect(sent.output.contains(" 0 received"))
        // Of 40 frames the pool takes 32; the others wait until buffers come back.
        let first = io.receive(port: 1, into: burst.packets)
        #expect(first == 32)
        let other = TestBurst()
        let second = io.receive(port: 1, into: other.packets)
        #expect(second == 0)
        for slot in 0..<first { io.release(&burst.packets[slot]) }
        io.flush()
        let rest = io.receive(port: 1, into: other.packets)
        #expect(rest > 0)
        for slot in 0..<rest { io.release(&other.packets[slot]) }
        let inUse = runtime.counters(port: 1).buffersInUse
        #expect(inUse == 0)
        // A second start finds the filter of the first, and the guest is kept out in between.
        runtime.close()
        let between = try Program.run("ip netns exec \(lab.peer) ping -c 1 -W 1 10.9.0.1")
        #expect(between.output.contains(" 0 received"))
        var next = try KernelRuntime(plan, tunnelAddress: nil)
        next.close()
      }
    }
  }
}
