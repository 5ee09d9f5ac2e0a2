import Glibc
import HostPlan

/// Which guests `apus-vhostd` stands in front of, and where.
struct BrokerPlan: Equatable {
  struct Guest: Equatable {
    var networkInterface: String
    var device: VhostUserPlan
  }

  /// Where its sockets are.
  let runDirectory: String
  let guests: [Guest]

  /// nil when no guest wants a broker.
  init?(_ plan: HostPlan, runDirectory: String) {
    guests = plan.guests.compactMap { guest in
      guard case .vhostUser(let device) = guest.device, device.isBrokered else { return nil }
      return Guest(networkInterface: guest.networkInterface, device: device)
    }
    self.runDirectory = runDirectory
    if guests.isEmpty { return nil }
  }

  /// The run directory: what the host file says, else APUS_RUN_DIR, else /run/apus.
  static func runDirectory(_ configured: String?) -> String {
    if let configured { return configured }
    if let path = getenv("APUS_RUN_DIR").map({ String(cString: $0) }), path.hasPrefix("/") {
      return path
    }
    return "/run/apus"
  }

  /// The socket at which the data plane finds the broker for a guest.
  func innerSocket(_ networkInterface: String) -> String {
    "\(runDirectory)/\(networkInterface).sock"
  }

  /// The plan as the data plane sees it: guests with a broker are behind its sockets.
  func redirected(_ plan: HostPlan) -> HostPlan {
    var plan = plan
    for index in plan.guests.indices {
      guard case .vhostUser(var device) = plan.guests[index].device, device.isBrokered else {
        continue
      }
      device.socket = innerSocket(plan.guests[index].networkInterface)
      device.listens = false
      plan.guests[index].device = .vhostUser(device)
    }
    return plan
  }

  /// The command line of the broker.
  ///
  /// - Parameter executable: its path.
  func arguments(_ executable: String) -> [String] {
    var list = [executable, "--run-dir", runDirectory]
    for guest in guests {
      let listens = guest.device.listens ? ",listens" : ""
      list += ["--guest", "eni=\(guest.networkInterface),socket=\(guest.device.socket)\(listens)"]
    }
    return list
  }

  /// Why the broker would refuse its command line; nil when it would not.
  var obstacle: String? {
    for guest in guests {
      let name = guest.networkInterface
      let isFileName =
        name.utf8.count <= 64 && !name.hasPrefix(".")
        && name.unicodeScalars.allSatisfy { scalar in
          scalar.isASCII
            && (scalar.properties.isAlphabetic || "0123456789-_.".unicodeScalars.contains(scalar))
        }
      if !isFileName {
        return "`\(name)` cannot name a socket: 1 to 64 letters, digits, `-`, `_` and `.` can"
      }
      if guest.device.socket.contains(",") { return "`\(guest.device.socket)` has a comma in it" }
      if innerSocket(name).utf8.count > 107 {
        return "`\(innerSocket(name))` is longer than 107 bytes"
      }
    }
    return nil
  }
}
