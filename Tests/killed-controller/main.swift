import Controller
import ControllerTestSupport
import Foundation

// Applies one change after another until it is killed, and says so of each that is acknowledged:
//
//     killed-controller DIRECTORY
//
// Lines on standard output: `start GENERATION NUMBER`, `begin NUMBER`, `acknowledged GENERATION
// NUMBER`. A state that is a mix of two changes ends it with exit code 1.

func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

guard CommandLine.arguments.count == 2 else {
  FileHandle.standardError.write(Data("usage: killed-controller DIRECTORY\n".utf8))
  exit(2)
}

var limits = ControllerLimits()
limits.auditFileBytes = 20_000
let storage = try await ControllerStorage.open(
  ControllerConfiguration(
    stateDirectory: CommandLine.arguments[1], version: "0", limits: limits))
let controller = Controller(storage, dataPlane: FakeDataPlane())
try await controller.start()
let caller = Rules.administrator

let before = try await controller.objects(.prefixLists, ids: [], by: caller)
guard var number = NumberedChange.number(of: before), storage.warnings.isEmpty else {
  say("mixed \(before.items.map(\.json)) \(storage.warnings)")
  exit(1)
}
say("start \(before.generation) \(number)")
while true {
  let present = Set(
    try await controller.objects(.prefixLists, ids: [], by: caller).items.map(\.reference.id))
  number += 1
  say("begin \(number)")
  let outcome = try await controller.apply(
    NumberedChange.request(number, present: present), by: caller)
  say("acknowledged \(outcome.generation) \(number)")
}
