import FlowLogs
import HostFile
import VPCModel

extension ObjectFields {
  static let flowLog = ObjectFields(
    name: "flowLog", required: ["directory"],
    optional: [
      "format", "interval", "compress", "records", "fileMegabytes", "keepFiles", "keepMegabytes",
    ])
}

extension HostReader {
  /// `flowLog`: where records of all packets are written, and how much of them is kept.
  mutating func readFlowLog(_ section: Located?) -> FlowLogPlan? {
    guard let section, !section.isNull, let fields = fields(section, .flowLog) else { return nil }
    let directory = absolutePath(fields["directory"], maximum: 4_000)
    var plan = FlowLogPlan(directory: directory ?? "")
    if let format = readFormat(fields["format"]) { plan.format = format }
    if let interval = readInterval(fields["interval"]) { plan.interval = interval }
    if let compress = boolean(fields["compress"]) { plan.isCompressed = compress }
    if let count = integer(fields["records"], in: 1_024...1 << 22) { plan.records = Int(count) }
    if let size = integer(fields["fileMegabytes"], in: 1...4_096) {
      plan.fileBytes = Int(size) << 20
    }
    if let count = integer(fields["keepFiles"], in: 1...100_000) { plan.keptFiles = Int(count) }
    if let size = integer(fields["keepMegabytes"], in: 1...1 << 20) {
      plan.keptBytes = Int(size) << 20
    }
    if let kept = fields["keepMegabytes"], plan.keptBytes < plan.fileBytes {
      fail(kept.place, "is less than `fileMegabytes`, so that a file would not be kept")
    }
    return directory == nil ? nil : plan
  }

  private mutating func readFormat(_ value: Located?) -> FlowLogFormat? {
    guard let value, let text = characters(value, "fields such as `${srcaddr} ${action}`") else {
      return nil
    }
    do { return try FlowLogFormat(text) } catch {
      fail(value.place, error.why)
      return nil
    }
  }

  private mutating func readInterval(_ value: Located?) -> FlowLogInterval? {
    guard let value, let seconds = integer(value, in: 1...86_400) else { return nil }
    if let interval = FlowLogInterval(rawValue: Int(seconds)) { return interval }
    fail(value.place, "must be 60 or 600 seconds, as on AWS")
    return nil
  }
}
