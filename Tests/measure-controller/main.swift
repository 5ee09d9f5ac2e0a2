import Controller
import ControllerTestSupport
import Foundation
import VPCModel

// Measures the controller at scale, without a data plane: 1,000 NICs, 100,000 rules in 100 groups,
// 100,000 routes and as many mappings as asked for.
//
//     swift run -c release measure-controller [MAPPINGS [DIRECTORY]]

let arguments = CommandLine.arguments
let mappings = arguments.count > 1 ? Int(arguments[1]) ?? 1_000_000 : 1_000_000
let directory =
  arguments.count > 2
  ? arguments[2]
  : FileManager.default.temporaryDirectory.appending(path: "apus-measure-\(UUID())").path

func measure<Result>(
  _ what: String, times: Int = 1, _ body: () async throws -> Result
) async throws -> Result {
  var results: [Result] = []
  var durations: [Duration] = []
  for _ in 0..<times {
    let start = ContinuousClock.now
    results.append(try await body())
    durations.append(ContinuousClock.now - start)
  }
  durations.sort()
  let milliseconds = durations.map { $0 / Duration.milliseconds(1) }
  let middle = milliseconds[times / 2]
  print(
    "\(what): \(String(format: "%.2f", middle)) ms"
      + (times > 1
        ? String(format: " (%.2f to %.2f)", milliseconds[0], milliseconds[times - 1]) : ""))
  return results[times - 1]
}

/// A line of /proc/self/status in MB.
func memory(_ field: String) -> Int {
  let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  let line = text.split(separator: "\n").first { $0.hasPrefix(field) } ?? ""
  return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) / 1024
}

func state() -> String {
  var text = #"{"vpcs":[{"id":"v","vni":1,"cidrs":["10.0.0.0/8"]}],"#
  text += #""subnets":[{"id":"s","vpc":"v","cidrs":["10.1.0.0/16"],"routeTable":"t"}],"#
  text += #""networkInterfaces":["#
  text += (0..<1000).map(interface).joined(separator: ",\n")
  text += #"],"routeTables":[{"id":"t","vpc":"v","routes":["#
  text += (0..<100_000).map { index in
    #"{"to":"100.\#(64 + (index >> 16)).\#(index >> 8 & 255).\#(index & 255)/32","via":"blackhole"}"#
  }.joined(separator: ",\n")
  text += #"]}],"securityGroups":["#
  text += (0..<100).map { group($0, port: 443) }.joined(separator: ",\n")
  text += #"],"mappings":["#
  text += (0..<mappings).map { mapping($0, host: "192.0.2.7") }.joined(separator: ",\n")
  return text + "]}"
}

func interface(_ number: Int) -> String {
  let mac = "02:00:00:00:\(hex(number >> 8)):\(hex(number & 255))"
  let address = "10.1.\(1 + (number >> 8)).\(number & 255)"
  return #"{"id":"eni-\#(number)","subnet":"s","mac":"\#(mac)","#
    + #""addresses":["\#(address)"],"securityGroups":["g\#(number % 100)"]}"#
}

func hex(_ number: Int) -> String {
  let digits = String(number, radix: 16)
  return digits.count == 1 ? "0" + digits : digits
}

func group(_ number: Int, port: Int) -> String {
  let rules = (0..<1000).map { index in
    #"{"protocol":"tcp","ports":\#(port),"from":"10.\#(number).\#(index >> 8).\#(index & 255)/32"}"#
  }
  return #"{"id":"g\#(number)","vpc":"v","ingress":[\#(rules.joined(separator: ","))]}"#
}

func mapping(_ number: Int, host: String) -> String {
  let address = "10.\(100 + (number >> 16)).\(number >> 8 & 255).\(number & 255)"
  return #"{"vpc":"v","address":"\#(address)","host":"\#(host)","mac":"02:00:00:00:00:14"}"#
}

func document(_ text: String) -> ModelDocument { ModelDocument(name: "request", text: text) }
let caller = Rules.administrator

// A small state: what a change costs besides its size.
let small = directory + "-small"
let smallStorage = try await ControllerStorage.open(
  ControllerConfiguration(stateDirectory: small, version: "0"))
let smallController = Controller(smallStorage, dataPlane: FakeDataPlane())
_ = try await smallController.apply(Rules.whole(Rules.base), by: caller)
var smallPort = 0
_ = try await measure("apply one rule, small state", times: 501) {
  smallPort += 1
  return try await smallController.apply(Rules.patch(Rules.group(port: smallPort)), by: caller)
}
print("memory: \(memory("VmRSS")) MB")
try FileManager.default.removeItem(atPath: small)

let text = state()
print("\(mappings) mappings; the document has \(text.utf8.count >> 20) MB")
let model = try await measure("load") {
  try ModelLoader.load(texts: [(name: "state", text: text)])
}
let oneGroup = #"{"securityGroups":[\#(group(5, port: 80))]}"#
_ = try await measure("patch of a 1,000-rule group", times: 7) {
  try ModelLoader.patch(model, setting: [("patch", oneGroup)])
}
let oneMapping = #"{"mappings":[\#(mapping(7, host: "192.0.2.9"))]}"#
_ = try await measure("patch of a mapping", times: 7) {
  try ModelLoader.patch(model, setting: [("patch", oneMapping)])
}
let oneVPC = #"{"vpcs":[{"id":"w","vni":7,"cidrs":["172.16.0.0/12"]}]}"#
_ = try await measure("patch that adds a VPC", times: 7) {
  try ModelLoader.patch(model, setting: [("patch", oneVPC)])
}

let configuration = ControllerConfiguration(stateDirectory: directory, version: "0")
func start() async throws -> Controller {
  let storage = try await ControllerStorage.open(configuration)
  for warning in storage.warnings { print("warning: \(warning)") }
  let controller = Controller(storage, dataPlane: FakeDataPlane())
  try await controller.start()
  return controller
}
let controller = try await start()
_ = try await measure("apply the whole from empty") {
  try await controller.apply(ChangeRequest(.whole([document(text)])), by: caller)
}
print("memory: \(memory("VmRSS")) MB, at most \(memory("VmHWM")) MB")
var port = 1000
_ = try await measure("apply one group", times: 7) {
  port += 1
  let set = #"{"securityGroups":[\#(group(5, port: port))]}"#
  return try await controller.apply(
    ChangeRequest(.patch(set: [document(set)], delete: [])), by: caller)
}
_ = try await measure("apply one mapping", times: 7) {
  port += 1
  let set = #"{"mappings":[\#(mapping(port, host: "192.0.2.9"))]}"#
  return try await controller.apply(
    ChangeRequest(.patch(set: [document(set)], delete: [])), by: caller)
}
_ = try await measure("status", times: 21) { try await controller.status(by: caller) }
// One process at a time has the directory, and one controller of a process.
await controller.stop()
_ = try await measure("restart: open, check, restore") { try await start() }
try FileManager.default.removeItem(atPath: directory)
