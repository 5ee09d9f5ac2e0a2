import VPCModel
import Wire

/// What the services need to know of one network interface.
struct ServiceInterface {
  var mac: MACAddress
  var addresses: [IPAddress]
  /// Index of the VPC in the model.
  var vpc: Int
  var subnetPrefixes: [IPPrefix]
  /// The router's addresses in the subnet: the first address + 1 of each CIDR.
  var routers: [IPAddress]
  /// The VPC's first IPv4 address + 2, where AWS has its resolver.
  var resolver: IPAddress?

  func primary(_ family: IPFamily) -> IPAddress? { addresses.first { $0.family == family } }

  /// The subnet's CIDR that holds the primary address of a family.
  func prefix(_ family: IPFamily) -> IPPrefix? {
    guard let primary = primary(family) else { return nil }
    return subnetPrefixes.first { $0.contains(primary) }
  }

  func isRouter(_ address: IPAddress) -> Bool {
    address == .linkLocalRouter || routers.contains(address)
  }

  /// The link-local address that a host forms of its MAC (RFC 4291 appendix A).
  var linkLocalAddress: IPAddress {
    let bits = mac.bits ^ 0x0200_0000_0000
    let identifier = (bits >> 24) << 40 | 0xFF_FE00_0000 | bits & 0xFF_FFFF
    return IPAddress(v6: 0xFE80 << 48, identifier)
  }
}

extension IPAddress {
  /// fe80::1, every subnet's router.
  static var linkLocalRouter: IPAddress { IPAddress(v6: 0xFE80 << 48, 1) }
  /// ff02::1.
  static var allNodes: IPAddress { IPAddress(v6: 0xFF02 << 48, 1) }
  /// ff02::2.
  static var allRouters: IPAddress { IPAddress(v6: 0xFF02 << 48, 2) }
  /// fd00:ec2::253, the resolver of AWS for IPv6.
  static var resolverV6: IPAddress { IPAddress(v6: 0xFD00_0EC2_0000_0000, 0x253) }
  /// 255.255.255.255.
  static var limitedBroadcast: IPAddress { IPAddress(v4: .max) }

  /// ff02::1:ff00:0/104 (RFC 4291 section 2.7.1).
  var isSolicitedNode: Bool {
    family == .v6 && high == 0xFF02 << 48 && low >> 24 == 0x1FF
  }

  /// The Ethernet address of an IPv6 multicast group (RFC 2464 section 7).
  var multicastMAC: MACAddress { MACAddress(0x3333_0000_0000 | low & 0xFFFF_FFFF) }
}

/// Where the addresses of each VPC live, and what each interface is told.
struct ServiceTables {
  private struct VPCAddress: Hashable {
    var vpc: Int
    var address: IPAddress
  }

  /// By index of the model's network interfaces; nil where the model's references do not resolve.
  let interfaces: [ServiceInterface?]
  /// Bytes an inner IP packet may have on the way to other hosts.
  let mtu: Int
  private var hardwareAddresses: [VPCAddress: MACAddress] = [:]
  /// Of mappings, when they are not in `hardwareAddresses`.
  private let mapped: (@Sendable (Int, IPAddress) -> MACAddress?)?

  /// - Parameter mapped: asked for the mappings; nil when they shall be taken from the model.
  /// - Complexity: linear in the size of the model; without mappings that somebody else knows.
  init(_ model: VPCModel, mapped: (@Sendable (Int, IPAddress) -> MACAddress?)?) {
    self.mapped = mapped
    mtu = Self.pathMTU(model.host)
    let vpcs = Dictionary(
      zip(model.vpcs.map(\.id), model.vpcs.indices), uniquingKeysWith: { first, _ in first })
    let subnets = Dictionary(
      model.subnets.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    interfaces = model.networkInterfaces.map { interface in
      guard let subnet = subnets[interface.subnet], let vpc = vpcs[subnet.vpc] else { return nil }
      let base = model.vpcs[vpc].cidrs.first { $0.family == .v4 }
      return ServiceInterface(
        mac: interface.mac, addresses: interface.addresses, vpc: vpc,
        subnetPrefixes: subnet.cidrs,
        routers: subnet.cidrs.map { $0.address.advanced(by: 1) },
        resolver: base?.address.advanced(by: 2))
    }
    if mapped == nil {
      for mapping in model.mappings {
        guard let vpc = vpcs[mapping.vpc] else { continue }
        hardwareAddresses[VPCAddress(vpc: vpc, address: mapping.address)] = mapping.mac
      }
    }
    for case let interface? in interfaces {
      for address in interface.addresses {
        hardwareAddresses[VPCAddress(vpc: interface.vpc, address: address)] = interface.mac
      }
    }
  }

  /// The answer to a request of `interface` for an address; nil when there is none.
  ///
  /// The router goes first, so that no interface of the VPC can stand in for it.
  func hardwareAddress(of address: IPAddress, for interface: ServiceInterface) -> MACAddress? {
    if interface.isRouter(address) { return .router }
    return hardwareAddresses[VPCAddress(vpc: interface.vpc, address: address)]
      ?? mapped?(interface.vpc, address)
  }

  /// Encapsulation takes 50 bytes on an IPv4 underlay and 70 on IPv6: inner Ethernet, Geneve or
  /// VXLAN, UDP and IP headers.
  private static func pathMTU(_ host: Host?) -> Int {
    guard let host else { return 1500 }
    return host.mtu - (host.address.family == .v4 ? 50 : 70)
  }
}
