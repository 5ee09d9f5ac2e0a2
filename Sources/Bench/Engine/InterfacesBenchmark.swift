import Datapath
import Tables
import VPCModel
import Wire

/// The full pipeline with packets of many interfaces in turn, against those of one, on one core.
///
/// All have the same number of connections together. Timed is `Worker.process` on bursts of 32
/// established UDP frames of 64 bytes out, of which each is another interface's than the one
/// before. Writing frames, opening the connections and looking at what came out is not timed.
public struct InterfacesBenchmark {
  /// Numbers of interfaces; the first is what the others are compared with.
  public var counts = [1, 1_024, 16_384]
  /// Connections of all interfaces together, at least one each.
  public var flows = 1 << 16
  public var packetsPerRun = 2_000_000
  public var runs = 5
  var omitted = 0

  public init() {}

  /// Measures cycles a packet and Mpps for each number, and the rate as a part of the first one's.
  ///
  /// - Throws: `unproven` unless every packet left as an established connection's of its interface.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let clock = BenchmarkClock()
    var rigs: [EngineRig] = []
    var slots: [[TableIndex]] = []
    for count in counts {
      let rig = try EngineRig(Self.model(count), flows: flows)
      let indices = (0..<count).map { rig.compiled.slot(ofInterface: $0) }
      rig.judge(count: flows) { Self.add($1, $0, indices, .new) }
      try rig.check()
      rig.omitted = omitted
      rigs.append(rig)
      slots.append(indices)
    }
    var random = BenchmarkRandom()
    var turns = counts.map { _ in 0 }
    let samples = EngineRig.measure(rigs, packets: packetsPerRun, runs: runs) { rig, ring in
      let count = counts[rig]
      turns[rig] = turns[rig] + 1 == count ? 0 : turns[rig] + 1
      let flow = random.below(flows / count) * count + turns[rig]
      Self.add(flow, ring, slots[rig], .established)
    }
    var results: [BenchmarkResult] = []
    for (index, rig) in rigs.enumerated() {
      try rig.check()
      let parameters = [
        ("nics", "\(counts[index])"), ("flows", "\(rig.connections)"), rig.proof.parameter,
      ]
      results += samples[index].results("nics", clock, parameters)
      if index == 0 { continue }
      let ratios = zip(samples[0].samples, samples[index].samples).map { $0 / $1 }
      results.append(
        BenchmarkResult(
          name: "nics-ratio", unit: "of the rate of \(counts[0])", samples: ratios,
          parameters: parameters))
    }
    return results
  }

  private static func add(
    _ flow: Int, _ ring: FrameRing, _ slots: [TableIndex], _ state: FlowState
  ) {
    let nic = flow % slots.count
    var tuple = FlowTuple(flow: flow)
    tuple.local = address(nic)
    tuple.mac = mac(nic)
    ring.addUDP(tuple, isOutbound: true, nic: slots[nic], state)
  }

  private static func address(_ nic: Int) -> UInt32 { 0x0A01_0010 + UInt32(nic) }
  private static func mac(_ nic: Int) -> MACAddress { MACAddress(0x0200_0400_0000 + UInt64(nic)) }

  /// The benchmarks' model with interfaces like its own in a subnet of their own.
  private static func model(_ count: Int) -> VPCModel {
    var model = BenchmarkModel.make()
    model.vpcs[0].cidrs.append(IPPrefix(IPAddress(v4: 0x0A01_0000), length: 16))
    model.subnets.append(
      Subnet(
        id: "many", vpc: "vpc", cidrs: [IPPrefix(IPAddress(v4: 0x0A01_0000), length: 16)],
        routeTable: "rtb", networkACL: "acl"))
    let pattern = model.networkInterfaces[0]
    model.networkInterfaces = (0..<count).map { index in
      var nic = NetworkInterface(
        id: "eni-\(index)", subnet: "many", mac: mac(index),
        addresses: [IPAddress(v4: address(index))])
      nic.securityGroups = pattern.securityGroups
      nic.limits = pattern.limits
      return nic
    }
    return model
  }
}
