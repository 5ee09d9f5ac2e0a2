import Glibc
import HostPlan

/// Which guests `apus-vhostd` stands in front of, and where.
struct BrokerPlan: Equatable {
  struct Guest: Equatable {
    var networkInterface: String
    var device: VhostUserPlan

    /// As the broker reads it.
    var text: String {
      "eni=\(networkInterface),socket=\(device.socket)" + (device.listens ? ",listens" : "")
    }
  }

  /// Where its sockets are.
  let runDirectory: String
  let guests: [Guest]

  init(runDirectory: String, guests: [Guest]) {
    self.runDirectory = runDirectory
    self.guests = guests
  }

  /// nil when no guest wants a broker, and none can come later.
  init?(_ plan: HostPlan, runDirectory: String, mayComeLater: Bool = false) {
    guests = plan.guests.compactMap { guest in
      guard case .vhostUser(let device) = guest.device, device.isBrokered else { return nil }
      return Guest(networkInterface: guest.networkInterface, device: device)
    }
    self.runDirectory = runDirectory
    if guests.isEmpty, !(mayComeLater && plan.runtime == .dpdk) { return nil }
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
    plan.guests = plan.guests.map(redirected)
    return plan
  }

  /// A guest's port as the data plane opens it.
  func redirected(_ guest: GuestPlan) -> GuestPlan {
    guard case .vhostUser(var device) = guest.device, device.isBrokered else { return guest }
    var guest = guest
    device.socket = innerSocket(guest.networkInterface)
    device.listens = false
    guest.device = .vhostUser(device)
    return guest
  }

  /// The command line of the broker.
  ///
  /// - Parameter executable: its path.
  func arguments(_ executable: String) -> [String] {
    var list = [executable, "--run-dir", runDirectory]
    for guest in guests { list += ["--guest", guest.text] }
    if guests.isEmpty { list.append("--without-guests") }
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

extension GuestPlan {
  /// Whether the guest is behind the broker.
  var isBrokered: Bool {
    if case .vhostUser(let device) = device { device.isBrokered } else { false }
  }
}
