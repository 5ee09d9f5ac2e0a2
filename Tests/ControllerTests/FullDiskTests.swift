import Controller
import ControllerTestSupport
import Foundation
import Testing

/// A disk without room refuses changes; the state in force goes on, and changes are taken again when
/// there is room.
@Suite struct FullDiskTests {
  /// Applies changes until one is refused.
  private func fill(_ desk: Desk) async throws -> (last: Int, refusal: ControlError) {
    for number in 1...5000 {
      let request = NumberedChange.request(
        number, present: number == 1 ? [] : NumberedChange.ids(number - 1))
      if let refusal = await desk.refusal(of: request) { return (number - 1, refusal) }
    }
    throw FillError.neverFull
  }

  private enum FillError: Error { case neverFull }

  private static func run(_ arguments: String...) -> Int32 {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { return -1 }
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// Whether this process may mount: root in a container may not be.
  private static let canMount = geteuid() == 0 && run("unshare", "--mount", "true") == 0

  /// Sizes at which another write is the first to fail.
  @Test(
    .enabled(if: canMount, "a file system of its own needs the right to mount"),
    arguments: [1100, 1204, 1308, 1412, 1516, 1620, 1724])
  func fullFileSystemRefusesAndRecovers(_ kilobytes: Int) async throws {
    let mount = Desk.newDirectory()
    try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: mount) }
    try #require(Self.run("mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", mount) == 0)
    defer { _ = Self.run("umount", "-l", mount) }
    let ballast = mount + "/ballast"
    try Data(count: 600_000).write(to: URL(filePath: ballast))

    let desk = try await Desk(mount + "/state")
    let (last, refusal) = try await fill(desk)
    guard case .unavailable(let why, let advice) = refusal else {
      Issue.record("\(refusal)")
      return
    }
    #expect(last > 5, "\(why)")
    #expect(why.contains("cannot be") && advice.contains(mount), "\(why): \(advice)")
    #expect(advice.contains("goes on"))
    // What packets are judged by is what was acknowledged last.
    let published = try #require(await desk.dataPlane.published.last?.model)
    #expect(Set(published.prefixLists.map(\.id)) == NumberedChange.ids(last))

    try FileManager.default.removeItem(atPath: ballast)
    let next = NumberedChange.request(last + 1, present: NumberedChange.ids(last))
    try await desk.apply(next)
    let again = try await desk.restarted()
    #expect(again.storage.warnings.isEmpty)
    let objects = try await again.controller.objects(nil, ids: [], by: Desk.administrator)
    #expect(NumberedChange.number(of: objects) == last + 1)
    let report = try AuditLog.verify(stateDirectory: desk.directory)
    #expect(report.isWhole, "\(report.problems)")
  }

  /// Files that may not grow: needs no root, and fails at other calls than a full file system does.
  @Test(arguments: [60_000, 100_000, 200_000, 300_000])
  func filesThatMayNotGrowRefuseAndRecover(_ bytes: Int) throws {
    let directory = Desk.newDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let process = Process()
    process.executableURL = URL(filePath: KillTests.program)
    process.arguments = [directory, "\(bytes)"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text.suffix(1000))")
    #expect(text.contains("refused "), "\(text.suffix(1000))")
    let report = try AuditLog.verify(stateDirectory: directory)
    #expect(report.isWhole, "\(report.problems)")
  }
}
