import Datapath
import TestPackets
import Testing
import Wire

/// ARP, neighbour discovery and DHCP of a guest that lies.
@Suite struct ServiceTests {
  static func arp(
    _ operation: UInt16 = 1, mac: MACAddress = World.macA, sender: String = World.addressA,
    target: String = "10.0.1.1", head: [UInt8] = [0, 1, 8, 0, 6, 4]
  ) -> [UInt8] {
    var message = head
    message += Compose.bytes(UInt64(operation), 2)
    message += Compose.bytes(mac.bits, 6)
    message += Compose.bytes(Compose.address(sender))
    message += [UInt8](repeating: 0, count: 6)
    message += Compose.bytes(Compose.address(target))
    return Compose.ethernet(to: .broadcast, from: World.macA, type: 0x0806, message)
  }

  @Test("T-06: ARP is answered from tables: forged, gratuitous and malformed messages are not")
  func arpMessages() throws {
    try withLab { lab in
      let right = lab.send(Shot(frame: Self.arp()))
      #expect(right.verdict == .reply)
      #expect(Array(right.frame[22..<28]) == Compose.bytes(MACAddress.router.bits, 6))
      let own = lab.send(Shot(frame: Self.arp(target: World.addressA)))
      #expect(own.verdict == .consume)
      // Claims on the router's and a neighbour's address, and on the metadata service.
      for address in ["10.0.1.1", World.addressB, "169.254.169.254", World.remote] {
        let claim = lab.send(Shot(frame: Self.arp(sender: address, target: address)))
        #expect(claim.brief == "drop spoof.ip", "\(address)")
        let answer = lab.send(Shot(frame: Self.arp(2, sender: address)))
        #expect(answer.brief == "drop service.arp", "\(address)")
      }
      let foreign = lab.send(Shot(frame: Self.arp(mac: World.macB)))
      #expect(foreign.brief == "drop spoof.mac")
      for target in ["169.254.169.254", "10.0.1.99", "10.9.0.1", "8.8.8.8"] {
        let seen = lab.send(Shot(frame: Self.arp(target: target)))
        #expect(seen.brief == "drop service.arp", "\(target)")
      }
      for operation in UInt16(0)...30 where operation != 1 {
        let seen = lab.send(Shot(frame: Self.arp(operation)))
        #expect(seen.brief == "drop service.arp", "\(operation)")
      }
      for index in 0..<6 {
        for value in UInt8(0)...255 {
          var head: [UInt8] = [0, 1, 8, 0, 6, 4]
          if head[index] == value { continue }
          head[index] = value
          let seen = lab.send(Shot(frame: Self.arp(head: head)))
          #expect(seen.brief == "drop service.arp", "\(index) \(value)")
        }
      }
      let whole = Self.arp()
      for length in 14..<whole.count {
        let seen = lab.send(Shot(frame: Array(whole[..<length])))
        #expect(seen.brief == "drop parse.truncated", "\(length)")
      }
      // Nothing was learned from all that.
      let after = lab.send(Shot(frame: Self.arp()))
      #expect(after.frame == right.frame)
    }
  }

  static func discovery(
    _ type: UInt8, target: String, options: [UInt8] = [], source: String = World.addressA6,
    destination: String, hops: UInt8 = 255
  ) -> [UInt8] {
    let body = type == 133 || type == 134 ? [] : Compose.bytes(Compose.address(target))
    var packet = Compose.ipv6(
      source, destination, next: 58,
      Compose.icmp(type, rest: [0, 0, 0, 0], body + options))
    packet[7] = hops
    return packet
  }

  @Test("T-06: advertisements and redirects of a guest are service.nd, whoever they are for")
  func advertisements() throws {
    try withLab { lab in
      for type in [134, 136, 137] as [UInt8] {
        for destination in ["ff02::1", World.addressB6, "fd00:10:0:1::1", World.remote6] {
          for target in [World.addressB6, "fe80::1", World.addressA6] {
            let seen = lab.guest(
              Self.discovery(
                type, target: target, options: [2, 1] + Compose.bytes(World.macA.bits, 6),
                destination: destination))
            #expect(seen.brief == "drop service.nd", "\(type) \(destination)")
          }
        }
      }
      let right = lab.guest(
        Self.discovery(
          135, target: World.addressB6, options: [1, 1] + Compose.bytes(World.macA.bits, 6),
          destination: World.addressB6))
      #expect(right.verdict == .reply)
    }
  }

  @Test("P-10: solicitations for outside targets, with lying options and wrong hop limits")
  func solicitations() throws {
    try withLab { lab in
      let mac = Compose.bytes(World.macA.bits, 6)
      for target in ["2001:db8::1", "fd00:10:0:1::99", "ff02::1", "::", "fd00:20::1"] {
        let seen = lab.guest(
          Self.discovery(135, target: target, options: [1, 1] + mac, destination: "fe80::1"))
        #expect(seen.brief == "drop service.nd", "\(target)")
      }
      // Every option length: zero never ends, others pass the end; type 14 is a nonce.
      for type in [1, 2, 14, 255] as [UInt8] {
        for units in UInt8(0)...255 where units != 1 {
          let seen = lab.guest(
            Self.discovery(
              135, target: World.addressB6, options: [type, units] + mac,
              destination: World.addressB6))
          #expect(seen.brief == "drop service.nd", "\(type) \(units)")
        }
      }
      for hops in UInt8(0)..<255 {
        let seen = lab.guest(
          Self.discovery(135, target: World.addressB6, destination: World.addressB6, hops: hops))
        #expect(seen.brief == "drop service.nd", "\(hops)")
      }
      let whole = Compose.ethernet(
        to: .router, from: World.macA,
        Self.discovery(
          135, target: World.addressB6, options: [1, 1] + mac, destination: World.addressB6))
      let right = lab.send(Shot(frame: whole))
      for length in 14..<whole.count {
        let seen = lab.send(Shot(frame: Array(whole[..<length])))
        #expect(seen.verdict == .drop, "\(length)")
      }
      // What was asked before has no influence on the answer, and targets are told apart.
      let after = lab.send(Shot(frame: whole))
      let other = lab.guest(
        Self.discovery(135, target: "fd00:10:0:1::1", destination: "fd00:10:0:1::1"))
      #expect(right.verdict == .reply && after.frame == right.frame)
      #expect(other.verdict == .reply && other.frame != right.frame)
    }
  }

