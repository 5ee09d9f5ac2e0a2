import HostPlan
import VPCModel
import Wire

/// What HOST.yaml says: the plan of the host's ports, and what is around it.
public struct HostConfiguration: Sendable, Equatable {
  public var plan: HostPlan
  /// Model files; relative paths are already taken from the folder of HOST.yaml.
  public var rules: [String]
  /// Where OpenMetrics text is served; nil for nowhere.
  public var metrics: LoopbackAddress?
  /// Where sockets of the data plane and of its broker are; nil for the default.
  public var runDirectory: String?
  /// Privileges are given up when all ports are open.
  public var isConfined: Bool
  /// Where the control API is served; nil for nowhere.
  public var control: ControlPlan?
  /// Where flow logs are written; nil for nowhere.
  public var flowLog: FlowLogPlan?
  /// What is allowed but probably not meant, each with its place.
  public var warnings: [String]

  public init(
    plan: HostPlan, rules: [String] = [], metrics: LoopbackAddress? = nil,
    runDirectory: String? = nil, isConfined: Bool = true, control: ControlPlan? = nil,
    flowLog: FlowLogPlan? = nil, warnings: [String] = []
  ) {
    self.plan = plan
    self.rules = rules
    self.metrics = metrics
    self.runDirectory = runDirectory
    self.isConfined = isConfined
    self.control = control
    self.flowLog = flowLog
    self.warnings = warnings
  }
}

/// A host file that is right by itself, and can still be held against a model.
public struct HostDocument: Sendable {
  public let configuration: HostConfiguration
  let facts: HostFacts

  /// Reads a host file, YAML or JSON.
  ///
  /// - Parameters:
  ///   - path: the file, as errors shall name it.
  ///   - processors: numbers of the processors that workers may run on.
  /// - Throws: everything that is wrong with the file, in order of line and column.
  /// - Complexity: linear in the size of the file.
  public static func load(
    path: String, processors: Set<Int>
  ) throws(ModelErrors) -> HostDocument {
    var reader = HostReader(file: path, processors: processors)
    reader.read(path: path, file: 0)
    return try finish(reader, folder: path.lastIndex(of: "/").map { path[...$0] } ?? "")
  }

  /// Reads the text of a host file.
  public static func load(
    text: String, name: String, processors: Set<Int>
  ) throws(ModelErrors) -> HostDocument {
    var reader = HostReader(file: name, processors: processors)
    reader.read(text, file: 0)
    return try finish(reader, folder: "")
  }

  /// - Parameter folder: of the file, with a slash at its end; empty for the current one.
  private static func finish(
    _ reader: HostReader, folder: Substring
  ) throws(ModelErrors) -> HostDocument {
    let errors = reader.errorsInOrder()
    guard errors.isEmpty else { throw ModelErrors(errors: errors) }
    guard var configuration = reader.configuration else {
      // An empty file has no document, and so no place to report a missing field at.
      throw ModelErrors(errors: [
        ModelError(
          file: reader.files[0], line: 1, column: nil, path: "", reason: "is empty: name a runtime")
      ])
    }
    configuration.rules = configuration.rules.map { $0.hasPrefix("/") ? $0 : folder + $0 }
    return HostDocument(configuration: configuration, facts: reader.facts)
  }

  /// Holds the configuration against the model that it is to serve.
  ///
  /// - Returns: the configuration; with an API without those guests whose network interface the
  ///   model does not have, which are warned of: it may come with a later change.
  /// - Throws: such guests without an API, and an uplink in a model without `host`.
  public func checked(against model: VPCModel) throws(ModelErrors) -> HostConfiguration {
    var errors: [ModelError] = []
    var configuration = configuration
    let strangers = unknownGuests(model)
    if configuration.control == nil {
      errors += strangers
    } else {
      let known = Set(model.networkInterfaces.map(\.id))
      let isStranger = { (guest: GuestPlan) in !known.contains(guest.networkInterface) }
      // DPDK's devices cannot be opened later: these wait for their guests.
      for guest in configuration.plan.guests.filter(isStranger) {
        guard case .ethdev(let name) = guest.device else { continue }
        configuration.plan.devices.append(DevicePlan(name, queues: guest.queues))
      }
      configuration.plan.guests.removeAll(where: isStranger)
      configuration.warnings += strangers.map {
        "\($0.description); its port is opened when it is applied with the interface"
      }
    }
    if let place = facts.uplink, model.host == nil {
      errors.append(
        facts.error(place, "the model has no `host`, so nothing says what this host's address is"))
    }
    if let gateway = facts.gateway, let host = model.host,
      let plan = configuration.plan.uplink, let address = plan.gateway
    {
      errors += Self.gatewayErrors(address, plan, host).map { facts.error(gateway, $0) }
    }
    if let place = facts.prefixLength, let host = model.host,
      let length = configuration.plan.uplink?.prefixLength, length > host.address.family.bitWidth
    {
      errors.append(
        facts.error(place, "must be at most \(host.address.family.bitWidth) for \(host.address)"))
    }
    guard errors.isEmpty else { throw ModelErrors(errors: errors) }
    return configuration
  }

  private func unknownGuests(_ model: VPCModel) -> [ModelError] {
    let known = Set(model.networkInterfaces.map(\.id))
    return facts.guests.filter { !known.contains($0.networkInterface) }.map {
      facts.error(
        $0.place,
        "the model has no network interface `\($0.networkInterface)`"
          + Self.choice(model.networkInterfaces.map(\.id)))
    }
  }

  private static func gatewayErrors(
    _ gateway: IPAddress, _ uplink: UplinkPlan, _ host: Host
  ) -> [String] {
    guard gateway.family == host.address.family else {
      return ["`\(gateway)` is not of the family of the host's address \(host.address)"]
    }
    guard let length = uplink.prefixLength, length <= gateway.family.bitWidth else { return [] }
    let link = IPPrefix(host.address, length: length)
    // A router may be known by its link-local address (RFC 4861 section 4.2).
    if link.contains(gateway) || gateway.isLinkLocal { return [] }
    return ["`\(gateway)` is not on the link \(link)"]
  }

  private static func choice(_ ids: [String]) -> String {
    if ids.isEmpty { return "" }
    let rest = ids.count > 5 ? " and \(ids.count - 5) more" : ""
    return " (it has \(ids.prefix(5).joined(separator: ", "))\(rest))"
  }
}
