import HostPlan
import VPCModel
import Wire

/// Reads the ports of guests, which a host file has and the state of a running host.
package protocol GuestReading: DocumentReading {
  /// The places of names that only one guest or port may have, by kind and name.
  var names: [String: Place] { get set }

  /// Notes that the model must have a network interface.
  mutating func note(networkInterface: String, at place: Place)
}

/// Bounds of what a guest's port may ask for.
package enum GuestLimits {
  package static let queues = 64
}

extension ObjectFields {
  static let guest = ObjectFields(
    name: "guest", required: ["eni"],
    optional: ["tap", "interface", "vhostUser", "device", "queues"])
  static let device = ObjectFields(name: "device", required: ["device"], optional: ["queues"])
  static let vhostUser = ObjectFields(
    name: "vhostUser", required: ["socket"],
    optional: ["listens", "broker", "packed", "offload", "mtu"])
}

extension GuestReading {
  /// Reads the port of one guest.
  ///
  /// - Parameters:
  ///   - item: the object in the document.
  ///   - runtime: what the host runs on, which decides the devices that it can have; nil is any.
  package mutating func readGuest(_ item: Located, _ runtime: HostPlan.Runtime?) -> GuestPlan? {
    guard let fields = fields(item, .guest) else { return nil }
    let eni = name(fields["eni"])
    if let eni, let value = fields["eni"] {
      claim("guest", eni, at: value.place)
      note(networkInterface: eni, at: value.place)
    }
    let queues = integer(fields["queues"], in: 1...UInt64(GuestLimits.queues))
    let device = guestDevice(item, fields, runtime)
    guard let eni, let device else { return nil }
    return GuestPlan(networkInterface: eni, device: device, queues: queues.map { Int($0) } ?? 1)
  }

  /// Reads a device of DPDK that waits for a guest: an object, or only its name.
  package mutating func readWaitingDevice(_ item: Located) -> DevicePlan? {
    if item.scalar != nil { return ethdev(item).map { DevicePlan($0) } }
    guard let fields = fields(item, .device) else { return nil }
    let device = ethdev(fields["device"])
    let queues = integer(fields["queues"], in: 1...UInt64(GuestLimits.queues))
    return device.map { DevicePlan($0, queues: queues.map { Int($0) } ?? 1) }
  }

  /// The one device of a guest, which must be of a kind that the runtime has.
  private mutating func guestDevice(
    _ item: Located, _ fields: Fields, _ runtime: HostPlan.Runtime?
  ) -> GuestPlan.Device? {
    let kinds = ["tap", "interface", "vhostUser", "device"].filter { fields[$0] != nil }
    let own = runtime == .dpdk ? ["vhostUser", "device"] : ["tap", "interface"]
    let words = own.map { "`\($0)`" }.joined(separator: " or ")
    guard let first = kinds.first else {
      fail(item.place, "needs the guest's port: \(words)")
      return nil
    }
    for kind in kinds.dropFirst() {
      guard let value = fields[kind] else { continue }
      fail(value.place, "a guest has one port, and `\(first)` is given already")
    }
    let device = readDevice(first, fields[first])
    if let runtime, !own.contains(first), let value = fields[first] {
      let other = runtime == .dpdk ? "kernel" : "dpdk"
      fail(
        value.place, "is for `runtime: \(other)`; `runtime: \(runtime.rawValue)` has \(words)")
      return nil
    }
    return device
  }

  private mutating func readDevice(_ kind: String, _ value: Located?) -> GuestPlan.Device? {
    guard let value else { return nil }
    switch kind {
    case "tap", "interface":
      guard let name = interfaceName(value) else { return nil }
      claim("interface", name, at: value.place)
      return kind == "tap" ? .tap(name) : .interface(name)
    case "device": return ethdev(value).map { .ethdev($0) }
    default: return readVhostUser(value).map { .vhostUser($0) }
    }
  }

  private mutating func readVhostUser(_ section: Located) -> VhostUserPlan? {
    guard let fields = fields(section, .vhostUser) else { return nil }
    let socket = absolutePath(fields["socket"], maximum: 107)
    if let socket, let value = fields["socket"] { claim("socket", socket, at: value.place) }
    let listens = boolean(fields["listens"])
    let isBrokered = boolean(fields["broker"])
    let offersPackedRing = boolean(fields["packed"])
    let offersOffload = boolean(fields["offload"])
    let mtu = integer(fields["mtu"], in: 576...65535)
    guard let socket else { return nil }
    var plan = VhostUserPlan(socket: socket)
    plan.listens = listens ?? plan.listens
    plan.isBrokered = isBrokered ?? plan.isBrokered
    plan.offersPackedRing = offersPackedRing ?? plan.offersPackedRing
    plan.offersOffload = offersOffload ?? plan.offersOffload
    plan.mtu = mtu.map { Int($0) }
    return plan
  }

  /// Enters a name that nothing else of its kind may have.
  package mutating func claim(_ kind: String, _ name: String, at place: Place) {
    if let first = names["\(kind) \(name)"] {
      fail(place, "\(quote(name)) is used twice; first at \(text(first))")
    } else {
      names["\(kind) \(name)"] = place
    }
  }
}

// MARK: Scalars

extension GuestReading {
  /// A network interface's name as Linux takes it: up to 15 bytes, no slash, colon or space.
  package mutating func interfaceName(_ value: Located?) -> String? {
    guard let value, let text = characters(value, "the name of a network interface") else {
      return nil
    }
    let isName =
      !text.isEmpty && text.utf8.count <= 15 && text != "." && text != ".."
      && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x2F && $0 != 0x3A }
    guard isName else {
      fail(value.place, "\(quote(text)) cannot be the name of a network interface")
      return nil
    }
    return text
  }

  /// A PCI address or a virtual device with its arguments; DPDK itself judges the rest.
  package mutating func ethdev(_ value: Located?) -> String? {
    let expected = "a device such as `0000:00:05.0` or `net_af_xdp0,iface=eth1`"
    guard let value, let text = characters(value, expected) else { return nil }
    guard !text.isEmpty, text.utf8.count <= 255,
      text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !text.hasPrefix("-")
    else {
      fail(value.place, "must be \(expected), not \(quote(text))")
      return nil
    }
    claim("device", DevicePlan(text).name, at: value.place)
    return text
  }

  /// An address of one host.
  package mutating func hostAddress(_ value: Located?) -> IPAddress? {
    guard let value, let address = address(value) else { return nil }
    guard !address.isMulticast, !address.isUnspecified, !address.isLimitedBroadcast else {
      fail(value.place, "`\(address)` is not the address of a host")
      return nil
    }
    return address
  }

  /// A path of this machine, in bytes that the system takes.
  package mutating func absolutePath(_ value: Located?, maximum: Int) -> String? {
    guard let value, let text = path(value) else { return nil }
    guard text.hasPrefix("/") else {
      fail(value.place, "\(quote(text)) must begin at the root, with `/`")
      return nil
    }
    guard text.utf8.count <= maximum else {
      fail(value.place, "\(quote(text)) is longer than \(maximum) bytes")
      return nil
    }
    return text
  }

  /// The text of a path.
  package mutating func path(_ value: Located?) -> String? {
    guard let value, let text = characters(value, "a path") else { return nil }
    guard !text.isEmpty, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
      fail(value.place, "\(quote(text)) is not a path")
      return nil
    }
    return text
  }
}
