import Datapath

extension Verdict {
  /// The name in verdict lines.
  public var name: StaticString {
    switch self {
    case .pending: "pending"
    case .forward: "forward"
    case .drop: "drop"
    case .reply: "reply"
    case .consume: "consume"
    case .ignore: "ignore"
    case .punt: "punt"
    case .handOver: "handOver"
    }
  }
}

extension FlowState {
  /// The name in verdict lines.
  public var name: StaticString {
    switch self {
    case .none: "none"
    case .new: "new"
    case .established: "established"
    case .related: "related"
    case .untracked: "untracked"
    }
  }
}

extension PacketDirection {
  /// The name in verdict lines.
  public var name: StaticString {
    switch self {
    case .egress: "egress"
    case .ingress: "ingress"
    case .local: "local"
    case .none: "none"
    }
  }
}
