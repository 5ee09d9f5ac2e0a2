/// Why a packet was dropped, or, for `eniNone`, ignored: the one enumeration that counters, flow
/// logs, verdicts, traces and the API share.
///
/// The raw value indexes counter arrays; `name` is what users and files see.
public enum DropReason: UInt8, CaseIterable, Sendable, BitwiseCopyable {
  case none = 0
  case parseTruncated, parseHeader, parseChecksum, parseLength, parseExtension, parseOption
  case l2VLAN, l2Ethertype, l2Multicast
  case serviceARP, serviceND, serviceDHCP, serviceDHCPServer
  case spoofMAC, spoofIP
  case fragmentOrphan, fragmentOverlap, fragmentTiny, fragmentLimit
  case ctFlags, ctInvalid
  case sgEgress, sgIngress
  case routeNone, routeBlackhole, routePeering
  case aclEgress, aclIngress
  case mappingNone, natNone
  case mtuExceeded
  case limitLinkLocal, limitConnections, limitConnectionRate, limitPackets, limitBandwidth
  case tunnelHeader, tunnelVNI, tunnelPeer, tunnelFragment
  case eniNone, eniMAC
  // Of live ports only; a replay has none of these.
  case portDown, portFull, portOversize, slowPathFull, workerFull, underlayNeighbor

  /// The name in the vocabulary of verdict files, such as `sg.egress`; empty for `none`.
  public var name: String { description.name }

  /// Whether only live ports give it, never a replay.
  public var isOfLivePorts: Bool { rawValue >= Self.portDown.rawValue }

  /// One line of explanation for people.
  public var text: String { description.text }

  /// The reason with a given name; nil when there is none.
  public init?(name: String) {
    guard let reason = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = reason
  }

  private var description: (name: String, text: String) {
    switch self {
    case .none: ("", "not dropped")
    case .parseTruncated: ("parse.truncated", "a header is outside the captured bytes")
    case .parseHeader:
      ("parse.header", "wrong IP version, IHL below 5 or TCP data offset below 5")
    case .parseChecksum: ("parse.checksum", "the IPv4 header checksum is wrong")
    case .parseLength: ("parse.length", "a declared length does not fit the packet")
    case .parseExtension:
      ("parse.extension", "IPv6 extension headers out of order, too many or too long")
    case .parseOption: ("parse.option", "a source-routing or malformed IP option")
    case .l2VLAN: ("l2.vlan", "the guest tagged the frame with a VLAN")
    case .l2Ethertype: ("l2.ethertype", "neither IPv4, IPv6 nor ARP")
    case .l2Multicast: ("l2.multicast", "a VPC carries no broadcast or multicast")
    case .serviceARP: ("service.arp", "an ARP message that has no answer")
    case .serviceND: ("service.nd", "a neighbour discovery message that has no answer")
    case .serviceDHCP: ("service.dhcp", "a DHCP message that has no answer")
    case .serviceDHCPServer: ("service.dhcp-server", "a guest acted as DHCP server")
    case .spoofMAC: ("spoof.mac", "the source MAC is not the network interface's")
    case .spoofIP: ("spoof.ip", "the source address is not the network interface's")
    case .fragmentOrphan: ("fragment.orphan", "a later fragment without a known first fragment")
    case .fragmentOverlap: ("fragment.overlap", "fragments of the datagram overlap")
    case .fragmentTiny:
      ("fragment.tiny", "a first fragment without its whole transport header")
    case .fragmentLimit: ("fragment.limit", "too many fragmented datagrams at once")
    case .ctFlags: ("ct.flags", "a combination of TCP flags that cannot be")
    case .ctInvalid:
      ("ct.invalid", "not valid for its connection, or may not begin one")
    case .sgEgress: ("sg.egress", "no security group rule allows it out")
    case .sgIngress: ("sg.ingress", "no security group rule allows it in")
    case .routeNone: ("route.none", "no route to the destination")
    case .routeBlackhole: ("route.blackhole", "the route is a black hole")
    case .routePeering: ("route.peering", "the destination is not routable through the peering")
    case .aclEgress: ("acl.egress", "the subnet's network ACL denies it out")
    case .aclIngress: ("acl.ingress", "the subnet's network ACL denies it in")
    case .mappingNone: ("mapping.none", "nobody knows where the destination address lives")
    case .natNone: ("nat.none", "the source has no public address for the internet gateway")
    case .mtuExceeded: ("mtu.exceeded", "larger than the path allows, and may not be fragmented")
    case .limitLinkLocal: ("limit.link-local", "over the link-local packet allowance")
    case .limitConnections: ("limit.connections", "over the allowance of tracked connections")
    case .limitConnectionRate:
      ("limit.connection-rate", "over the allowance of new connections a second")
    case .limitPackets: ("limit.packets", "over the packets-per-second allowance")
    case .limitBandwidth: ("limit.bandwidth", "over the bandwidth allowance")
    case .tunnelHeader: ("tunnel.header", "a Geneve or VXLAN header that is not acceptable")
    case .tunnelVNI: ("tunnel.vni", "the VNI belongs to no VPC here")
    case .tunnelPeer: ("tunnel.peer", "the outer source is not where the inner source lives")
    case .tunnelFragment: ("tunnel.fragment", "a fragment of a tunnel packet")
    case .eniNone: ("eni.none", "no network interface has the address")
    case .eniMAC: ("eni.mac", "the destination MAC is not the network interface's")
    case .portDown: ("port.down", "the port's other side is not there")
    case .portFull: ("port.full", "the port's other side does not take packets fast enough")
    case .portOversize: ("port.oversize", "a frame or descriptor chain beyond the port's limits")
    case .slowPathFull:
      ("slowpath.full", "the network interface's share of the slow path is used up")
    case .workerFull:
      (
        "worker.full",
        "the owner of the connection is behind, and the share of the way to it is used up"
      )
    case .underlayNeighbor: ("underlay.neighbor", "the next hop's MAC address is not known yet")
    }
  }
}
