import Glibc
import HostPlan
import Testing

@testable import Daemon

@Suite struct BrokerPlanTests {
  private func plan(_ devices: [(String, GuestPlan.Device)]) -> HostPlan {
    HostPlan(
      runtime: .dpdk,
      guests: devices.map { GuestPlan(networkInterface: $0.0, device: $0.1, queues: 2) })
  }

  private let devices: [(String, GuestPlan.Device)] = [
    ("eni-a", .vhostUser(VhostUserPlan(socket: "/r/a.sock"))),
    ("eni-b", .vhostUser(VhostUserPlan(socket: "/r/b.sock", listens: true, mtu: 9000))),
    ("eni-c", .vhostUser(VhostUserPlan(socket: "/r/c.sock", listens: true, isBrokered: false))),
    ("eni-d", .ethdev("net_tap0")),
  ]

  @Test func isMadeOfTheGuestsThatWantIt() throws {
    let broker = try #require(BrokerPlan(plan(devices), runDirectory: "/run/apus"))
    #expect(broker.obstacle == nil)
    #expect(
      broker.arguments("/bin/apus-vhostd") == [
        "/bin/apus-vhostd", "--run-dir", "/run/apus", "--guest", "eni=eni-a,socket=/r/a.sock",
        "--guest", "eni=eni-b,socket=/r/b.sock,listens",
      ])
    #expect(BrokerPlan(plan(Array(devices[2...])), runDirectory: "/run/apus") == nil)
  }

  @Test func dataPlaneConnectsToTheBroker() throws {
    let plan = plan(devices)
    let broker = try #require(BrokerPlan(plan, runDirectory: "/run/apus"))
    let redirected = broker.redirected(plan).guests.map(\.device)
    #expect(redirected[0] == .vhostUser(VhostUserPlan(socket: "/run/apus/eni-a.sock")))
    #expect(
      redirected[1] == .vhostUser(VhostUserPlan(socket: "/run/apus/eni-b.sock", mtu: 9000)))
    #expect(redirected[2...] == plan.guests.map(\.device)[2...])
  }

  @Test(arguments: ["eni/a", ".eni", "eni a", String(repeating: "e", count: 65)])
  func namesThatAreNoFileAreRefused(_ name: String) throws {
    let plan = plan([(name, .vhostUser(VhostUserPlan(socket: "/r/a")))])
    #expect(BrokerPlan(plan, runDirectory: "/run/apus")?.obstacle != nil)
  }

  @Test func longAndStrangePathsAreRefused() throws {
    let long = "/" + String(repeating: "x", count: 100)
    #expect(BrokerPlan(plan(devices), runDirectory: long)?.obstacle != nil)
    let comma = plan([("a", .vhostUser(VhostUserPlan(socket: "/r/a,b")))])
    #expect(BrokerPlan(comma, runDirectory: "/r")?.obstacle != nil)
  }

  @Test func lockTellsWhoRuns() throws {
    var folder = Array("/tmp/apus-broker-XXXXXX".utf8CString)
    #expect(mkdtemp(&folder) != nil)
    let path = String(decoding: folder.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
      unlink(path + "/broker.lock")
      rmdir(path)
    }
    #expect(BrokerProcess.runningID(path) == nil)
    let lock = open(path + "/broker.lock", O_RDWR | O_CREAT, 0o600)
    #expect(write(lock, "4711\n", 5) == 5)
    #expect(BrokerProcess.runningID(path) == nil)
    #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
    #expect(BrokerProcess.runningID(path) == 4711)
    close(lock)
    #expect(BrokerProcess.runningID(path) == nil)
  }

  @Test func serviceManagerIsTold() throws {
    var folder = Array("/tmp/apus-notify-XXXXXX".utf8CString)
    #expect(mkdtemp(&folder) != nil)
    let path =
      String(decoding: folder.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/n"
    let listener = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    defer {
      close(listener)
      unlink(path)
      rmdir(String(path.dropLast(2)))
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    #expect(bound == 0)
    #expect(ServiceNotifier.send("READY=1", to: path))
    var bytes = [UInt8](repeating: 0, count: 16)
    #expect(recv(listener, &bytes, bytes.count, Int32(MSG_DONTWAIT)) == 7)
    #expect(bytes.starts(with: "READY=1".utf8))
    #expect(!ServiceNotifier.send("READY=1", to: path + "x"))
    #expect(!ServiceNotifier.send("READY=1", to: "relative"))
  }
}
