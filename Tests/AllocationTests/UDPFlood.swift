import Datapath
import Tables
import VPCModel
import Wire

/// UDP of one network interface to a mapping and to a second one of this host.
struct UDPFlood {
  private static let sender = MACAddress(0x0200_0000_000A)
  private var frame: [UInt8]
  private var time: UInt64 = 1_000_000_000

  static func model() -> VPCModel {
    var model = VPCModel()
    model.host = Host(
      address: IPAddress(v4: 0xC000_0201), mac: MACAddress(0x02AA_0000_0001),
      gatewayMAC: MACAddress(0x02AA_0000_00FE))
    let all = IPPrefix(IPAddress(v4: 0), length: 0)
    model.vpcs = [VPC(id: "vpc", vni: 100, cidrs: [IPPrefix(address(0), length: 16)])]
    model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: [IPPrefix(address(0), length: 24)])]
    let udp = TrafficMatch(protocolNumber: IPProtocol.udp, ports: [1...65_535])
    let outward = SecurityGroupRule(id: "sg/egress/0", match: udp, peers: [.cidr(all)])
    let inward = SecurityGroupRule(id: "sg/ingress/0", match: udp, peers: [.cidr(all)])
    model.securityGroups = [
      SecurityGroup(id: "sg", vpc: "vpc", ingress: [inward], egress: [outward])
    ]
    model.networkInterfaces = [
      NetworkInterface(id: "eni-a", subnet: "subnet", mac: sender, addresses: [address(10)]),
      NetworkInterface(
        id: "eni-b", subnet: "subnet", mac: MACAddress(0x0200_0000_000B), addresses: [address(11)]),
    ]
    for index in model.networkInterfaces.indices {
      model.networkInterfaces[index].securityGroups = ["sg"]
    }
    model.mappings = [
      Mapping(
        vpc: "vpc", address: address(20), host: IPAddress(v4: 0xC000_0202),
        mac: MACAddress(0x0200_0001_0000))
    ]
    return model
  }

  private static func address(_ host: UInt32) -> IPAddress { IPAddress(v4: 0x0A00_0000 + host) }

  init() {
    frame = [UInt8](repeating: 0, count: 64)
    frame.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      base.storeMAC(.router, at: 0)
      base.storeMAC(Self.sender, at: 6)
      base.storeBig16(0x0800, at: 12)
      base.storeBig32(0x4500_0032, at: 14)
      base.storeBig32(0x0000_4000, at: 18)
      base.storeBig32(0x4011_0000, at: 22)
      base.storeBig32(Self.address(10).v4Bits, at: 26)
      base.storeBig32(0x001E_0000, at: 38)
    }
  }

  /// Sends `count` datagrams, 500 ns apart, whose ports go round `flows`.
  mutating func send(_ count: Int, flows: Int, local: Bool, to worker: inout CountedWorker) {
    frame.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      base.storeBig32(Self.address(local ? 11 : 20).v4Bits, at: 30)
      base.storeBig16(0, at: 24)
      let sum = InternetChecksum.sum(UnsafeRawPointer(base + 14), count: 20)
      base.storeBig16(InternetChecksum.finish(sum), at: 24)
      for number in 0..<count {
        let flow = number % flows
        base.storeBig16(UInt16(truncatingIfNeeded: 1024 + flow & 0x7FFF), at: 34)
        base.storeBig16(UInt16(truncatingIfNeeded: 2000 + flow >> 15), at: 36)
        time += 500
        worker.add(
          UnsafeRawBufferPointer(bytes), originalLength: 64, origin: .guest, nic: 0, flags: .atNIC,
          time: time)
      }
    }
    worker.judge()
  }

  /// Sends `count` ARP requests for the router, 1 µs apart.
  mutating func sendARP(_ count: Int, to worker: inout CountedWorker) {
    var request = [UInt8](repeating: 0, count: 60)
    request.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      base.storeMAC(.broadcast, at: 0)
      base.storeMAC(Self.sender, at: 6)
      base.storeBig32(0x0806_0001, at: 12)
      base.storeBig32(0x0800_0604, at: 16)
      base.storeBig16(1, at: 20)
      base.storeMAC(Self.sender, at: 22)
      base.storeBig32(Self.address(10).v4Bits, at: 28)
      base.storeBig32(Self.address(1).v4Bits, at: 38)
      for _ in 0..<count {
        time += 1_000
        worker.add(
          UnsafeRawBufferPointer(bytes), originalLength: 60, origin: .guest, nic: 0, flags: .atNIC,
          time: time)
      }
    }
    worker.judge()
  }

  /// Sends the first fragments of `count` datagrams, 500 ns apart.
  mutating func sendFirstFragments(_ count: Int, to worker: inout CountedWorker) {
    var frame = frame
    frame.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      base.storeBig32(Self.address(20).v4Bits, at: 30)
      base.storeBig32(0x0400_0800, at: 34)
      // 24 bytes of payload: all but the last fragment have a multiple of 8.
      base.storeBig32(0x4500_002C, at: 14)
      for number in 0..<count {
        // The identifier, and "more fragments".
        base.storeBig32(UInt32(number & 0xFFFF) << 16 | 0x2000, at: 18)
        base.storeBig16(0, at: 24)
        let sum = InternetChecksum.sum(UnsafeRawPointer(base + 14), count: 20)
        base.storeBig16(InternetChecksum.finish(sum), at: 24)
        time += 500
        worker.add(
          UnsafeRawBufferPointer(bytes), originalLength: 64, origin: .guest, nic: 0, flags: .atNIC,
          time: time)
      }
    }
    worker.judge()
  }

  /// Lets time pass, so that connections end.
  mutating func pause(seconds: UInt64) { time += seconds * 1_000_000_000 }
}
