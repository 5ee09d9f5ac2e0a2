import Tables

/// Where a packet takes a TCP connection.
enum TCPTransition {
  case to(TCPState)
  /// Let it pass without believing it.
  case ignore
  case invalid

  /// The state machine of Linux 6.1's tracker.
  ///
  /// - Parameters:
  ///   - side: 0 for the side that sent the first packet, 1 for the answering one.
  ///   - kind: what the packet is.
  ///   - state: where the connection stands; `none` for its first packet.
  static func next(side: UInt8, kind: TCPPacketKind, state: TCPState) -> TCPTransition {
    switch kind {
    case .syn: side == 0 ? originalSYN(state) : replySYN(state)
    case .synACK: side == 0 ? originalSYNACK(state) : replySYNACK(state)
    case .fin: fin(state)
    case .ack: side == 0 ? originalACK(state) : replyACK(state)
    case .rst: state == .none ? .invalid : .to(.closed)
    case .none: .invalid
    }
  }

  private static func originalSYN(_ state: TCPState) -> TCPTransition {
    switch state {
    case .none, .synSent, .timeWait, .closed: .to(.synSent)
    case .synSent2: .to(.synSent2)
    case .synReceived, .established, .finWait, .closeWait, .lastACK: .ignore
    }
  }

  /// A SYN from the answering side is a simultaneous open, or begins anew after TIME-WAIT.
  private static func replySYN(_ state: TCPState) -> TCPTransition {
    switch state {
    case .synSent, .synSent2: .to(.synSent2)
    case .timeWait: .to(.synSent)
    default: .invalid
    }
  }

  private static func originalSYNACK(_ state: TCPState) -> TCPTransition {
    switch state {
    case .synReceived, .synSent2: .to(.synReceived)
    default: .invalid
    }
  }

  private static func replySYNACK(_ state: TCPState) -> TCPTransition {
    switch state {
    case .none: .invalid
    case .synSent, .synSent2: .to(.synReceived)
    default: .ignore
    }
  }

  private static func fin(_ state: TCPState) -> TCPTransition {
    switch state {
    case .none, .synSent, .synSent2: .invalid
    case .synReceived, .established: .to(.finWait)
    case .finWait, .closeWait, .lastACK: .to(.lastACK)
    case .timeWait: .to(.timeWait)
    case .closed: .to(.closed)
    }
  }

  private static func originalACK(_ state: TCPState) -> TCPTransition {
    switch state {
    case .none, .synReceived, .established: .to(.established)
    case .synSent, .synSent2: .invalid
    case .finWait, .closeWait: .to(.closeWait)
    case .lastACK, .timeWait: .to(.timeWait)
    case .closed: .to(.closed)
    }
  }

  private static func replyACK(_ state: TCPState) -> TCPTransition {
    switch state {
    case .none: .invalid
    case .synSent, .synSent2: .ignore
    case .synReceived: .to(.synReceived)
    case .established: .to(.established)
    case .finWait, .closeWait: .to(.closeWait)
    case .lastACK, .timeWait: .to(.timeWait)
    case .closed: .to(.closed)
    }
  }
}
