import VPCModel
import Wire

/// A service that the virtual router gives its guests.
public enum ServiceKind: Sendable, CaseIterable {
  case arp, neighborDiscovery, dhcp4, dhcp6
}

/// What became of a message to a service.
public enum ServiceOutcome: Equatable, Sendable {
  /// There is an answer for the guest.
  case reply
  /// Taken without an answer.
  case consume
  case drop(DropReason)
}

/// Answers ARP, neighbour discovery and DHCP of guests from the model alone.
///
/// Nothing is learned from guests and nothing is leased: the same message always gets the same
/// answer. Faults are looked for in this order: the message itself, its link-layer source, its IP
/// source, what it asks for.
public struct ServiceResponder: Sendable {
  let tables: ServiceTables

  /// - Complexity: linear in the size of the model.
  public init(model: VPCModel) { tables = ServiceTables(model, mapped: nil) }

  /// Answers of a model whose mappings somebody else has in a table already.
  ///
  /// - Parameter mapped: the MAC address of the mapping of a VPC, by its index in the model, and an
  ///   address.
  /// - Complexity: linear in the size of the model without its mappings.
  public init(
    model: VPCModel, mapped: @escaping @Sendable (_ vpc: Int, _ address: IPAddress) -> MACAddress?
  ) {
    tables = ServiceTables(model, mapped: mapped)
  }

  /// Judges a message of a guest to a service and composes the answer.
  ///
  /// - Parameters:
  ///   - kind: the service; the caller has seen that the frame is for it.
  ///   - frame: an Ethernet frame without VLAN tag.
  ///   - nic: the sender, an index of the model's network interfaces.
  ///   - atNIC: whether the frame was taken at the interface, so that its MAC addresses count.
  ///   - answer: becomes the whole Ethernet frame for the guest on `.reply`; untouched otherwise.
  /// - Returns: what became of the message; `.drop(.eniNone)` when there is no such interface.
  /// - Complexity: linear in the length of the frame.
  public func respond(
    _ kind: ServiceKind, to frame: UnsafeRawBufferPointer, from nic: Int, atNIC: Bool,
    into answer: inout [UInt8]
  ) -> ServiceOutcome {
    guard tables.interfaces.indices.contains(nic), let interface = tables.interfaces[nic] else {
      return .drop(.eniNone)
    }
    guard let ethernet = EthernetView(FrameBytes(frame)) else { return .drop(.parseTruncated) }
    let request = ServiceRequest(ethernet: ethernet, interface: interface, atNIC: atNIC)
    return switch kind {
    case .arp: answerARP(request, into: &answer)
    case .neighborDiscovery: answerNeighborDiscovery(request, into: &answer)
    case .dhcp4: answerDHCPv4(request, into: &answer)
    case .dhcp6: answerDHCPv6(request, into: &answer)
    }
  }
}

/// A frame to a service and its sender.
struct ServiceRequest {
  let ethernet: EthernetView
  let interface: ServiceInterface
  let atNIC: Bool

  /// Whether a link-layer address in the frame is not the sender's; only a frame taken at the
  /// interface can tell.
  func isForeign(_ address: MACAddress) -> Bool { atNIC && address != interface.mac }
}
