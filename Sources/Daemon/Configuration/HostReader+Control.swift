import Controller
import VPCModel
import Wire

extension ObjectFields {
  static let control = ObjectFields(
    name: "control", required: ["stateDirectory"], optional: ["socket", "users", "tls"])
  static let controlTLS = ObjectFields(
    name: "tls", required: ["address", "certificates", "key", "authorities", "identities"],
    optional: ["port"])
}

extension HostReader {
  /// `control`: the API's sockets and who may use it.
  mutating func readControl(_ section: Located?, runDirectory: String?) -> ControlPlan? {
    guard let section, !section.isNull, let fields = fields(section, .control) else { return nil }
    let state = absolutePath(fields["stateDirectory"], maximum: 255)
    let socket = absolutePath(fields["socket"], maximum: 100)
    var users: [UInt32: Set<Permission>] = [:]
    for (key, value) in pairs(fields["users"]) {
      guard let id = integer(key, in: 0...UInt64(UInt32.max)) else { continue }
      users[UInt32(id)] = permissions(value)
    }
    let tls = readTLS(fields["tls"])
    guard let state else { return nil }
    return ControlPlan(
      socket: socket ?? BrokerPlan.runDirectory(runDirectory) + "/control.sock",
      stateDirectory: state, users: users, tls: tls)
  }

  private mutating func readTLS(_ section: Located?) -> ControlPlan.TLS? {
    guard let section, !section.isNull, let fields = fields(section, .controlTLS) else {
      return nil
    }
    let address = address(fields["address"])
    let port = integer(fields["port"], in: 1...65_535) ?? 6_653
    let certificates = absolutePath(fields["certificates"], maximum: 4_000)
    let key = absolutePath(fields["key"], maximum: 4_000)
    let authorities = absolutePath(fields["authorities"], maximum: 4_000)
    var identities: [String: Set<Permission>] = [:]
    for (name, value) in pairs(fields["identities"]) {
      guard let name = characters(name, "a name of a certificate") else { continue }
      identities[name] = permissions(value)
    }
    guard let address, let certificates, let key, let authorities else { return nil }
    return ControlPlan.TLS(
      address: "\(address)", port: Int(port), certificates: certificates, key: key,
      authorities: authorities, identities: identities)
  }

  private mutating func permissions(_ value: Located) -> Set<Permission> {
    Set(oneOrMore(value).compactMap { choice($0, Permission.self) })
  }
}
