import Tables

extension TCPState {
  /// The state as operators know it, RFC 9293's names in lower case: `syn-sent`.
  public var name: String {
    switch self {
    case .none: "none"
    case .synSent: "syn-sent"
    case .synReceived: "syn-received"
    case .established: "established"
    case .finWait: "fin-wait"
    case .closeWait: "close-wait"
    case .lastACK: "last-ack"
    case .timeWait: "time-wait"
    case .closed: "closed"
    case .synSent2: "syn-sent-2"
    }
  }
}
