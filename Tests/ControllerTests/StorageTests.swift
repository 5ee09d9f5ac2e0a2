import Controller
import ControllerTestSupport
import Foundation
import GRDB
import Testing

@Suite struct StorageTests {
  @Test func stateSurvivesARestart() async throws {
    try await withDesk { desk in
      #expect(desk.storage.restored == nil)
      try await desk.apply(
        Rules.whole(Rules.base + "\npolicy: {midstream: drop}\nports: [{eni: eni-web, tap: t}]"))
      try await desk.apply(Rules.patch(Rules.group(port: 80)))
      try await desk.apply(Rules.patch("vpcs: [{id: w, vni: 9, cidrs: [10.0.0.0/8]}]"))
      try await desk.apply(Rules.patch(delete: [ObjectReference(.vpcs, "w")]))
      let before = try await desk.objects()
      let changedAt = try await desk.status().changedAt
      let again = try await desk.restarted()
      #expect(again.storage.warnings.isEmpty)
      #expect(try await again.objects() == before)
      let status = try await again.status()
      #expect(status.generation == 4 && status.isForwarding)
      #expect(status.changedAt == changedAt)
      let published = await again.dataPlane.published
      #expect(published.map(\.generation) == [4])
      #expect(await published[0].model == desk.dataPlane.published.last?.model)
      #expect(await published[0].ports == desk.dataPlane.published.last?.ports)
    }
  }

