import HostPlan
import VPCModel

/// Writes the ports of guests as canonical JSON.
package enum GuestWriter {
  /// The JSON of one port: one line, fields in the order of docs/host.md, defaults left out.
  package static func json(_ guest: GuestPlan) -> String {
    var object = JSONObject()
    object.add("eni", guest.networkInterface)
    if guest.queues != 1 { object.add("queues", guest.queues) }
    switch guest.device {
    case .interface(let name): object.add("interface", name)
    case .tap(let name): object.add("tap", name)
    case .vhostUser(let plan): object.add("vhostUser", raw: json(plan))
    case .ethdev(let device): object.add("device", device)
    }
    return object.closed
  }

  private static func json(_ plan: VhostUserPlan) -> String {
    let standard = VhostUserPlan(socket: plan.socket)
    var object = JSONObject()
    object.add("socket", plan.socket)
    for (name, field) in [
      ("listens", \VhostUserPlan.listens), ("broker", \.isBrokered),
      ("packed", \.offersPackedRing), ("offload", \.offersOffload),
    ] where plan[keyPath: field] != standard[keyPath: field] {
      object.add(name, plan[keyPath: field])
    }
    if let mtu = plan.mtu { object.add("mtu", mtu) }
    return object.closed
  }
}
