import FlowLogs
import Tables
import VPCModel
import Wire

/// What to replay, and what to write about it.
public struct ReplayOptions: Sendable {
  /// Capture paths as given; `-` is standard input. They are read one after the other.
  public var captures: [String]
  /// Model paths, which no output may overwrite.
  public var models: [String] = []
  /// Of the model to compare with, the same.
  public var against: [String] = []
  /// A tcpdump expression; nil judges every packet.
  public var filter: String?
  /// The id of the NIC that settles doubtful attributions.
  public var eni: String?
  /// The captures were taken at the NIC: MAC addresses count and VLAN tags are the guest's.
  public var atNIC = false
  public var verdicts: String?
  public var out: String?
  public var annotated: String?
  public var flowLog: String?
  public var flowLogFormat = FlowLogFormat()
  public var flowLogInterval = FlowLogInterval.tenMinutes
  public var explain: [ExplainTarget] = []
  /// A page about the replay. Its maker writes it; here it is kept from overwriting anything.
  public var report: String?

  public init(captures: [String]) { self.captures = captures }
}

extension ReplayOptions {
  /// The interface that `eni` names; `.none` without it.
  ///
  /// - Throws: `usage` when the model has none of this id, with some that it has.
  func preferredInterface(in model: VPCModel) throws(ReplayError) -> TableIndex {
    guard let id = eni else { return .none }
    if let index = model.networkInterfaces.firstIndex(where: { $0.id == id }) {
      return TableIndex(index)
    }
    let ids = model.networkInterfaces.map(\.id)
    let rest = ids.count > 5 ? " and \(ids.count - 5) more" : ""
    let choice = ids.isEmpty ? "" : " (it has \(ids.prefix(5).joined(separator: ", "))\(rest))"
    throw .usage(
      what: "--eni \(id)", why: "the model has no network interface with this id\(choice)")
  }
}

/// A packet whose judgement is to be told step by step.
public struct ExplainTarget: Sendable, Equatable {
  /// As given among the captures; nil is the first one.
  public var file: String?
  /// Counted from 1.
  public var packet: UInt64

  public init(file: String?, packet: UInt64) {
    self.file = file
    self.packet = packet
  }

  /// Parses `N` or `FILE:N`; nil when N is not a number from 1 on.
  public init?(_ text: String) {
    let digits: Substring
    if let colon = text.lastIndex(of: ":") {
      guard colon > text.startIndex else { return nil }
      file = String(text[..<colon])
      digits = text[text.index(after: colon)...]
    } else {
      file = nil
      digits = text[...]
    }
    guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }),
      let number = UInt64(digits), number > 0
    else { return nil }
    packet = number
  }
}

/// How far a replay has come.
public struct ReplayProgress: Sendable {
  public var packets: UInt64
  /// From 0 to 1, nil when an input has no known length.
  public var fraction: Double?
}

/// What a replay found, and why it stopped early if it did.
public struct ReplayResult: Sendable {
  public var summary: ReplaySummary
  /// Remarks on the inputs, in words, each with its file.
  public var warnings: [String]
  /// Explanations of the packets that were asked for, in order of the packets.
  public var explanations: [String]
  /// Set when an input or output failed; everything before it is in the summary and the outputs.
  public var failure: ReplayError?
}
