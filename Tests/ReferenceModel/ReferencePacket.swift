import Wire

/// One recorded frame, as a capture file holds it.
public struct ReferencePacket: Sendable, Equatable {
  /// The path of the capture as given.
  public var file: String
  /// Counts from 1 in each file.
  public var number: Int
  /// Nanoseconds since the epoch, as recorded.
  public var time: UInt64
  /// LINKTYPE_* of the interface it was recorded on.
  public var linkType: UInt16
  /// The captured bytes.
  public var bytes: [UInt8]
  /// The frame's length on the wire in bytes.
  public var originalLength: Int

  /// A packet; without `originalLength` it was captured whole.
  public init(
    file: String, number: Int, time: UInt64, linkType: UInt16, bytes: [UInt8],
    originalLength: Int? = nil
  ) {
    self.file = file
    self.number = number
    self.time = time
    self.linkType = linkType
    self.bytes = bytes
    self.originalLength = originalLength ?? bytes.count
  }
}

/// The fields of a verdict line that a judgement decides.
public struct ReferenceVerdict: Sendable, Equatable {
  public var eni = ""
  /// `egress`, `ingress`, `local` or `none`.
  public var direction = "none"
  /// `forward`, `drop`, `reply`, `consume` or `ignore`.
  public var verdict: String
  /// A drop reason's name; empty unless dropped or ignored.
  public var reason = ""
  public var rule = ""
  /// `new`, `established`, `related`, `untracked` or `none`.
  public var state = "none"
  /// `underlay`, a network interface's id, or nil.
  public var output: String?
  /// How the judgement came about, in words, for debugging; takes no part in comparisons.
  public var steps: [String] = []

  /// A verdict that says nothing more yet.
  public init(verdict: String) { self.verdict = verdict }

  public static func == (a: ReferenceVerdict, b: ReferenceVerdict) -> Bool {
    a.eni == b.eni && a.direction == b.direction && a.verdict == b.verdict
      && a.reason == b.reason && a.rule == b.rule && a.state == b.state && a.output == b.output
  }

  static func ignore(_ why: String) -> ReferenceVerdict {
    var verdict = ReferenceVerdict(verdict: "ignore")
    verdict.reason = DropReason.eniNone.name
    verdict.steps = [why]
    return verdict
  }

  static func drop(
    eni: String, direction: String, _ reason: DropReason, rule: String = ""
  ) -> ReferenceVerdict {
    var verdict = ReferenceVerdict(verdict: "drop")
    verdict.eni = eni
    verdict.direction = direction
    verdict.reason = reason.name
    verdict.rule = rule
    return verdict
  }

  static func forward(
    eni: String, direction: String, rule: String, state: String, output: String
  ) -> ReferenceVerdict {
    var verdict = ReferenceVerdict(verdict: "forward")
    verdict.eni = eni
    verdict.direction = direction
    verdict.rule = rule
    verdict.state = state
    verdict.output = output
    return verdict
  }
}

/// What the user of a replay says about where the capture was taken.
public struct ReferenceOptions: Sendable, Equatable {
  /// The network interface that settles doubt (`--eni`).
  public var eni: String?
  /// Whether the capture was taken at the network interface (`--at nic`).
  public var atNIC: Bool

  public init(eni: String? = nil, atNIC: Bool = false) {
    self.eni = eni
    self.atNIC = atNIC
  }
}
