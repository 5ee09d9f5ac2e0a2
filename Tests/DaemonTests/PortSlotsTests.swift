import Controller
import HostPlan
import Testing

@testable import Daemon

/// Which ports a list of them opens and closes, and under which numbers.
@Suite struct PortSlotsTests {
  private static func tap(_ eni: String, _ name: String, queues: Int = 1) -> GuestPlan {
    GuestPlan(networkInterface: eni, device: .tap(name), queues: queues)
  }

  private let a = tap("eni-a", "a")
  private let b = tap("eni-b", "b")
  private let c = tap("eni-c", "c")

  @Test func aPortComesAndGoes() throws {
    var slots = PortSlots(capacity: 3, guests: [a])
    let come = try slots.change(to: [b, a])
    #expect(come == PortChange(guests: [1: a, 2: b], opened: [2], closed: []))
    slots.take(come)
    #expect(try slots.change(to: [a, b]) == PortChange(guests: [1: a, 2: b]))
    let go = try slots.change(to: [b])
    #expect(go == PortChange(guests: [2: b], opened: [], closed: [1]))
    slots.take(go)
    #expect(slots.guests == [2: b])
  }

  @Test func aNumberIsFreeWhenNothingOfItIsOnItsWay() throws {
    var slots = PortSlots(capacity: 2, guests: [a])
    slots.take(try slots.change(to: []))
    #expect(try slots.change(to: [b]).opened == [2])
    #expect(throws: DataPlaneError.full(what: "ports", limit: 2, asked: 3)) {
      try slots.change(to: [b, c])
    }
    slots.free(1)
    #expect(try slots.change(to: [b, c]).guests == [1: b, 2: c])
  }

  @Test func moreThanThereIsRoomForAreRefused() throws {
    let slots = PortSlots(capacity: 1, guests: [a])
    #expect(throws: DataPlaneError.full(what: "ports", limit: 1, asked: 2)) {
      try slots.change(to: [a, b])
    }
    // The port that goes still has its number.
    #expect(throws: DataPlaneError.self) { try slots.change(to: [b]) }
    #expect(throws: DataPlaneError.self) {
      try PortSlots(capacity: 0, guests: []).change(to: [a])
    }
  }

  @Test func aDeviceMayGoToAnotherInterface() throws {
    let slots = PortSlots(capacity: 2, guests: [a, b])
    let crossed = [Self.tap("eni-a", "b"), Self.tap("eni-b", "a")]
    #expect(
      try slots.change(to: crossed)
        == PortChange(guests: [1: crossed[1], 2: crossed[0]], opened: [], closed: []))
  }

  @Test func anOpenDeviceIsNotOpenedOtherwise() throws {
    let slots = PortSlots(capacity: 3, guests: [a])
    for other in [
      Self.tap("eni-a", "a", queues: 2),
      GuestPlan(networkInterface: "eni-a", device: .interface("a")),
    ] {
      #expect(
        throws: DataPlaneError.port(
          networkInterface: "eni-a",
          why: "a is open with other settings, as the port of eni-a",
          advice: "delete ports/eni-a first, then apply again")
      ) { try slots.change(to: [other]) }
    }
    // The socket of a guest behind the broker bears the interface's name.
    let socket = GuestPlan.Device.vhostUser(VhostUserPlan(socket: "/run/vm.sock"))
    let machines = PortSlots(
      capacity: 3, guests: [GuestPlan(networkInterface: "eni-a", device: socket)])
    #expect(throws: DataPlaneError.self) {
      try machines.change(to: [GuestPlan(networkInterface: "eni-b", device: socket)])
    }
  }

  private static func device(_ eni: String, _ name: String, queues: Int = 1) -> GuestPlan {
    GuestPlan(networkInterface: eni, device: .ethdev(name), queues: queues)
  }

  /// DPDK's devices cannot be opened again: detached they wait.
  @Test func aDeviceStaysOpenForTheNext() throws {
    let name = "net_af_packet0,iface=e0"
    let first = Self.device("eni-a", name)
    var slots = PortSlots(capacity: 2, guests: [first])
    let detached = try slots.change(to: [])
    #expect(detached == PortChange(guests: [:], spare: [1: DevicePlan(name)]))
    slots.take(detached)
    #expect(try slots.change(to: [b]).opened == [2])
    let second = Self.device("eni-b", name)
    let resumed = try slots.change(to: [second])
    #expect(resumed == PortChange(guests: [1: second], resumed: [1]))
    slots.take(resumed)
    #expect(slots.spare.isEmpty)
    // From one guest to another it is polled all the time.
    #expect(try slots.change(to: [first]) == PortChange(guests: [1: first]))
  }

  /// Devices that no guest had from start on; those that are meant need not be told their options.
  @Test func aDeviceWaitsForItsFirstGuest() throws {
    let waiting = [DevicePlan("net_tap3,iface=x", queues: 2), DevicePlan("00:0A.0")]
    var slots = PortSlots(capacity: 4, guests: [a], devices: waiting)
    #expect(slots.spare == [2: waiting[0], 3: waiting[1]])
    let named = [
      a, Self.device("eni-b", "net_tap3", queues: 2), Self.device("eni-c", "0000:00:0a.0"),
    ]
    let change = try slots.change(to: named)
    #expect(change.guests[2] == Self.device("eni-b", "net_tap3,iface=x", queues: 2))
    #expect(change.guests[3] == Self.device("eni-c", "00:0A.0"))
    #expect(change.resumed == [2, 3] && change.opened.isEmpty && change.spare.isEmpty)
    slots.take(change)
    #expect(try slots.change(to: [a]).spare == [2: waiting[0], 3: waiting[1]])
    #expect(try slots.change(to: named) == PortChange(guests: change.guests))
  }

  @Test func aWaitingDeviceIsTakenAsItIs() throws {
    let slots = PortSlots(
      capacity: 3, guests: [], devices: [DevicePlan("net_tap3,iface=x", queues: 2)])
    for other in [
      Self.device("eni-a", "net_tap3", queues: 1),
      Self.device("eni-a", "net_tap3,iface=y", queues: 2),
    ] {
      #expect(
        throws: DataPlaneError.port(
          networkInterface: "eni-a",
          why: "the device is open as net_tap3,iface=x with 2 queues",
          advice: "ask for it so, or change `devices` in the host file, then 'apus run --takeover'")
      ) { try slots.change(to: [other]) }
    }
  }

  @Test func lostNumbersStayTaken() throws {
    var slots = PortSlots(capacity: 2, guests: [])
    slots.lose([1])
    #expect(try slots.change(to: [a]).opened == [2])
  }
}