  static func dhcp(
    operation: UInt8 = 1, hardware: [UInt8] = [1, 6], relay: String = "0.0.0.0",
    mac: MACAddress = World.macA, cookie: [UInt8] = [99, 130, 83, 99],
    options: [UInt8] = [53, 1, 1, 255], ports: (UInt16, UInt16) = (68, 67)
  ) -> [UInt8] {
    var message: [UInt8] = [operation]
    message += hardware
    message += [0, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0]
    message += [UInt8](repeating: 0, count: 12)
    message += Compose.bytes(Compose.address(relay))
    message += Compose.bytes(mac.bits, 6)
    message += [UInt8](repeating: 0, count: 202)
    message += cookie
    message += options
    return Compose.ethernet(
      to: .broadcast, from: World.macA,
      Compose.ipv4(
        "0.0.0.0", "255.255.255.255", protocol: 17, Compose.udp(ports.0, ports.1, message)))
  }

  @Test("T-07: guests that act as DHCP servers, of either family, are service.dhcp-server")
  func servers() throws {
    try withLab { lab in
      for destination in ["255.255.255.255", World.addressB, World.remote] {
        let seen = lab.guest(
          Compose.ipv4(
            World.addressA, destination, protocol: 17,
            Compose.udp(67, 68, [UInt8](repeating: 0, count: 300))))
        #expect(seen.brief == "drop service.dhcp-server", "\(destination)")
      }
      for destination in ["ff02::1", World.addressB6, World.remote6] {
        let seen = lab.guest(
          Compose.ipv6(
            World.addressA6, destination, next: 17,
            Compose.udp(547, 546, [UInt8](repeating: 0, count: 60))))
        #expect(seen.brief == "drop service.dhcp-server", "\(destination)")
      }
    }
  }

  @Test("T-07: relayed, foreign and malformed DHCP messages are service.dhcp")
  func clients() throws {
    try withLab { lab in
      let right = lab.send(Shot(frame: Self.dhcp()))
      #expect(right.verdict == .reply)
      let wrong: [(String, [UInt8])] = [
        ("operation", Self.dhcp(operation: 2)), ("hardware", Self.dhcp(hardware: [6, 6])),
        ("length", Self.dhcp(hardware: [1, 16])), ("relay", Self.dhcp(relay: "10.0.1.20")),
        ("client", Self.dhcp(mac: World.macB)), ("cookie", Self.dhcp(cookie: [1, 2, 3, 4])),
        ("no type", Self.dhcp(options: [255])), ("offer", Self.dhcp(options: [53, 1, 2, 255])),
        ("type of 0 bytes", Self.dhcp(options: [53, 0, 255])),
        ("past the end", Self.dhcp(options: [53, 1, 1, 12, 200, 65])),
        ("cut option", Self.dhcp(options: [53, 1, 1, 12])),
      ]
      for (name, frame) in wrong {
        let seen = lab.send(Shot(frame: frame))
        #expect(seen.brief == "drop service.dhcp", "\(name): \(seen)")
      }
      for type in UInt8(0)...255 where ![1, 3, 4, 7, 8].contains(type) {
        let seen = lab.send(Shot(frame: Self.dhcp(options: [53, 1, type, 255])))
        #expect(seen.brief == "drop service.dhcp", "\(type)")
      }
      // Option overload, and options without end: bounded, and one answer at most.
      for overload in UInt8(0)...4 {
        let seen = lab.send(
          Shot(frame: Self.dhcp(options: [53, 1, 1, 52, 1, overload, 255])))
        #expect([.reply, .drop].contains(seen.verdict) && seen.frame.count < 600)
      }
      let long = [UInt8](repeating: 0, count: 900)
      let padded = lab.send(Shot(frame: Self.dhcp(options: long + [53, 1, 1, 255])))
      #expect(padded.verdict == .reply && padded.frame.count == right.frame.count)
      let whole = Self.dhcp()
      for length in 14..<whole.count {
        let seen = lab.send(Shot(frame: Array(whole[..<length])))
        #expect(seen.verdict == .drop, "\(length)")
      }
      let after = lab.send(Shot(frame: Self.dhcp()))
      #expect(after.frame == right.frame)
    }
  }

  @Test("C-06: DHCP and ND that are not for the services are judged by rules, and make no hole")
  func servicesMakeNoHole() throws {
    try withLab { lab in
      lab.send(Shot(frame: Self.dhcp()))
      #expect(lab.worker.nicState(World.a).connections == 0)
      // Nobody answers from outside because a guest asked the service.
      let answer = lab.wire(
        Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(67, 68)))
      #expect(answer.brief == "drop sg.ingress")
      // To another host it is a datagram as any.
      let elsewhere = lab.guest(
        Compose.ipv4(World.addressA, World.remote, protocol: 17, Compose.udp(68, 67)))
      #expect(elsewhere.brief == "forward new")
      let neighbor = lab.guest(
        Compose.ipv4(World.addressA, World.addressB, protocol: 17, Compose.udp(68, 67)))
      #expect(neighbor.brief == "drop sg.ingress")
    }
  }
}
