import Wire

extension ServiceResponder {
  /// Answers requests for addresses of the VPC and the router (RFC 826, RFC 5227).
  func answerARP(_ request: ServiceRequest, into answer: inout [UInt8]) -> ServiceOutcome {
    let interface = request.interface
    guard let view = ARPView(request.ethernet.payload), let message = ARPMessage(view),
      message.operation == .request
    else { return .drop(.serviceARP) }
    if request.isForeign(request.ethernet.source) || request.isForeign(message.senderHardware) {
      return .drop(.spoofMAC)
    }
    // A probe (RFC 5227 section 2.1.1) has no sender address yet.
    guard
      message.senderProtocol.isUnspecified || interface.addresses.contains(message.senderProtocol)
    else { return .drop(.spoofIP) }
    if interface.addresses.contains(message.targetProtocol) { return .consume }
    guard let mac = tables.hardwareAddress(of: message.targetProtocol, for: interface) else {
      return .drop(.serviceARP)
    }
    answer.removeAll(keepingCapacity: true)
    EthernetHeader(destination: interface.mac, source: mac, etherType: EtherType.arp)
      .emit(into: &answer)
    ARPMessage(
      operation: .reply, senderHardware: mac, senderProtocol: message.targetProtocol,
      targetHardware: message.senderHardware, targetProtocol: message.senderProtocol
    ).emit(into: &answer)
    return .reply
  }
}
