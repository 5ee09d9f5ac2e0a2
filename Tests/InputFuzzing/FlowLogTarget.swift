import FlowLogAudit
import FlowLogs
import Foundation
import FuzzSupport
import VPCModel

extension FuzzTarget {
  /// Flow logs as AWS stores them, plain and gzip, maybe behind a line with their format: every line
  /// is counted once, and every record judged once.
  public static let flowLog = FuzzTarget("flow-log", maximumLength: 2_048) {
    let file = MemoryFile()
    let audit = FlowLogTarget.audit
    return { input in
      guard let audit else { return "the model is refused" }
      return FlowLogTarget.fault(input, file, audit)
    }
  }
}

enum FlowLogTarget {
  /// An interface with two addresses, groups and an ACL that let some of everything pass.
  private static let model = """
    vpcs: [{id: vpc, vni: 1, cidrs: [10.0.0.0/16, "fd00::/48"]}]
    internetGateways: [{id: igw, vpc: vpc, host: 192.0.2.254, vni: 9}]
    routeTables: [{id: rtb, vpc: vpc, routes: [{to: 0.0.0.0/0, via: igw}]}]
    networkACLs:
      - id: acl
        vpc: vpc
        ingress: [{rule: 90, action: deny, protocol: tcp, ports: 3389, cidr: 0.0.0.0/0},
          {rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0},
          {rule: 110, action: allow, protocol: all, cidr: "::/0"}]
        egress: [{rule: 90, action: deny, protocol: icmp, cidr: 10.0.0.0/16},
          {rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0},
          {rule: 110, action: allow, protocol: all, cidr: "::/0"}]
    subnets: [{id: subnet, vpc: vpc, cidrs: [10.0.1.0/24, "fd00:0:0:1::/64"], routeTable: rtb,
      networkACL: acl}]
    securityGroups:
      - id: sg
        vpc: vpc
        ingress: [{id: ssh, protocol: tcp, ports: 22, from: [10.0.0.0/16, "fd00::/48"]},
          {id: ping, protocol: icmp, from: 0.0.0.0/0}]
        egress: [{id: https, protocol: tcp, ports: 443, to: 0.0.0.0/0}]
    networkInterfaces: [{id: eni, subnet: subnet, mac: "02:00:00:00:00:0a", securityGroups: [sg],
      addresses: [10.0.1.10, "fd00:0:0:1::a"], publicAddresses: {10.0.1.10: 198.51.100.9}}]
    """

  /// Compiled once, and copied for each input.
  static var audit: FlowLogAudit? {
    guard let model = try? ModelLoader.load(texts: [(name: "model", text: model)]) else {
      return nil
    }
    return try? FlowLogAudit(model)
  }

  static func fault(
    _ input: UnsafeRawBufferPointer, _ file: MemoryFile, _ audit: FlowLogAudit
  ) -> String? {
    let (format, log) = parts(input)
    guard file.set(log) else { return nil }
    var audit = audit
    do throws(FlowLogError) { try audit.read(file.path, format: format) } catch {
      if case .refused = error { return "the model is refused: \(error)" }
      return nil
    }
    let once = audit.judged()
    if let fault = faultOfSums(once) ?? faultOfText(once) { return fault }
    let isPlain = log.count < 2 || log[0] != 0x1F || log[1] != 0x8B
    if isPlain {
      let (lines, told) = (lines(log, format), once.lines)
      if lines != told { return "\(told) of \(lines) lines are counted" }
    }
    do throws(FlowLogError) { try audit.read(file.path, format: format) } catch {
      return "refused when it comes again: \(error)"
    }
    return faultOfTwice(once, audit.judged())
  }

  /// The format that a first line such as `${srcaddr} ${dstaddr}` names, and the log behind it.
  private static func parts(
    _ input: UnsafeRawBufferPointer
  ) -> (FlowLogFormat?, UnsafeRawBufferPointer) {
    guard input.first == UInt8(ascii: "$") else { return (nil, input) }
    let end = input.firstIndex(of: UInt8(ascii: "\n")) ?? input.count
    let format = try? FlowLogFormat(String(decoding: input[..<end], as: UTF8.self))
    return (format, UnsafeRawBufferPointer(rebasing: input[min(input.count, end + 1)...]))
  }

  /// Lines that are neither empty nor headers, counted in another way than the reader does.
  private static func lines(_ log: UnsafeRawBufferPointer, _ format: FlowLogFormat?) -> Int {
    let names = Set(FlowLogField.allCases.map(\.rawValue))
    return log.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).count { part in
      let line = part.last == UInt8(ascii: "\r") ? part.dropLast() : part
      if line.isEmpty { return false }
      let words = line.split(separator: UInt8(ascii: " "))
      return words.isEmpty
        || !words.allSatisfy { names.contains(String(decoding: $0, as: UTF8.self)) }
    }
  }

  // MARK: What must hold

  private static func faultOfSums(_ findings: FlowLogFindings) -> String? {
    if findings.outcomes.reduce(0, +) != findings.records {
      return "\(findings.records) records, and outcomes \(findings.outcomes)"
    }
    return findings.differs == (findings.differing > 0) ? nil : "it differs, or does not"
  }

  /// Programs can read it, and people are told nothing that their terminal would obey.
  private static func faultOfText(_ findings: FlowLogFindings) -> String? {
    let lines = findings.text.split(separator: "\n").map(String.init) + findings.faultTexts
    for line in lines where !AWSImportTarget.isOneLine(line) {
      return "more than a line of text: \(line.debugDescription)"
    }
    guard (try? JSONSerialization.jsonObject(with: Data(findings.json.utf8))) is [String: Any]
    else { return "no JSON: \(findings.json)" }
    return nil
  }

  /// The same log again is twice as many records, which fare as they did.
  private static func faultOfTwice(_ once: FlowLogFindings, _ twice: FlowLogFindings) -> String? {
    twice.lines == 2 * once.lines && twice.outcomes == once.outcomes.map { 2 * $0 }
      ? nil : "once \(once.outcomes) of \(once.lines), twice \(twice.outcomes) of \(twice.lines)"
  }
}

extension FlowLogFindings {
  /// Lines that were told to be something.
  fileprivate var lines: Int { records + withoutData + skippedByAWS + faults }

  /// Records by what became of them.
  fileprivate var outcomes: [Int] {
    [agreeing, answering, answeringEarlier, ofServices, differing, skipped]
  }
}
