import CFileDescriptors
import Foundation
import Testing

@testable import VhostBroker

/// The program's start, its end, and what it refuses.
@Suite(.serialized) struct ProgramTests {
  private static func run(_ arguments: [String]) throws -> (status: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["20", BrokerProcess.program.path] + arguments
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let data = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }

  @Test func oneBrokerServesADirectory() throws {
    let folder = try TestFolder()
    let guest = "eni=eni-a,socket=\(folder.file("s"))"
    let broker = try BrokerProcess(folder, guests: [guest])
    let second = try Self.run(["--run-dir", broker.runDirectory, "--guest", guest])
    #expect(second.status == 5)
    #expect(second.text.contains("another apus-vhostd serves this directory"))
    broker.signal(SIGHUP)
    #expect(broker.stop() == 0)
    #expect(!FileManager.default.fileExists(atPath: broker.innerSocket("eni-a")))
    // The lock is free again.
    #expect(try BrokerProcess(folder, guests: [guest]).stop() == 0)
  }

  @Test func directoryOpenToOthersIsRefused() throws {
    let folder = try TestFolder()
    chmod(folder.path, 0o755)
    let run = try Self.run(["--run-dir", folder.path, "--guest", "eni=a,socket=/tmp/x"])
    #expect(run.status == 5)
    #expect(run.text.contains("chmod 700"))
  }

  @Test func runDirectoryIsClosedToOthers() throws {
    let folder = try TestFolder()
    let broker = try BrokerProcess(folder, guests: ["eni=a,socket=/nowhere"])
    var status = stat()
    #expect(stat(broker.runDirectory, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o700)
  }

  @Test func staleSocketIsReplaced() throws {
    let folder = try TestFolder()
    let guest = "eni=a,socket=/nowhere"
    let killed = try BrokerProcess(folder, guests: [guest])
    killed.signal(SIGKILL)
    #expect(eventually { !killed.isRunning })
    #expect(FileManager.default.fileExists(atPath: killed.innerSocket("a")))
    let next = try BrokerProcess(folder, guests: [guest])
    let backend = try FakeBackend(next.innerSocket("a"))
    #expect(eventually { next.log.contains("data plane connected") })
    #expect(!backend.isClosed)
  }

  @Test func liveSocketAndFileAreLeftAlone() throws {
    let folder = try TestFolder()
    let listener = try Listener(path: folder.file("live"))
    #expect(throws: BrokerError.self) { try Listener(path: listener.path) }
    try Data("x".utf8).write(to: URL(filePath: folder.file("file")))
    #expect(throws: BrokerError.self) { try Listener(path: folder.file("file")) }
    #expect(FileManager.default.fileExists(atPath: folder.file("file")))
  }

  @Test(arguments: [
    "eni=a", "socket=/s", "eni=,socket=/s", "eni=../a,socket=/s", "eni=.a,socket=/s",
    "eni=a/b,socket=/s", "eni=a,socket=", "eni=a,socket=/s,server", "eni=a,socket=/s,",
    "eni=" + String(repeating: "a", count: 65) + ",socket=/s",
  ])
  func guestIsRefused(_ text: String) throws {
    #expect(throws: BrokerError.self) { try GuestConfiguration(parsing: text) }
  }

  @Test func guestIsRead() throws {
    let guest = try GuestConfiguration(parsing: "eni=eni-0.a_B,socket=/run/x.sock,listens")
    let wanted = GuestConfiguration(
      networkInterface: "eni-0.a_B", socket: "/run/x.sock", listens: true)
    #expect(guest == wanted)
  }

  @Test func wrongUsageIsSaid() throws {
    #expect(try Self.run([]).status == 2)
    #expect(try Self.run(["--guest", "eni=a"]).status == 2)
    let folder = try TestFolder()
    let twice = ["--guest", "eni=a,socket=/s", "--guest", "eni=a,socket=/t"]
    let run = try Self.run(["--run-dir", folder.file("run")] + twice)
    #expect(run.status == 2)
    #expect(run.text.contains("given twice"))
    let long = folder.file(String(repeating: "x", count: 120))
    #expect(try Self.run(["--run-dir", long, "--guest", "eni=a,socket=/s"]).status == 5)
  }
}