  @Test func orderOfObjectsSurvives() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      for id in ["z", "a", "m"] {
        try await desk.apply(Rules.patch("prefixLists: [{id: \(id), entries: []}]"))
      }
      try await desk.apply(Rules.patch("prefixLists: [{id: z, entries: [192.0.2.0/24]}]"))
      try await desk.apply(Rules.patch(delete: [ObjectReference(.prefixLists, "a")]))
      let again = try await desk.restarted()
      let lists = try await again.controller.objects(.prefixLists, ids: [], by: Desk.administrator)
      #expect(lists.items.map(\.reference.id) == ["z", "m"])
    }
  }

  @Test func directoryIsForItsOwnerOnly() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let files = try FileManager.default.subpathsOfDirectory(atPath: desk.directory)
      #expect(files.count > 2)
      for file in [""] + files {
        let path = desk.directory + "/" + file
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        let bits = try #require(mode as? Int)
        #expect(bits & 0o077 == 0, "\(path) has mode \(String(bits, radix: 8))")
      }
    }
  }

  @Test func changeWritesOnlyWhatChanged() async throws {
    try await withDesk { desk in
      let lists = (0..<500).map { "{id: p\($0), entries: []}" }.joined(separator: ", ")
      try await desk.apply(Rules.whole(Rules.base + "\nprefixLists: [\(lists)]"))
      try await desk.apply(Rules.patch(Rules.group(port: 80)))
      let database = try DatabaseQueue(path: desk.directory + "/state.sqlite")
      let rows = try await database.read {
        try Int.fetchAll($0, sql: "SELECT count(*) FROM object GROUP BY generation")
      }
      #expect(rows == [504, 1])
    }
  }

  @Test func oldRowsAreRemoved() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      for port in 1...60 { try await desk.apply(Rules.patch(Rules.group(port: port))) }
      let database = try DatabaseQueue(path: desk.directory + "/state.sqlite")
      let rows = try await database.read {
        try Int.fetchOne($0, sql: "SELECT count(*) FROM object")
      }
      #expect((rows ?? 0) < 30)
      #expect(try await desk.restarted().status().generation == 61)
    }
  }

  @Test func oneControllerUsesADirectory() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      let directory = desk.directory
      await #expect {
        try await Desk(directory)
      } throws: { error in
        guard case .unavailable(let why, _) = error as? ControlError else { return false }
        return why.contains("another process uses it")
      }
      // The one that follows waits for the end of the one before.
      let next = Task {
        try await ControllerStorage.open(
          ControllerConfiguration(stateDirectory: directory, version: "2"), patience: .seconds(60))
      }
      await desk.controller.stop()
      #expect(try await next.value.restored?.generation == 1)
      await #expect(throws: ControlError.self) { try await desk.status() }
      #expect(await desk.refusal(of: Rules.patch(Rules.group(port: 9))) != nil)
      #expect(await desk.dataPlane.published.count == 1)
    }
  }

  @Test func endWaitsForTheChangeUnderWay() async throws {
    try await withDesk { desk in
      await desk.dataPlane.hold()
      let change = Task { try await desk.apply(Rules.whole(Rules.base)) }
      while await desk.controller.changesUnderWay < 1 { await Task.yield() }
      let waiting = Task { try await desk.apply(Rules.patch(Rules.group(port: 9))) }
      while await desk.controller.changesUnderWay < 2 { await Task.yield() }
      let end = Task { await desk.controller.stop() }
      while await desk.controller.changesUnderWay < 3 { await Task.yield() }
      await desk.dataPlane.release()
      await end.value
      #expect(try await change.value.generation == 1)
      await #expect(throws: ControlError.self) { try await waiting.value }
      let again = try await Desk(desk.directory)
      #expect(try await again.status().generation == 1)
    }
  }

  // MARK: Damage

  /// Changes the database as a bad disk or a bad hand would.
  private func damage(_ desk: Desk, _ sql: String) async throws {
    await desk.controller.stop()
    let database = try DatabaseQueue(path: desk.directory + "/state.sqlite")
    try await database.write { try $0.execute(sql: sql) }
    try database.close()
  }

  private func deskWithThreeGenerations() async throws -> Desk {
    let desk = try await Desk()
    try await desk.apply(Rules.whole(Rules.base))
    try await desk.apply(Rules.patch(Rules.group(port: 80)))
    try await desk.apply(Rules.patch(Rules.group(port: 81)))
    return desk
  }

  @Test(arguments: [
    "UPDATE object SET json = replace(json, '81', '82') WHERE generation = 3",
    "UPDATE object SET json = '{' WHERE generation = 3",
    "UPDATE object SET position = 77 WHERE generation = 3",
    "UPDATE object SET id = 'h' WHERE generation = 3",
    "DELETE FROM object WHERE generation = 3",
    "UPDATE generation SET digest = zeroblob(32) WHERE number = 3",
    "UPDATE generation SET digest = x'00' WHERE number = 3",
  ])
  func damagedGenerationGivesWayToTheOneBefore(_ sql: String) async throws {
    let desk = try await deskWithThreeGenerations()
    defer { desk.remove() }
    try await damage(desk, sql)
    let again = try await desk.restarted()
    let status = try await again.status()
    #expect(status.generation == 2)
    #expect(status.warnings.contains { $0.contains("generation 2 is in force") })
    let group = try await again.controller.objects(.securityGroups, ids: [], by: Desk.administrator)
    #expect(group.items[0].json.contains(#""ports":80"#))
    #expect(FileManager.default.fileExists(atPath: desk.directory + "/state.sqlite.damaged-1"))
    // What was repaired lasts, and the number of the lost generation is not given again.
    #expect(try await again.apply(Rules.patch(Rules.group(port: 90))).generation == 4)
    let third = try await again.restarted()
    #expect(third.storage.warnings.isEmpty)
    #expect(try await third.status().generation == 4)
  }

  @Test(arguments: ["garbage", ""])
  func fileThatIsNoDatabaseIsMovedAside(_ text: String) async throws {
    let desk = try await deskWithThreeGenerations()
    defer { desk.remove() }
    let path = desk.directory + "/state.sqlite"
    await desk.controller.stop()
    for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    try Data(text.utf8).write(to: URL(filePath: path))
    let again = try await desk.restarted()
    let status = try await again.status()
    #expect(status.generation == 0 && !status.isForwarding)
    #expect(status.warnings.contains { $0.contains("the state is empty") }, "\(status.warnings)")
    let aside = try String(contentsOfFile: path + ".damaged-1", encoding: .utf8)
    #expect(aside == text)
    try await again.apply(Rules.whole(Rules.base))
    #expect(try await again.restarted().storage.warnings.isEmpty)
  }

  @Test func copyIsUsedWhenTheDatabaseCannotBeRead() async throws {
    let desk = try await Desk()
    defer { desk.remove() }
    try await desk.apply(Rules.whole(Rules.base))
    for port in 1...80 { try await desk.apply(Rules.patch(Rules.group(port: port))) }
    let path = desk.directory + "/state.sqlite"
    #expect(FileManager.default.fileExists(atPath: path + ".backup"))
    await desk.controller.stop()
    for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    try Data("garbage".utf8).write(to: URL(filePath: path))
    let again = try await desk.restarted()
    let status = try await again.status()
    #expect(status.generation == 64 && status.isForwarding)
    #expect(status.warnings.contains { $0.contains("the copy of generation 64 is in force") })
    // Numbers that were given out since the copy do not come again.
    #expect(try await again.apply(Rules.patch(Rules.group(port: 99))).generation > 81)
  }

  @Test func bytesOverwrittenAnywhereNeverGiveAWrongState() async throws {
    let desk = try await deskWithThreeGenerations()
    defer { desk.remove() }
    var states: [[String]] = [[#"policy {}"#]]
    for port in [443, 80, 81] {
      let reference = try await Desk()
      try await reference.apply(Rules.whole(Rules.base))
      try await reference.apply(Rules.patch(Rules.group(port: port)))
      states.append(try await reference.objects())
      reference.remove()
    }
    // Everything into the main file, then a page's worth of it overwritten.
    try await damage(desk, "SELECT 1")
    let database = try DatabaseQueue(path: desk.directory + "/state.sqlite")
    try await database.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
    try database.close()
    let path = desk.directory + "/state.sqlite"
    let whole = try Data(contentsOf: URL(filePath: path))
    var outcomes: Set<Int> = []
    for offset in stride(from: 0, to: whole.count, by: 997) {
      let folder = Desk.newDirectory()
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      var bytes = whole
      for index in offset..<min(offset + 64, bytes.count) { bytes[index] ^= 0x5A }
      try bytes.write(to: URL(filePath: folder + "/state.sqlite"))
      let again = try await Desk(folder)
      let objects = try await again.objects()
      let state = try #require(states.firstIndex(of: objects), "byte \(offset): \(objects)")
      outcomes.insert(state)
    }
    #expect(outcomes.contains(3) && outcomes.count > 1, "\(outcomes)")
  }
}
