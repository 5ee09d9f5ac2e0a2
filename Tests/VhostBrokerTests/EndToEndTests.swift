import Foundation
import Testing

@testable import VhostBroker

/// Real programs on both sides: QEMU with a Linux guest that pings, and `dpdk-testpmd`, whose
/// rte_vhost answers the pings and is killed.
@Suite(.serialized) struct EndToEndTests {
  static let kernel: String? = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: "/boot")) ?? []
    let versions = files.filter { $0.hasPrefix("vmlinuz-") && $0.hasSuffix("-cloud-amd64") }
    return versions.sorted().last.map { String($0.dropFirst("vmlinuz-".count)) }
  }()

  /// What is missing here, in words; nil when the test can run.
  static let obstacle: String? = {
    if kernel == nil { return "no cloud kernel in /boot" }
    if getuid() != 0 { return "dpdk-testpmd needs root" }
    let programs = [
      "/usr/bin/qemu-system-x86_64", "/usr/bin/dpdk-testpmd", "/bin/busybox", "/usr/bin/cpio",
    ]
    let missing = programs.first { access($0, X_OK) != 0 }
    if let missing { return "\(missing) is missing" }
    // One processor polls, the other is the guest's.
    return sysconf(Int32(_SC_NPROCESSORS_ONLN)) < 2 ? "needs two processors" : nil
  }()

  /// A program that ends with its object, and after 180 s at the latest.
  private final class Running {
    let process = Process()
    private let input = Pipe()

    init(_ command: [String], log: String) throws {
      _ = FileManager.default.createFile(atPath: log, contents: nil)
      process.executableURL = URL(filePath: "/usr/bin/timeout")
      // In the foreground: a signal to the group of this test reaches it.
      process.arguments = ["--foreground", "--kill-after=5", "180"] + command
      // testpmd runs for as long as its input is open.
      process.standardInput = input
      process.standardOutput = FileHandle(forWritingAtPath: log)
      process.standardError = FileHandle(forWritingAtPath: log)
      try process.run()
    }

    deinit { end(SIGKILL) }

    /// Signals the program, and waits for its end, 10 s at most.
    func end(_ signal: Int32) {
      guard process.isRunning else { return }
      for child in children { kill(child, signal) }
      _ = eventually { !self.process.isRunning }
    }

    private var children: [pid_t] {
      let id = process.processIdentifier
      let path = "/proc/\(id)/task/\(id)/children"
      let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
      return text.split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) }
    }
  }

  private struct Ping {
    var sequence: Int
    var isAnswered: Bool
    var seconds: Double
    var carrierChanges: Int
  }

  private static func pings(_ path: String) -> [Ping] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
    return text.split(whereSeparator: \.isNewline).compactMap { line in
      let words = line.split(separator: " ")
      guard words.count == 6, words[1] == "ping", let sequence = Int(words[2]),
        let seconds = Double(words[4]), let changes = Int(words[5])
      else { return nil }
      return Ping(
        sequence: sequence, isAnswered: words[3] == "yes", seconds: seconds,
        carrierChanges: changes)
    }
  }

  private static func prefix(_ index: Int) -> String { "apusbroker\(getpid())n\(index)" }

  private static func testpmd(_ socket: String, _ folder: TestFolder, _ index: Int) throws
    -> Running
  {
    return try Running(
      [
        "dpdk-testpmd", "--no-pci", "--no-huge", "-m", "128", "--no-shconf", "--file-prefix",
        prefix(index), "-l", "0-1", "--no-telemetry", "--vdev",
        "net_vhost0,iface=\(socket),client=1",
        "--", "--forward-mode=icmpecho", "--auto-start", "--total-num-mbufs=2048",
      ], log: folder.file("testpmd\(index)"))
  }

  private static func guest(_ socket: String, _ folder: TestFolder) throws -> Running {
    let version = kernel ?? ""
    let maker = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Guest")
    let make = Process()
    make.executableURL = maker.appending(path: "make-initrd")
    make.arguments = [version, folder.file("initrd")]
    try make.run()
    make.waitUntilExit()
    guard make.terminationStatus == 0 else { throw Missing("an initramfs") }
    // Without MSI-X: QEMU 7.2 crashes in emulation when a vhost ring starts with it.
    return try Running(
      [
        "qemu-system-x86_64", "-accel", "tcg", "-m", "128", "-nodefaults", "-no-reboot",
        "-display", "none", "-kernel", "/boot/vmlinuz-\(version)",
        "-initrd", folder.file("initrd"), "-append", "console=ttyS0 quiet panic=-1 net.ifnames=0",
        "-object", "memory-backend-memfd,id=m,size=128M,share=on", "-numa", "node,memdev=m",
        "-chardev", "socket,id=c0,path=\(socket),server=on,wait=off",
        "-netdev", "vhost-user,id=n0,chardev=c0",
        "-device", "virtio-net-pci,netdev=n0,vectors=0,romfile=",
        "-serial", "file:\(folder.file("serial"))",
      ], log: folder.file("qemu"))
  }

  /// Waits until the guest has had more answers, a minute at most.
  private static func hasAnswers(_ count: Int, after last: Int, _ serial: String) -> Bool {
    for _ in 0..<300 {
      if pings(serial).count(where: { $0.isAnswered && $0.sequence > last }) >= count {
        return true
      }
      usleep(200_000)
    }
    return false
  }

  @Test(.enabled(if: obstacle == nil, "\(obstacle ?? "")"))
  func guestOutlivesItsDataPlanes() throws {
    let folder = try TestFolder()
    let outer = folder.file("qemu.sock")
    let broker = try BrokerProcess(folder, guests: ["eni=eni-a,socket=\(outer)"])
    let inner = broker.innerSocket("eni-a")
    let serial = folder.file("serial")
    let guest = try Self.guest(outer, folder)
    var dataPlane = try Self.testpmd(inner, folder, 1)
    #expect(Self.hasAnswers(5, after: 0, serial), "\(broker.log)")
    let before = try #require(Self.pings(serial).last)

    // Killed, and a new one started from nothing.
    dataPlane.end(SIGKILL)
    dataPlane = try Self.testpmd(inner, folder, 2)
    #expect(Self.hasAnswers(5, after: before.sequence, serial), "\(broker.log)")

    // Killed, with a successor that waits: and then ended as planned.
    for (index, signal) in [(3, SIGKILL), (4, SIGTERM)] {
      let next = try Self.testpmd(inner, folder, index)
      let waiting = "another data plane waits"
      #expect(eventually { broker.log.components(separatedBy: waiting).count == index - 1 })
      let last = try #require(Self.pings(serial).last)
      dataPlane.end(signal)
      dataPlane = next
      #expect(Self.hasAnswers(5, after: last.sequence, serial), "\(broker.log)")
    }

    let pings = Self.pings(serial)
    #expect(pings.allSatisfy { $0.carrierChanges == before.carrierChanges })
    // What was on its way when a data plane died may be lost.
    #expect(pings.count { !$0.isAnswered } <= 12, "\(pings.filter { !$0.isAnswered })")
    guest.end(SIGKILL)
    dataPlane.end(SIGKILL)
    for index in 1...4 {
      // What a killed testpmd leaves.
      try? FileManager.default.removeItem(atPath: "/var/run/dpdk/\(Self.prefix(index))")
    }
    #expect(broker.stop() == 0)
  }
}
