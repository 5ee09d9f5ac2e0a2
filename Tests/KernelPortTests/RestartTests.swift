import Foundation
import HostPlan
import KernelPort
import Live
import Testing
import Wire

extension KernelPortTests {
  @Suite struct RestartTests {
    /// Opens the uplink of the namespace that `APUS_TEST_NAMESPACE` names, and is killed.
    static func openAndDie() {
      guard let name = ProcessInfo.processInfo.environment["APUS_TEST_NAMESPACE"] else { return }
      try? Lab.inNamespace(name) {
        var runtime = try KernelRuntime(uplinkPlan(), tunnelAddress: IPAddress("10.9.0.1"))
        let shown = try Program.run("ip -n \(name) link show u0")
        if shown.output.contains("prog/xdp") { kill(getpid(), SIGKILL) }
        runtime.close()
      }
    }

    @Test func killedProcessLeavesNothing() async throws {
      let lab = try Lab.joined("k")
      setenv("APUS_TEST_NAMESPACE", lab.host, 1)
      await #expect(processExitsWith: .signal(SIGKILL)) { RestartTests.openAndDie() }
      #expect(try !lab.sh("ip -n HOST link show u0").contains("prog/xdp"))
      try lab.inHost {
        var runtime = try KernelRuntime(uplinkPlan(), tunnelAddress: IPAddress("10.9.0.1"))
        runtime.close()
      }
    }

    @Test func holderOfInterfaceIsNamed() throws {
      let lab = try Lab.joined("h")
      try lab.inHost {
        var first = try KernelRuntime(uplinkPlan(), tunnelAddress: IPAddress("10.9.0.1"))
        defer { first.close() }
        let error = #expect(throws: PortError.self) {
          var second = try KernelRuntime(uplinkPlan(), tunnelAddress: IPAddress("10.9.0.1"))
          second.close()
        }
        #expect(error?.kind == .machine)
        #expect(error?.why.contains("process \(getpid())") == true, "\(error?.why ?? "")")
        #expect(error?.remedy == "end it: kill \(getpid())")
      }
    }

    @Test func wrongPlansAreRefusedWithRemedy() throws {
      let lab = try Lab.joined("e", queues: 2)
      func refusal(_ change: (inout HostPlan) -> Void) throws -> PortError? {
        var plan = uplinkPlan(queues: 2)
        change(&plan)
        return try lab.inHost {
          #expect(throws: PortError.self) {
            var runtime = try KernelRuntime(plan, tunnelAddress: IPAddress("10.9.0.1"))
            runtime.close()
          }
        }
      }
      #expect(try refusal { $0.uplink?.queues = 3 }?.kind == .configuration)
      #expect(try refusal { $0.uplink?.queues = 1 }?.remedy.contains("ethtool -L u0") == true)
      #expect(try refusal { $0.uplink?.device = .interface("u9") }?.why.contains("u9") == true)
      #expect(try refusal { $0.uplink?.device = .ethdev("net_null0") }?.kind == .configuration)
      #expect(try refusal { $0.uplink?.zeroCopy = true }?.remedy.contains("zero_copy") == true)
      let long = GuestPlan(networkInterface: "e", device: .tap("a-name-of-far-too-many-letters"))
      #expect(try refusal { $0.guests = [long] }?.kind == .configuration)
      try lab.sh(
        "ip netns exec HOST ip tuntap add dev t9 mode tap; ip -n PEER link set u1 mtu 9000")
      let queues = GuestPlan(networkInterface: "e", device: .tap("t9"), queues: 2)
      #expect(try refusal { $0.guests = [queues] }?.remedy.contains("multi_queue") == true)
      try lab.sh("ip -n HOST link set u0 mtu 9000")
      #expect(try refusal { _ in }?.remedy == "ip link set dev u0 mtu 3498")
      // What was opened before the fault was closed again.
      try lab.sh("ip -n HOST link set u0 mtu 1500")
      try lab.inHost {
        var runtime = try KernelRuntime(uplinkPlan(queues: 2), tunnelAddress: nil)
        runtime.close()
      }
    }

    @Test func neighborsAreResolved() throws {
      let lab = try Lab.joined("n")
      try lab.inHost {
        var runtime = try KernelRuntime(uplinkPlan(), tunnelAddress: IPAddress("10.9.0.1"))
        defer { runtime.close() }
        let uplink = runtime.uplinkInterface
        let index = try #require(uplink).index
        let neighbors = try KernelNeighbors(uplink: index)
        try lab.sh("ip -n HOST route add 10.77.0.0/16 via 10.9.0.2")
        let expected = try lab.sh("ip netns exec PEER cat /sys/class/net/u1/address")
        for text in ["10.9.0.2", "fd09::2", "10.77.1.1"] {
          let address = try #require(IPAddress(text))
          var found: MACAddress?
          for _ in 0..<60 where found == nil {
            found = try neighbors.resolve(address)
            if found == nil { usleep(50_000) }
          }
          #expect(found.map { "\($0)\n" } == expected, "\(text)")
        }
        let nobody = try #require(IPAddress("10.9.0.99"))
        #expect(try neighbors.resolve(nobody) == nil)
        let far = try #require(IPAddress("192.0.2.1"))
        #expect(throws: NeighborError.noRoute) { try neighbors.resolve(far) }
        let own = try #require(IPAddress("10.9.0.1"))
        #expect(throws: NeighborError.noRoute) { try neighbors.resolve(own) }
      }
    }

    /// The committed object is what the source compiles to.
    @Test func committedProgramIsCurrent() throws {
      let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
      let fresh = FileManager.default.temporaryDirectory.appending(path: "apus-xdp-\(getpid()).c")
      defer { try? FileManager.default.removeItem(at: fresh) }
      let made = try Program.run("\(root)/scripts/make-bpf \(fresh.path)", seconds: 60)
      if made.status == 5 { return print("committedProgramIsCurrent skipped: \(made.output)") }
      #expect(made.status == 0, "\(made.output)")
      func lines(_ path: String) throws -> [Substring] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      }
      let (old, new) = (try lines("\(root)/Sources/CXDP/xdp_object.c"), try lines(fresh.path))
      if old[1] != new[1] { return print("committedProgramIsCurrent skipped: another compiler") }
      #expect(old == new, "run scripts/make-bpf")
    }
  }
}
