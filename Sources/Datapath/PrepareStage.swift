import Tables
import Wire

// First pass over a burst: read the headers, find the NIC of tunnel packets, and start the memory
// accesses that the judgement will need. Nothing here depends on connections or allowances.

extension Worker {
  @_transparent
  mutating func prepare(
    _ packet: inout Packet, _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) {
    packet.verdict = .pending
    packet.reason = .none
    packet.rule = 0
    packet.output = .nowhere
    packet.state = .none
    context.candidate = .none
    context.hasKey = false
    context.firstGroupRule = .none
    context.publicAddress = .none
    context.firstFragment = .none
    context.receivedFragment = .none
    if packet.flags.contains(.traced) { trace.clear() }
    if packet.origin == .underlay {
      isTracing = packet.flags.contains(.traced)
      decapsulate(&packet, &context, tables)
      if packet.verdict != .pending { return }
    } else {
      // SAFETY: the owner vouches for `length` bytes at `base`.
      unsafe FrameParser.parse(
        packet.base, length: Int(packet.length), originalLength: Int(packet.originalLength),
        offloaded: packet.flags.contains(.offloaded), into: &context.headers)
      context.nic = packet.nic
    }
    prepareKey(packet, &context)
  }

  @inline(__always)
  private func prepareKey(_ packet: borrowing Packet, _ context: inout PacketContext) {
    let frame: UInt32 = packet.flags.contains(.rawIP) ? 0 : UInt32(FrameParser.ethernetLength)
    context.cost = frame &+ context.headers.datagramLength
    context.packets = 1
    guard context.headers.faults.isEmpty, context.headers.isIP, context.headers.hasTransport else {
      return
    }
    let direction: Direction = packet.origin == .guest ? .egress : .ingress
    makeKey(context.headers, direction, nic: context.nic, into: &context.key)
    context.hash = context.key.hash(seed: flows.seed)
    context.hasKey = true
    flows.prefetchBucket(context.hash)
  }

  /// The key of the connection that a packet belongs to at a NIC.
  @inline(__always)
  func makeKey(
    _ headers: borrowing Headers, _ direction: Direction, nic: TableIndex, into key: inout FlowKey
  ) {
    var localPort: UInt16 = 0
    var remotePort: UInt16 = 0
    switch headers.transport {
    case IPProtocol.tcp, IPProtocol.udp:
      localPort = direction == .egress ? headers.sourcePort : headers.destinationPort
      remotePort = direction == .egress ? headers.destinationPort : headers.sourcePort
    case IPProtocol.icmp, IPProtocol.icmpV6:
      if let request = headers.isEchoRequest {
        localPort = headers.sourcePort
        // Who asked: a guest's request and its peer's with the same identifier are two connections.
        remotePort = request == (direction == .egress) ? 0 : 1
      } else {
        // No other message has a connection: not even that of an echo whose identifier is 0.
        remotePort = 2
      }
    default: break
    }
    key.identity = FlowKey.identity(
      nic: nic, transport: headers.transport, localPort: localPort, remotePort: remotePort)
    key.isIPv6 = headers.family == .v6
    if direction == .egress {
      key.localHigh = headers.sourceHigh
      key.localLow = headers.sourceLow
      key.remoteHigh = headers.destinationHigh
      key.remoteLow = headers.destinationLow
    } else {
      key.localHigh = headers.destinationHigh
      key.localLow = headers.destinationLow
      key.remoteHigh = headers.sourceHigh
      key.remoteLow = headers.sourceLow
    }
    key.seal()
  }
}

extension Headers {
  /// Whether an ICMP echo is the request; nil when the packet is no echo.
  @inline(__always)
  var isEchoRequest: Bool? {
    guard isICMP else { return nil }
    switch (family, icmpType) {
    case (.v4, 8), (.v6, 128): return true
    case (.v4, 0), (.v6, 129): return false
    default: return nil
    }
  }

  /// ICMP errors, which quote the packet they are about: those of Linux's tracker.
  var isICMPError: Bool {
    guard isICMP else { return false }
    if family == .v6 { return icmpType >= 1 && icmpType < 128 }
    switch icmpType {
    case 3, 4, 5, 11, 12: return true
    default: return false
    }
  }
}
