import Datapath
import Explanation
import SlowPath
import TableCompiler
import Tables
import VPCModel
import Wire

/// How a packet comes to the engine.
enum Arrival: Hashable, Sendable {
  /// Sent by a network interface of the model, by index.
  case nic(Int)
  /// Tunnelled by the host of a mapping, by index.
  case mapping(Int)
  /// Tunnelled by the host of an internet gateway, by index.
  case gateway(Int)
}

/// What the engine says of a packet.
struct Judgement: Sendable {
  var outcome: Outcome
  var steps: [TraceEvent]

  var isForwarded: Bool { outcome.verdict == .forward }

  /// The last network interface that judged, as an index of the tables.
  var lastJudge: TableIndex? {
    steps.last { $0.step == .egress || $0.step == .ingress }
      .map { TableIndex(truncatingIfNeeded: $0.a) }
  }

  /// Whether the receiver's side was reached.
  var isAtReceiver: Bool {
    steps.last { $0.step == .egress || $0.step == .ingress }?.step == .ingress
  }

  /// The step that tells where the packet goes: a NIC, a mapping, or a gateway.
  var location: TraceEvent? {
    steps.last { [.atNIC, .atMapping, .throughGateway].contains($0.step) }
  }
}

/// The production engine with the tables of one model, for packets that are made up.
///
/// A model without `host` gets a stand-in, so that what comes from other hosts can be judged too.
final class ProbeEngine {
  let directory: ModelDirectory
  let compiled: CompiledTables
  let host: Host
  private var worker: Worker
  private var now: UInt64 = 1_000_000_000
  private let memory: UnsafeMutableRawPointer

  private static let headroom = 256
  private static let capacity = 1024

  /// - Throws: what the table compiler refuses.
  /// - Complexity: O(n log n) in the model's size.
  init(_ model: VPCModel) throws(TableCompilerError) {
    var model = model
    host = model.host ?? Self.standIn(model)
    model.host = host
    directory = ModelDirectory(model)
    compiled = try TableCompiler.compile(model)
    worker = Self.worker(compiled)
    memory = .allocate(byteCount: Self.headroom + Self.capacity, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.headroom + Self.capacity)
  }

  deinit { memory.deallocate() }

  /// A host of the family that other hosts have.
  private static func standIn(_ model: VPCModel) -> Host {
    let other = model.internetGateways.first?.host ?? model.mappings.first?.host
    return Host(
      address: address(other?.family ?? .v4), mac: MACAddress(0x02AA_0000_0001),
      gatewayMAC: MACAddress(0x02AA_0000_00FE))
  }

  /// 192.0.2.1 or 2001:db8::1, both for documentation (RFC 5737, RFC 3849).
  private static func address(_ family: IPFamily) -> IPAddress {
    family == .v4 ? IPAddress(v4: 0xC000_0201) : IPAddress(v6: 0x2001_0DB8_0000_0000, 1)
  }

  /// Lets all connections end, established ones of the default timeout too: the next packet meets
  /// none of them.
  func forget() {
    now &+= 500_000 * 1_000_000_000
    // Half of the time there is: 18,000 times later.
    if now < 1 << 63 { return }
    worker = Self.worker(compiled)
    now = 1_000_000_000
  }

  private static func worker(_ compiled: CompiledTables) -> Worker {
    Worker(
      configuration: WorkerConfiguration(flowCapacity: 1 << 10, fragmentCapacity: 1 << 4),
      nicCapacity: compiled.tables.nics.count, ruleCapacity: compiled.tables.ruleCount)
  }

  /// Has the engine judge a packet.
  ///
  /// - Parameters:
  ///   - arrival: who brings it.
  ///   - vpc: index of the VPC that a tunnelled packet of a mapping's host is for.
  func judge(_ packet: ProbePacket, from arrival: Arrival, vpc: Int) -> Judgement {
    var frame: [UInt8] = []
    switch arrival {
    case .nic(let index):
      frame = ethernet(packet, from: directory.nic(index).mac)
    case .mapping(let index):
      let mapping = directory.model.mappings[index]
      frame = tunnel(
        ethernet(packet, from: mapping.mac), from: mapping.host, vni: directory.model.vpcs[vpc].vni)
    case .gateway(let index):
      let gateway = directory.model.internetGateways[index]
      frame = tunnel(
        ethernet(packet, from: host.gatewayMAC), from: gateway.host, vni: gateway.vni)
    }
    if case .nic(let index) = arrival { return process(frame, .guest, nic: index) }
    return process(frame, .underlay, nic: nil)
  }

  /// Has the engine judge a packet that is at a network interface already: only its interface's
  /// side of it.
  func judge(_ packet: ProbePacket, arrivingAt nic: Int) -> Judgement {
    var frame: [UInt8] = []
    EthernetHeader(
      destination: directory.nic(nic).mac, source: .router,
      etherType: packet.source.family == .v4 ? EtherType.ipv4 : EtherType.ipv6
    ).emit(into: &frame)
    return process(frame + packet.bytes, .captured, nic: nic)
  }

  private func process(_ frame: [UInt8], _ origin: Origin, nic: Int?) -> Judgement {
    precondition(frame.count <= Self.capacity)
    memory.advanced(by: Self.headroom).copyMemory(from: frame, byteCount: frame.count)
    now &+= 1_000_000
    var packet = Packet(
      base: memory + Self.headroom, length: UInt32(frame.count), headroom: UInt32(Self.headroom))
    packet.time = now
    packet.flags = [.atNIC, .traced]
    packet.origin = origin
    if let nic { packet.nic = compiled.slot(ofInterface: nic) }
    return withUnsafeMutablePointer(to: &packet) { packet in
      worker.process(UnsafeMutableBufferPointer(start: packet, count: 1), compiled.tables)
      let steps = (0..<worker.trace.count).map { worker.trace[$0] }
      return Judgement(outcome: Outcome(packet.pointee), steps: steps)
    }
  }

  // MARK: Frames

  /// To the subnet's router, which every host has.
  private func ethernet(_ packet: ProbePacket, from source: MACAddress) -> [UInt8] {
    var frame: [UInt8] = []
    EthernetHeader(
      destination: .router, source: source,
      etherType: packet.source.family == .v4 ? EtherType.ipv4 : EtherType.ipv6
    ).emit(into: &frame)
    return frame + packet.bytes
  }

  /// A frame in Geneve (RFC 8926 section 3.4).
  private func tunnel(_ inner: [UInt8], from source: IPAddress, vni: UInt32) -> [UInt8] {
    // Only in a model without a host may there be endpoints of both families.
    let target =
      host.address.family == source.family ? host.address : Self.address(source.family)
    var geneve: [UInt8] = [0, 0, 0x65, 0x58]
    geneve.appendBig32(vni << 8)
    var datagram: [UInt8] = []
    UDPHeader(sourcePort: 49_152, destinationPort: 6081)
      .emit(payload: geneve + inner, source: source, destination: target, into: &datagram)
    var frame: [UInt8] = []
    EthernetHeader(
      destination: host.mac, source: host.gatewayMAC,
      etherType: source.family == .v4 ? EtherType.ipv4 : EtherType.ipv6
    ).emit(into: &frame)
    if source.family == .v4 {
      IPv4Header(protocolNumber: IPProtocol.udp, source: source, destination: target)
        .emit(payloadLength: datagram.count, into: &frame)
    } else {
      IPv6Header(nextHeader: IPProtocol.udp, hopLimit: 64, source: source, destination: target)
        .emit(payloadLength: datagram.count, into: &frame)
    }
    return frame + datagram
  }
}
