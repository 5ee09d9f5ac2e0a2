import Foundation
import VPCModel

@testable import FlowLogAudit

/// A folder for one test, which goes with it.
final class Workplace {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("flow-log-\(getpid())-\(UInt32.random(in: 0 ... .max))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func file(_ name: String, _ text: String) throws -> String {
    let path = folder.appendingPathComponent(name).path
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  func findings(_ lines: [String], model: String) throws -> FlowLogFindings {
    let model = try ModelLoader.load(paths: [try file("model.yaml", model)])
    var audit = try FlowLogAudit(model)
    try audit.read(try file("log", lines.joined(separator: "\n") + "\n"))
    return audit.judged()
  }
}
